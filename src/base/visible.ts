/**
 * Text from data made safe to print.
 *
 * An id, an exchange's code or a host's name is somebody else's text. A terminal acts on escape sequences in it, and
 * bidirectional marks make a line read as what it is not. So everything that controls rather than shows is printed as
 * the number of its character, like `\u{1b}`; nothing is dropped, for an operator must see that it was there.
 */

/** Control and formatting characters (bidirectional marks are such), line separators, halves of characters. */
const CONTROLS = /\p{Cc}|\p{Cf}|\p{Zl}|\p{Zp}|\p{Cs}/gu;

const codePointOf = (character: string) => (character.codePointAt(0) as number).toString(16);

/** One line: line breaks are shown too. */
export const visible = (text: string): string =>
  text.replace(CONTROLS, character => `\\u{${codePointOf(character)}}`);

/** Text that we have laid out in lines. */
export const visibleLines = (text: string): string => text.split('\n').map(visible).join('\n');

/** JSON that a terminal may be shown: the same value, with more of it escaped. */
export const visibleJson = (value: unknown): string =>
  JSON.stringify(value, null, 2)
    .split('\n')
    .map(line => line.replace(CONTROLS, jsonEscape))
    .join('\n');

/** JSON escapes UTF-16 units, of which a character may have two. */
const jsonEscape = (character: string): string =>
  Array.from(
    { length: character.length },
    (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`,
  ).join('');

/** A cell of a CSV that a spreadsheet takes for a formula when it begins so; the wide forms too, and after blanks. */
const FORMULA = /^\s*[=+\-@＝＋－＠]/;

/**
 * A cell of a CSV (RFC 4180). Text that a spreadsheet would evaluate is led by an apostrophe, as OWASP advises against
 * CSV injection; numbers are left as they are.
 */
export function csvCell(value: string | number | null | undefined): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number') return String(value);
  const shown = visible(value);
  const inert = FORMULA.test(shown) ? `'${shown}` : shown;
  return /[",]/.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert;
}
