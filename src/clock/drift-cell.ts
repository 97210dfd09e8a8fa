/**
 * All that the samples of one stretch of time say about one clock, as one machine saw it: an hour of the roll-up, or
 * a minute or two of a plot. A cell takes samples one at a time, in any order, and never needs them again.
 *
 * It keeps three kinds of figures:
 *
 *  - Of all samples: how many, their offsets' range and mean, the tightest uncertainty, and the round trips counted
 *    by size ({@link ROUND_TRIP_BOUNDS_MS}), from which a median can be told for any number of cells together.
 *  - What the samples allow together, at the cell's beginning (`first…`) and at its end. A sample that excludes what
 *    was known before is a *step* of the clock, and knowledge starts again with it. Of several steps in one cell the
 *    last is described, the others are counted. Because both ends are kept, whoever reads two cells that follow
 *    each other can tell whether the clock stepped between them: it did when the end of the one and the beginning
 *    of the other exclude each other. (Intervals have a point in common as soon as any two of them do, so nothing
 *    is lost by comparing only what is common to each side: Helly's theorem on the line.)
 *  - The moments of a regression of offset over time, since the last step. Means and centred sums, so that they can be
 *    put together for any number of cells without loss, and so that a drift of microseconds is not lost in offsets
 *    of days.
 *
 * Samples reach the log late and out of order. One that is older than the cell's last step belongs to a clock that
 * is no more: it counts, and says nothing else. One that contradicts samples both before and after it was wrong,
 * or saw a step and its reversal: the same.
 *
 * Sources: T. Chan, G. Golub, R. LeVeque, "Algorithms for computing the sample variance" (1983), for adding and merging
 * centred sums; the weights are those of drift.ts, 1 / uncertainty², without its forgetting: here the past is asked for.
 */
import { type Interval, inflate, intersect, type OffsetEstimate, type RateBound } from './offset.js';

/** Round trips are counted up to and including each of these, and beyond. */
export const ROUND_TRIP_BOUNDS_MS = [5, 10, 25, 50, 100, 250, 500, 1_000] as const;

/** Not even a sample without a round trip is better than half its stamp's resolution. */
const FLOOR_MS = 0.5;

/** What one measurement alone says. */
export interface DriftObservation {
  readonly atMs: number;
  /** Exchange minus reference clock. */
  readonly offsetMs: number;
  /** ≥ 0 */
  readonly uncertaintyMs: number;
  /** ≥ 0 */
  readonly roundTripMs: number;
}

/** Times are epoch milliseconds by the reference clock. */
export type DriftCell = {
  readonly samples: number;
  readonly firstAt: number;
  readonly lastAt: number;
  readonly minOffsetMs: number;
  readonly maxOffsetMs: number;
  readonly meanOffsetMs: number;
  /** Of the best single sample. */
  readonly tightestUncertaintyMs: number;
  /** What the samples before the first step allow together, at `firstKnownAt`. */
  readonly firstOffsetMs: number;
  readonly firstUncertaintyMs: number;
  readonly firstKnownAt: number;
  /** What the samples since the last step allow together, at `knownAt`; the same as above without a step. */
  readonly offsetMs: number;
  readonly uncertaintyMs: number;
  readonly knownAt: number;
  readonly steps: number;
  /** The last step was after this sample, */
  readonly stepAfter: number | null;
  /** and at or before this one, */
  readonly steppedAt: number | null;
  /** by so much. */
  readonly stepMs: number | null;
  /** Σ w and Σ w² over the samples since the last step; w = 1 / (uncertainty² + 0.25 ms²). */
  readonly weight: number;
  readonly weightSquares: number;
  /** Weighted means over the same samples; the time with a fraction. */
  readonly centreMs: number;
  readonly centreOffsetMs: number;
  /** Σ w·Δt², Σ w·Δt·Δoffset and Σ w·Δoffset² about those means, ms². */
  readonly timeSquares: number;
  readonly timeOffsets: number;
  readonly offsetSquares: number;
  readonly roundTripMinMs: number;
  /** How many took up to 5 ms, up to 10 ms, …, over a second. */
  readonly roundTripsTo5: number;
  readonly roundTripsTo10: number;
  readonly roundTripsTo25: number;
  readonly roundTripsTo50: number;
  readonly roundTripsTo100: number;
  readonly roundTripsTo250: number;
  readonly roundTripsTo500: number;
  readonly roundTripsTo1000: number;
  readonly roundTripsOver: number;
};

/** The part of a cell that a regression needs. */
export type Moments = Pick<
  DriftCell,
  'weight' | 'weightSquares' | 'centreMs' | 'centreOffsetMs' | 'timeSquares' | 'timeOffsets' | 'offsetSquares'
>;

type RoundTrips = Pick<
  DriftCell,
  | 'roundTripsTo5'
  | 'roundTripsTo10'
  | 'roundTripsTo25'
  | 'roundTripsTo50'
  | 'roundTripsTo100'
  | 'roundTripsTo250'
  | 'roundTripsTo500'
  | 'roundTripsTo1000'
  | 'roundTripsOver'
