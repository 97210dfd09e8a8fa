/**
 * A long list as the text of an answer, made some rows at a time.
 *
 * A thousand and a half buckets are ten milliseconds of checking and making text in one piece, and a lookup that came meanwhile
 * waited for all of it. So the text is made between other people's turns, by `JSON.stringify` alone (the rows are columns
 * that the query names; tests hold them to the schema), and within an analysis's turn (turns.ts): once for all who wait for
 * the same.
 */
import { setImmediate } from 'node:timers/promises';

/** Some tenths of a millisecond. */
const ROWS_AT_ONCE = 200;

/**
 * @param head what stands before the list
 * @returns JSON: `{ …head, [name]: rows }`
 * @example await longAnswer({ fromMs, untilMs }, 'buckets', rows)
 */
export async function longAnswer(head: object, name: string, rows: readonly object[]): Promise<string> {
  const parts: string[] = [];
  for (let i = 0; i < rows.length; i += ROWS_AT_ONCE) {
    if (i > 0) await setImmediate();
    parts.push(JSON.stringify(rows.slice(i, i + ROWS_AT_ONCE)).slice(1, -1));
  }
  const before = JSON.stringify(head).slice(0, -1);
  return `${before}${before === '{' ? '' : ','}${JSON.stringify(name)}:[${parts.join(',')}]}`;
}
