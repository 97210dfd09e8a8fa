/** Lines no longer than the terminal is wide. */
import { eastAsianWidth } from 'get-east-asian-width';

const MIN_WIDTH = 20;

/** Columns on a terminal, where Chinese letters and the like take two. */
export const columnsOf = (text: string): number =>
  [...text].reduce((sum, letter) => sum + eastAsianWidth(letter.codePointAt(0) ?? 0), 0);

/**
 * Breaks at blanks. What continues a line stands under its beginning; a word longer than the width is left whole, so
 * that a URL or an id can still be copied.
 * @param width columns; undefined where it is no terminal: nothing is changed
 * @param hanging how far continuations stand in; default: as far as the line itself
 */
export function wrap(text: string, width: number | undefined, hanging?: number): string {
  if (width === undefined) return text;
  return text
    .split('\n')
    .map(line => wrapLine(line, Math.max(width, MIN_WIDTH), hanging))
    .join('\n');
}

function wrapLine(line: string, width: number, hanging: number | undefined): string {
  if (columnsOf(line) <= width) return line;
  const indent = hanging ?? /^ */.exec(line)?.[0].length ?? 0;
  const margin = ' '.repeat(Math.min(indent, width - MIN_WIDTH / 2));
  const lines: string[] = [];
  let current = '';
  // Blanks inside a line are layout: they stay, except where it breaks.
  for (const part of line.match(/ *[^ ]+/g) ?? []) {
    if (current.trim() !== '' && columnsOf(current) + columnsOf(part) > width) {
      lines.push(current);
      current = `${margin}${part.trimStart()}`;
    } else {
      current += part;
    }
  }
  return [...lines, current].join('\n');
}

/** Prose of several lines as one line a paragraph, to be wrapped anew; what stands in keeps its lines. */
export const paragraphs = (text: string): string => text.replace(/(?<=^\S.*)\n(?=\S)/gm, ' ');
