/**
 * What a command prints: data on stdout (a table, or with `--json` one object), messages on stderr.
 *
 * Whatever text comes from data is made visible on the way (visible.ts). On a terminal nothing is wider than it:
 * messages wrap, a table's last column wraps within itself, and a table that cannot fit is printed a field a line.
 */
import { once } from 'node:events';
import { ReaderLeftError } from './exit-codes.js';
import { visible, visibleJson, visibleLines } from './visible.js';
import { columnsOf, wrap } from './wrap.js';

export interface Output {
  readonly json: boolean;
  /** The command's result. `text` is only made when it is wanted. */
  data(value: unknown, text: () => string): void;
  /**
   * A part of a result that comes in parts; resolves when there is room for the next.
   * @throws ReaderLeftError
   */
  part(text: string): Promise<void>;
  message(text: string): void;
  /** One line that replaces itself on a terminal; elsewhere only beginnings and ends are printed. */
  progress(text: string, stage?: 'begin' | 'update' | 'end'): void;
}

export function createOutput(json: boolean): Output {
  const isTerminal = process.stderr.isTTY === true;
  return {
    json,
    data(value, text) {
      process.stdout.write(
        `${json ? visibleJson(value) : wrap(visibleLines(text()), process.stdout.columns)}\n`,
      );
    },
    async part(text) {
      if (process.stdout.destroyed) throw new ReaderLeftError();
      if (process.stdout.write(`${visibleLines(text)}\n`)) return;
      await once(process.stdout, 'drain').catch(() => {
        // Why, where it is not that the reader left, main.ts says.
        throw new ReaderLeftError();
      });
    },
    message(text) {
      process.stderr.write(`${wrap(visibleLines(text), process.stderr.columns)}\n`);
    },
    progress(raw, stage = 'update') {
      const text = visible(raw);
      if (isTerminal) process.stderr.write(`\r\u001b[K${text}${stage === 'end' ? '\n' : ''}`);
      else if (stage !== 'update') process.stderr.write(`${text}\n`);
    },
  };
}

type Align = 'left' | 'right';

const GAP = 2;
/** A last column narrower than this is harder to read than a field a line. */
const MIN_LAST_WIDTH = 24;

/**
 * A plain table without colours, so that NO_COLOR holds by construction.
 * @param width of the terminal; without one the table is as wide as its content
 */
export function table(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  align: readonly Align[],
  width: number | undefined = process.stdout.columns,
): string {
  const cells = rows.map(row => row.map(cell => visible(String(cell))));
  const widths = head.map(
    (name, i) => Math.max(...[name, ...cells.map(row => row[i] ?? '')].map(columnsOf)) + GAP,
  );
  const before = widths.slice(0, -1).reduce((sum, each) => sum + each, 0);
  const last = widths.at(-1) ?? 0;
  const fits = width === undefined || before + last - GAP <= width;
  if (!fits && (align[head.length - 1] !== 'left' || width - before < MIN_LAST_WIDTH)) {
    return cells.map(row => record(head, row, width)).join('\n\n');
  }
  const lines = [head, ...cells].flatMap(row => {
    const start = row
      .slice(0, -1)
      .map((cell, i) => pad(cell, widths[i] ?? 0, align[i]))
      .join('');
    const end = row.at(-1) ?? '';
    if (fits) return start + pad(end, last, align[head.length - 1]);
    return wrap(end, width - before)
      .split('\n')
      .map((line, i) => (i === 0 ? start : ' '.repeat(before)) + line.trimStart());
  });
  return lines.map(line => line.trimEnd()).join('\n');
}

/** To `width` columns, the gap to the next cell among them. */
function pad(cell: string, width: number, align: Align | undefined): string {
  const blanks = ' '.repeat(Math.max(width - GAP - columnsOf(cell), 0));
  return (align === 'right' ? blanks + cell : cell + blanks) + ' '.repeat(GAP);
}

/** A row as lines of `name  value`. */
function record(head: readonly string[], row: readonly string[], width: number): string {
  const indent = Math.max(...head.map(columnsOf)) + GAP;
  return head
    .map((name, i) => wrap(`${name.padEnd(indent)}${row[i] ?? ''}`.trimEnd(), width, indent))
    .join('\n');
}
