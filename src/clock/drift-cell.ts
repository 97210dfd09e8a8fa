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

const NO_MOMENTS: Moments = {
  weight: 0,
  weightSquares: 0,
  centreMs: 0,
  centreOffsetMs: 0,
  timeSquares: 0,
  timeOffsets: 0,
  offsetSquares: 0,
};

/** Written out field by field: this is the projector's inner loop, and a cell is never more than one shape. */
export function addToCell(cell: DriftCell | undefined, o: DriftObservation): DriftCell {
  if (!cell) return cellOf(o);
  const knowledge = learn(cell, o);
  const samples = cell.samples + 1;
  const trip = o.roundTripMs;
  return {
    ...cell,
    samples,
    firstAt: Math.min(cell.firstAt, o.atMs),
    lastAt: Math.max(cell.lastAt, o.atMs),
    minOffsetMs: Math.min(cell.minOffsetMs, o.offsetMs),
    maxOffsetMs: Math.max(cell.maxOffsetMs, o.offsetMs),
    meanOffsetMs: cell.meanOffsetMs + (o.offsetMs - cell.meanOffsetMs) / samples,
    tightestUncertaintyMs: Math.min(cell.tightestUncertaintyMs, o.uncertaintyMs),
    ...knowledge,
    roundTripMinMs: Math.min(cell.roundTripMinMs, trip),
    roundTripsTo5: cell.roundTripsTo5 + (trip <= 5 ? 1 : 0),
    roundTripsTo10: cell.roundTripsTo10 + (trip > 5 && trip <= 10 ? 1 : 0),
    roundTripsTo25: cell.roundTripsTo25 + (trip > 10 && trip <= 25 ? 1 : 0),
    roundTripsTo50: cell.roundTripsTo50 + (trip > 25 && trip <= 50 ? 1 : 0),
    roundTripsTo100: cell.roundTripsTo100 + (trip > 50 && trip <= 100 ? 1 : 0),
    roundTripsTo250: cell.roundTripsTo250 + (trip > 100 && trip <= 250 ? 1 : 0),
    roundTripsTo500: cell.roundTripsTo500 + (trip > 250 && trip <= 500 ? 1 : 0),
    roundTripsTo1000: cell.roundTripsTo1000 + (trip > 500 && trip <= 1_000 ? 1 : 0),
    roundTripsOver: cell.roundTripsOver + (trip > 1_000 ? 1 : 0),
  };
}

function cellOf(o: DriftObservation): DriftCell {
  const trip = o.roundTripMs;
  return {
    samples: 1,
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
    ...addMoments(NO_MOMENTS, o),
    roundTripMinMs: trip,
    roundTripsTo5: trip <= 5 ? 1 : 0,
    roundTripsTo10: trip > 5 && trip <= 10 ? 1 : 0,
    roundTripsTo25: trip > 10 && trip <= 25 ? 1 : 0,
    roundTripsTo50: trip > 25 && trip <= 50 ? 1 : 0,
    roundTripsTo100: trip > 50 && trip <= 100 ? 1 : 0,
    roundTripsTo250: trip > 100 && trip <= 250 ? 1 : 0,
    roundTripsTo500: trip > 250 && trip <= 500 ? 1 : 0,
    roundTripsTo1000: trip > 500 && trip <= 1_000 ? 1 : 0,
    roundTripsOver: trip > 1_000 ? 1 : 0,
  };
}

/** What changes of the knowledge, the steps and the moments. */
function learn(cell: DriftCell, o: DriftObservation): Partial<DriftCell> {
  if (cell.steppedAt !== null && o.atMs < cell.steppedAt) return {};
  const known = lastKnown(cell);
  const both = intersect(known, o);
  if (both) return { ...knowing(cell, both), ...addMoments(cell, o) };
  if (o.atMs > cell.lastAt) {
    return {
      offsetMs: o.offsetMs,
      uncertaintyMs: o.uncertaintyMs,
      knownAt: o.atMs,
      steps: cell.steps + 1,
      stepAfter: cell.lastAt,
      steppedAt: o.atMs,
      stepMs: o.offsetMs - inflate(known, o.atMs).offsetMs,
      ...addMoments(NO_MOMENTS, o),
    };
  }
  // The only one from before a step, and late: it puts the step before all that the cell has.
  if (cell.steps === 0 && o.atMs < cell.firstAt) {
    return {
      firstOffsetMs: o.offsetMs,
      firstUncertaintyMs: o.uncertaintyMs,
      firstKnownAt: o.atMs,
      steps: 1,
      stepAfter: o.atMs,
      steppedAt: cell.firstAt,
      stepMs: known.offsetMs - inflate(o, known.atMs).offsetMs,
    };
  }
  return {};
}

function knowing(cell: DriftCell, { offsetMs, uncertaintyMs, atMs }: OffsetEstimate): Partial<DriftCell> {
  const last = { offsetMs, uncertaintyMs, knownAt: atMs };
  if (cell.steps > 0) return last;
  return { ...last, firstOffsetMs: offsetMs, firstUncertaintyMs: uncertaintyMs, firstKnownAt: atMs };
}

function addMoments(m: Moments, { atMs, offsetMs, uncertaintyMs }: OffsetEstimate): Moments {
  const w = 1 / (uncertaintyMs ** 2 + FLOOR_MS ** 2);
  return mergeMoments(m, {
    weight: w,
    weightSquares: w * w,
    centreMs: atMs,
    centreOffsetMs: offsetMs,
    timeSquares: 0,
    timeOffsets: 0,
    offsetSquares: 0,
  });
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
