/**
 * The rate of a clock over a long time, from the moments of its cells.
 *
 * Steps cut the cells of a machine into *epochs*. Every epoch has a level of its own (a step moves it, and the asymmetry
 * of a path shifts it), and all share one slope: the centred sums of the epochs are added up (analysis of covariance
 * with a common slope). The confidence must not pretend that a thousand samples of an hour are a thousand independent
 * witnesses: what moves a clock off its line moves it for all of them. So the scatter is taken between cells, those of
 * one moment together (cluster-robust variance: K.-Y. Liang, S. Zeger, "Longitudinal data analysis using generalized
 * linear models", 1986), and a cell counts as one observation. Student's t, the floor by the samples' own uncertainties
 * and the limits within which a rate counts as measured are those of drift.ts.
 */
import { type Drift, driftOf } from './drift.js';
import { type Moments, mergeMoments } from './drift-cell.js';
import type { Chain } from './drift-steps.js';

/** The slope that all epochs share, in the terms of drift.ts. */
export function driftOfEpochs(all: readonly Chain[]): Drift {
  const epochs = all.map(cells => ({
    cells,
    whole: cells.map(({ cell }) => cell as Moments).reduce(mergeMoments),
  }));
  const sum = (of: (whole: Moments) => number) => epochs.reduce((total, { whole }) => total + of(whole), 0);
  const tt = sum(whole => whole.timeSquares);
  const ty = sum(whole => whole.timeOffsets);
  if (!(tt > 0)) return driftOf(undefined);
  const slope = ty / tt;

  // Each cell's part in what is left unexplained; it is zero in total, and should be small everywhere.
  const scores = new Map<number, number>();
  for (const { cells, whole } of epochs) {
    for (const { startMs, cell: m } of cells) {
      const t = m.centreMs - whole.centreMs;
      const y = m.centreOffsetMs - whole.centreOffsetMs;
      const score = m.timeOffsets + m.weight * t * y - slope * (m.timeSquares + m.weight * t * t);
      scores.set(startMs, (scores.get(startMs) ?? 0) + score);
    }
  }
  let [fromMs, atMs] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { cells } of epochs) {
    fromMs = Math.min(fromMs, cells[0]?.cell.centreMs ?? fromMs);
    atMs = Math.max(atMs, cells.at(-1)?.cell.centreMs ?? atMs);
  }
  const cells = scores.size;
  const variance = [...scores.values()].reduce((total, score) => total + score * score, 0) / (tt * tt);
  const corrected = cells > 1 ? (variance * cells) / (cells - 1) : variance;
  // Sums of as many observations as there are cells, with this slope and this variance of it.
  return driftOf({
    fromMs,
    atMs,
    baseMs: 0,
    w: cells,
    ww: cells,
    t: 0,
    y: 0,
    tt,
    ty,
    yy: slope * ty + corrected * tt * (cells - 2),
  });
}
