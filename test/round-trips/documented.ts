/** The table of docs/benchmarks.md that says what each operation costs: what the tests hold the code to. */
import { readFileSync } from 'node:fs';

export type Counts = Readonly<Record<string, number>>;

const HEADING = '## Round trips';

/** By the column's heading, then by the row's: the whole numbers of the first table under the heading. */
export function documentedCounts(): Readonly<Record<string, Counts>> {
  const text = readFileSync('docs/benchmarks.md', 'utf8');
  const lines = text.slice(text.indexOf(HEADING)).split('\n');
  const start = lines.findIndex(line => line.startsWith('|'));
  const length = lines.slice(start).findIndex(line => !line.startsWith('|'));
  const [headings = [], , ...rows] = lines.slice(start, start + length).map(cells);
  const counts: Record<string, Record<string, number>> = {};
  for (const [i, heading] of headings.entries()) {
    if (i === 0) continue;
    const counted = rows.filter(row => /^\d+$/.test(row[i] as string));
    counts[heading] = Object.fromEntries(counted.map(row => [row[0] as string, Number(row[i])]));
  }
  return counts;
}

const cells = (line: string): string[] =>
  line
    .split('|')
    .slice(1, -1)
    .map(cell => cell.replaceAll('`', '').trim());