>;

/** In the order of {@link ROUND_TRIP_BOUNDS_MS}. */
export const roundTripCounts = (cell: RoundTrips): readonly number[] => [
  cell.roundTripsTo5,
  cell.roundTripsTo10,
  cell.roundTripsTo25,
  cell.roundTripsTo50,
  cell.roundTripsTo100,
  cell.roundTripsTo250,
  cell.roundTripsTo500,
  cell.roundTripsTo1000,
  cell.roundTripsOver,
];

/** What was known at the beginning, and how it goes on. */
export const firstKnown = (cell: DriftCell, rate?: RateBound): OffsetEstimate => ({
  offsetMs: cell.firstOffsetMs,
  uncertaintyMs: cell.firstUncertaintyMs,
  atMs: cell.firstKnownAt,
  rate,
});
/** What was known at the end, and how it goes on. */
export const lastKnown = (cell: DriftCell, rate?: RateBound): OffsetEstimate => ({
  offsetMs: cell.offsetMs,
  uncertaintyMs: cell.uncertaintyMs,
  atMs: cell.knownAt,
  rate,
});

type Draft<Cell> = { -readonly [Field in keyof Cell]: Cell[Field] };

/** The cell of one sample. */
export function cellOf(o: DriftObservation): DriftCell {
  const cell = emptyCell(o);
  addMoments(cell, o);
  count(cell, o);
  return cell;
}

/**
 * A copy, with the sample and with whatever else the cell has; it is the caller's to change.
 *
 * This is the projector's inner loop. A copy by one spread alone and changes one by one take a microsecond; put together
 * from several objects, so many fields take twenty.
 */
export function addToCell<Cell extends DriftCell>(cell: Cell, o: DriftObservation): Draft<Cell> {
  const next: Draft<Cell> = { ...cell };
  learn(next, o);
  count(next, o);
  return next;
}

/** As it is before its first sample, whose figures it has already where nothing is to be added up. */
const emptyCell = (o: DriftObservation): Draft<DriftCell> => ({
  samples: 0,
  firstAt: o.atMs,
  lastAt: o.atMs,
  minOffsetMs: o.offsetMs,
  maxOffsetMs: o.offsetMs,
  meanOffsetMs: o.offsetMs,
  tightestUncertaintyMs: o.uncertaintyMs,
  firstOffsetMs: o.offsetMs,
  firstUncertaintyMs: o.uncertaintyMs,
  firstKnownAt: o.atMs,
  offsetMs: o.offsetMs,
  uncertaintyMs: o.uncertaintyMs,
  knownAt: o.atMs,
  steps: 0,
  stepAfter: null,
  steppedAt: null,
  stepMs: null,
  weight: 0,
  weightSquares: 0,
  centreMs: 0,
  centreOffsetMs: 0,
  timeSquares: 0,
  timeOffsets: 0,
  offsetSquares: 0,
  roundTripMinMs: o.roundTripMs,
  roundTripsTo5: 0,
  roundTripsTo10: 0,
  roundTripsTo25: 0,
  roundTripsTo50: 0,
  roundTripsTo100: 0,
  roundTripsTo250: 0,
  roundTripsTo500: 0,
  roundTripsTo1000: 0,
  roundTripsOver: 0,
});

/** What every sample says. Round trips: up to the bounds of {@link ROUND_TRIP_BOUNDS_MS}. */
function count(cell: Draft<DriftCell>, o: DriftObservation): void {
  cell.samples += 1;
  cell.firstAt = Math.min(cell.firstAt, o.atMs);
  cell.lastAt = Math.max(cell.lastAt, o.atMs);
  cell.minOffsetMs = Math.min(cell.minOffsetMs, o.offsetMs);
  cell.maxOffsetMs = Math.max(cell.maxOffsetMs, o.offsetMs);
  cell.meanOffsetMs += (o.offsetMs - cell.meanOffsetMs) / cell.samples;
  cell.tightestUncertaintyMs = Math.min(cell.tightestUncertaintyMs, o.uncertaintyMs);
  cell.roundTripMinMs = Math.min(cell.roundTripMinMs, o.roundTripMs);
  const trip = o.roundTripMs;
  if (trip <= 5) cell.roundTripsTo5 += 1;
  else if (trip <= 10) cell.roundTripsTo10 += 1;
  else if (trip <= 25) cell.roundTripsTo25 += 1;
  else if (trip <= 50) cell.roundTripsTo50 += 1;
  else if (trip <= 100) cell.roundTripsTo100 += 1;
  else if (trip <= 250) cell.roundTripsTo250 += 1;
  else if (trip <= 500) cell.roundTripsTo500 += 1;
  else if (trip <= 1_000) cell.roundTripsTo1000 += 1;
  else cell.roundTripsOver += 1;
}

