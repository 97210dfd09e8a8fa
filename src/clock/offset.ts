/**
 * Offsets as intervals.
 *
 * A sample bounds the offset between two clocks to an interval that contains it with certainty: the remote
 * clock was read at some moment between our sending and our receiving. Estimates are kept as midpoint and
 * half-width (`offsetMs`, `uncertaintyMs`), so "|estimate − truth| ≤ uncertainty" is the invariant that every
 * function here preserves (promise 7), as long as the two clocks drift apart no faster than the estimate's
 * {@link RateBound} says; without one, than {@link DRIFT_BOUND_PPM}.
 *
 * Sources: F. Cristian, "Probabilistic clock synchronization" (1989), error ≤ round trip / 2; K. Marzullo,
 * "Maintaining the time in a distributed system" (1984), intersection of intervals.
 */

/** Assumed bound on the rate at which two clocks drift apart; the figure AWS ClockBound uses. */
export const DRIFT_BOUND_PPM = 50;

/** How fast an offset changes: `ratePpm ± boundPpm`, microseconds a second. */
export interface RateBound {
  readonly ratePpm: number;
  /** ≥ 0. */
  readonly boundPpm: number;
}

/** Of clocks whose drift nobody has measured. */
export const ASSUMED_RATE: RateBound = { ratePpm: 0, boundPpm: DRIFT_BOUND_PPM };

/** Stamps are truncated or rounded to whole milliseconds. */
const STAMP_RESOLUTION_MS = 1;

/** Where a stamp came from; the events name the same ones. */
export type SampleSource = 'time-endpoint' | 'response' | 'refusal' | 'date-header';

/** One observation of a remote clock; its times are epoch milliseconds, the first two by the local clock. */
export interface ClockSample {
  readonly sentAtMs: number;
  readonly receivedAtMs: number;
  readonly serverTimeMs: number;
  /** The stamp is truncated to this many milliseconds: 1 (default), or 1000 for an HTTP `Date` header. */
  readonly resolutionMs?: number;
  /** On a connection opened for it: how long the request took to get there is known less well. */
  readonly isCold?: true;
  /** The round trip by the wall clock, which goes on where a freeze stops the monotonic one. */
  readonly wallRoundTripMs?: number;
  readonly source?: SampleSource | undefined;
}

/** Remote minus local clock at the local (or reference) time `atMs`. */
export interface OffsetEstimate {
  readonly offsetMs: number;
  /** ≥ 0; the truth lies within offsetMs ± uncertaintyMs. */
  readonly uncertaintyMs: number;
  readonly atMs: number;
  /** How the offset goes on from `atMs`; {@link ASSUMED_RATE} when not known. */
  readonly rate?: RateBound | undefined;
}

/** The interval a sample proves, as an estimate at its receive time. */
export function estimateFromSample(sample: ClockSample): OffsetEstimate {
  const { sentAtMs, receivedAtMs, serverTimeMs, resolutionMs = STAMP_RESOLUTION_MS } = sample;
  const low = serverTimeMs - receivedAtMs - STAMP_RESOLUTION_MS;
  // The stamp may be as old as the whole round trip, and the clocks have drifted apart since.
  const drift = ((receivedAtMs - sentAtMs) * DRIFT_BOUND_PPM) / 1e6;
  const high = serverTimeMs - sentAtMs + Math.max(resolutionMs, STAMP_RESOLUTION_MS) + drift;
  return estimateOf({ low, high }, receivedAtMs);
}

/** The same knowledge at another time: moved on by the rate, and wider by its bound for every millisecond. */
export function inflate(estimate: OffsetEstimate, atMs: number): OffsetEstimate {
  const { offsetMs, uncertaintyMs, rate } = estimate;
  const { ratePpm, boundPpm } = rate ?? ASSUMED_RATE;
  const elapsedMs = atMs - estimate.atMs;
  return {
    offsetMs: offsetMs + (elapsedMs * ratePpm) / 1e6,
    uncertaintyMs: uncertaintyMs + (Math.abs(elapsedMs) * boundPpm) / 1e6,
    atMs,
    rate,
  };
}

/**
 * What both estimates allow, at the later of their times, going on at the better known of their rates.
 * @returns undefined when they exclude each other: a clock stepped between them, or one of them is wrong
 */
export function intersect(a: OffsetEstimate, b: OffsetEstimate): OffsetEstimate | undefined {
  const atMs = Math.max(a.atMs, b.atMs);
  const [x, y] = [intervalAt(a, atMs), intervalAt(b, atMs)];
  const low = Math.max(x.low, y.low);
  const high = Math.min(x.high, y.high);
  if (low > high) return undefined;
  const { offsetMs, uncertaintyMs } = estimateOf({ low, high }, atMs);
  return { offsetMs, uncertaintyMs, atMs, rate: betterRate(a.rate, b.rate) };
}

/** The offsets an estimate allows, remote minus local, milliseconds. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

export function intervalAt(estimate: OffsetEstimate, atMs: number): Interval {
  const { offsetMs, uncertaintyMs } = inflate(estimate, atMs);
  return { low: offsetMs - uncertaintyMs, high: offsetMs + uncertaintyMs };
}

/** @param interval low ≤ high */
export const estimateOf = ({ low, high }: Interval, atMs: number): OffsetEstimate => ({
  offsetMs: (low + high) / 2,
  uncertaintyMs: (high - low) / 2,
  atMs,
});

function betterRate(a: RateBound | undefined, b: RateBound | undefined): RateBound | undefined {
  if (!a || !b) return a ?? b;
  return b.boundPpm < a.boundPpm ? b : a;
}
