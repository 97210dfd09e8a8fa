/**
 * What a command prints: data on stdout (a table, or with `--json` one object), messages on stderr.
 */
import Table from 'cli-table3';

export interface Output {
  readonly json: boolean;
  /** The command's result. `text` is only made when it is wanted. */
  data(value: unknown, text: () => string): void;
  message(text: string): void;
  /** One line that replaces itself on a terminal; elsewhere only beginnings and ends are printed. */
  progress(text: string, stage?: 'begin' | 'update' | 'end'): void;
}

export function createOutput(json: boolean): Output {
  const isTerminal = process.stderr.isTTY === true;
  return {
    json,
    data(value, text) {
      process.stdout.write(`${json ? JSON.stringify(value, null, 2) : text()}\n`);
    },
    message(text) {
      process.stderr.write(`${text}\n`);
    },
    progress(text, stage = 'update') {
      if (isTerminal) process.stderr.write(`\r\u001b[K${text}${stage === 'end' ? '\n' : ''}`);
      else if (stage !== 'update') process.stderr.write(`${text}\n`);
    },
  };
}

type Align = 'left' | 'right';

/** A plain table without colours, so that NO_COLOR holds by construction. */
export function table(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  align: readonly Align[],
) {
  const grid = new Table({
    head: [...head],
    colAligns: [...align],
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
    chars: {
      top: '',
      'top-mid': '',
      'top-left': '',
      'top-right': '',
      bottom: '',
      'bottom-mid': '',
      'bottom-left': '',
      'bottom-right': '',
      left: '',
      'left-mid': '',
      mid: '',
      'mid-mid': '',
      right: '',
      'right-mid': '',
      middle: '',
    },
  });
  grid.push(...rows.map(row => [...row]));
  return grid
    .toString()
    .split('\n')
    .map(line => line.trimEnd())
    .join('\n');
}