/** What the sample says of the clock: before its own figures go into the cell's ranges. */
function learn(cell: Draft<DriftCell>, o: DriftObservation): void {
  if (cell.steppedAt !== null && o.atMs < cell.steppedAt) return;
  const known = lastKnown(cell);
  const both = intersect(known, o);
  if (both) {
    know(cell, both);
    if (cell.steps === 0) knowAtFirst(cell, both);
    addMoments(cell, o);
  } else if (o.atMs > cell.lastAt) {
    cell.steps += 1;
    cell.stepAfter = cell.lastAt;
    cell.steppedAt = o.atMs;
    cell.stepMs = o.offsetMs - inflate(known, o.atMs).offsetMs;
    know(cell, o);
    cell.weight = 0;
    addMoments(cell, o);
  } else if (cell.steps === 0 && o.atMs < cell.firstAt) {
    // The only one from before a step, and late: it puts the step before all that the cell has.
    knowAtFirst(cell, o);
    cell.steps = 1;
    cell.stepAfter = o.atMs;
    cell.steppedAt = cell.firstAt;
    cell.stepMs = known.offsetMs - inflate(o, known.atMs).offsetMs;
  }
}

function know(cell: Draft<DriftCell>, { offsetMs, uncertaintyMs, atMs }: OffsetEstimate): void {
  cell.offsetMs = offsetMs;
  cell.uncertaintyMs = uncertaintyMs;
  cell.knownAt = atMs;
}

function knowAtFirst(cell: Draft<DriftCell>, { offsetMs, uncertaintyMs, atMs }: OffsetEstimate): void {
  cell.firstOffsetMs = offsetMs;
  cell.firstUncertaintyMs = uncertaintyMs;
  cell.firstKnownAt = atMs;
}

function addMoments(cell: Draft<DriftCell>, { atMs, offsetMs, uncertaintyMs }: OffsetEstimate): void {
  const w = 1 / (uncertaintyMs ** 2 + FLOOR_MS ** 2);
  const moments = mergeMoments(cell, {
    weight: w,
    weightSquares: w * w,
    centreMs: atMs,
    centreOffsetMs: offsetMs,
    timeSquares: 0,
    timeOffsets: 0,
    offsetSquares: 0,
  });
  cell.weight = moments.weight;
  cell.weightSquares = moments.weightSquares;
  cell.centreMs = moments.centreMs;
  cell.centreOffsetMs = moments.centreOffsetMs;
  cell.timeSquares = moments.timeSquares;
  cell.timeOffsets = moments.timeOffsets;
  cell.offsetSquares = moments.offsetSquares;
}

/** The moments of both together. */
export function mergeMoments(a: Moments, b: Moments): Moments {
  if (a.weight === 0) return pickMoments(b);
  const weight = a.weight + b.weight;
  const share = b.weight / weight;
  const t = b.centreMs - a.centreMs;
  const y = b.centreOffsetMs - a.centreOffsetMs;
  const between = a.weight * share;
  return {
    weight,
    weightSquares: a.weightSquares + b.weightSquares,
    centreMs: a.centreMs + t * share,
    centreOffsetMs: a.centreOffsetMs + y * share,
    timeSquares: a.timeSquares + b.timeSquares + between * t * t,
    timeOffsets: a.timeOffsets + b.timeOffsets + between * t * y,
    offsetSquares: a.offsetSquares + b.offsetSquares + between * y * y,
  };
}

const pickMoments = (m: Moments): Moments => ({
  weight: m.weight,
  weightSquares: m.weightSquares,
  centreMs: m.centreMs,
  centreOffsetMs: m.centreOffsetMs,
  timeSquares: m.timeSquares,
  timeOffsets: m.timeOffsets,
  offsetSquares: m.offsetSquares,
});

/**
 * The median of round trips that were counted by size: the place of the middle one within its class, as if the class
 * were filled evenly on a logarithmic scale. Off by less than the width of a class, a factor of 2 to 2.5.
 */
export function medianRoundTripMs(counts: readonly number[], minMs: number): number {
  const middle = counts.reduce((sum, n) => sum + n, 0) / 2;
  let below = 0;
  for (const [i, count] of counts.entries()) {
    if (count > 0 && below + count >= middle) {
      const { low, high } = roundTripClass(i, minMs);
      return Math.min(high, low * (high / low) ** ((middle - below) / count));
    }
    below += count;
  }
  return minMs;
}

/** A logarithm needs a beginning; below this a round trip is no time at all. */
const SHORTEST_TRIP_MS = 0.1;
const LONGEST_TRIP_MS = 2_500;

function roundTripClass(index: number, minMs: number): Interval {
  const low = Math.max(ROUND_TRIP_BOUNDS_MS[index - 1] ?? 0, minMs, SHORTEST_TRIP_MS);
  return { low, high: Math.max(ROUND_TRIP_BOUNDS_MS[index] ?? LONGEST_TRIP_MS, low) };
}
