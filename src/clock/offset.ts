/**
 * Offsets as intervals.
 *
 * A sample bounds the offset between two clocks to an interval that contains it with certainty: the remote
 * clock was read at some moment between our sending and our receiving. Estimates are kept as midpoint and
 * half-width (`offsetMs`, `uncertaintyMs`), so "|estimate − truth| ≤ uncertainty" is the invariant that every
 * function here preserves (promise 7), as long as clocks drift apart by no more than {@link DRIFT_BOUND_PPM}.
 *
 * Sources: F. Cristian, "Probabilistic clock synchronization" (1989), error ≤ round trip / 2; K. Marzullo,
 * "Maintaining the time in a distributed system" (1984), intersection of intervals.
 */

/** Assumed bound on the rate at which two clocks drift apart; the figure AWS ClockBound uses. */
export const DRIFT_BOUND_PPM = 50;

/** Stamps are truncated or rounded to whole milliseconds. */
const STAMP_RESOLUTION_MS = 1;

/** One observation of a remote clock; all three are epoch milliseconds, the first two by the local clock. */
export interface ClockSample {
  readonly sentAtMs: number;
  readonly receivedAtMs: number;
  readonly serverTimeMs: number;
}

/** Remote minus local clock at the local (or reference) time `atMs`. */
export interface OffsetEstimate {
  readonly offsetMs: number;
  /** ≥ 0; the truth lies within offsetMs ± uncertaintyMs. */
  readonly uncertaintyMs: number;
  readonly atMs: number;
}

/** The interval a sample proves, as an estimate at its receive time. */
export function estimateFromSample(sample: ClockSample): OffsetEstimate {
  const low = sample.serverTimeMs - sample.receivedAtMs - STAMP_RESOLUTION_MS;
  // The stamp may be as old as the whole round trip, and the clocks have drifted apart since.
  const drift = ((sample.receivedAtMs - sample.sentAtMs) * DRIFT_BOUND_PPM) / 1e6;
  const high = sample.serverTimeMs - sample.sentAtMs + STAMP_RESOLUTION_MS + drift;
  return { offsetMs: (low + high) / 2, uncertaintyMs: (high - low) / 2, atMs: sample.receivedAtMs };
}

/** The same knowledge at another time: wider by the drift bound for every millisecond of distance. */
export function inflate(estimate: OffsetEstimate, atMs: number): OffsetEstimate {
  const age = Math.abs(atMs - estimate.atMs);
  return {
    offsetMs: estimate.offsetMs,
    uncertaintyMs: estimate.uncertaintyMs + (age * DRIFT_BOUND_PPM) / 1e6,
    atMs,
  };
}

/**
 * What both estimates allow, at the later of their times.
 * @returns undefined when they exclude each other: a clock stepped between them, or one of them is wrong
 */
export function intersect(a: OffsetEstimate, b: OffsetEstimate): OffsetEstimate | undefined {
  const atMs = Math.max(a.atMs, b.atMs);
  const [x, y] = [inflate(a, atMs), inflate(b, atMs)];
  const low = Math.max(x.offsetMs - x.uncertaintyMs, y.offsetMs - y.uncertaintyMs);
  const high = Math.min(x.offsetMs + x.uncertaintyMs, y.offsetMs + y.uncertaintyMs);
  if (low > high) return undefined;
  return { offsetMs: (low + high) / 2, uncertaintyMs: (high - low) / 2, atMs };
}
