/**
 * The reliability plot of a back-test: for each tenth of the probabilities that were said, how often a use came.
 *
 *   said  came  moments
 *    4 %   2 %    8120  |
 *   52 %  60 %     410  ██████████|█      came more often than was said
 *
 * A bar ends where it came; `|` stands where it would end had what was said come true (Murphy and Winkler, "Reliability of
 * subjective probability forecasts of precipitation and temperature", 1977).
 */
import type { Calibration } from '../../forecast/backtest.js';
import { table } from '../output.js';

/** Cells of a bar for 100 %: the whole fits a terminal of 50 columns. */
const CELLS = 20;

export function reliabilityPlot({ policy, buckets }: Calibration): string {
  const rows = buckets.map(({ said, came, count }) => [
    percent(said),
    percent(came),
    String(count),
    bar(said, came),
  ]);
  const plot = table(['said', 'came', 'moments', ''], rows, ['right', 'right', 'right', 'left']);
  return `Reliability of ${policy}, | where what was said would have come true:\n${plot}`;
}

const percent = (share: number) => `${(share * 100).toFixed(0)} %`;

function bar(said: number, came: number): string {
  const [mark, end] = [said, came].map(share => Math.round(share * CELLS)) as [number, number];
  const cells: string[] = Array.from({ length: Math.max(mark + 1, end) }, (_, at) => (at < end ? '█' : ' '));
  cells[mark] = '|';
  return cells.join('');
}
