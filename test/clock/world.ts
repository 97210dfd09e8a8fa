/** A world in which the truth is known: clocks that drift at their own rates, read over lines with delays. */
import fc from 'fast-check';
import type { ClockSample } from '../../src/clock/offset.js';

/** Two clocks may drift apart by 50 ppm, so each may stray from true time by half of that. */
export const MAX_RATE_PPM = 24.999;
/** Doubles resolve epoch milliseconds to a quarter of a microsecond, and sums of a few of them to this. */
export const ROUNDING_MS = 0.002;
export const START_MS = 1_764_000_000_000;

export interface Clock {
  readonly ratePpm: number;
  readonly startMs: number;
}

/** What the clock shows when `trueMs` have passed since the world began. */
export const read = (clock: Clock, trueMs: number): number =>
  START_MS + clock.startMs + trueMs * (1 + clock.ratePpm / 1e6);

export const offsetBetween = (remote: Clock, local: Clock, trueMs: number): number =>
  read(remote, trueMs) - read(local, trueMs);

/** When the world has the clock show `shownMs`. */
export const timeWhen = (clock: Clock, shownMs: number): number =>
  (shownMs - START_MS - clock.startMs) / (1 + clock.ratePpm / 1e6);

const double = (min: number, max: number) => fc.double({ min, max, noNaN: true });

export const clock: fc.Arbitrary<Clock> = fc.record({
  ratePpm: fc.oneof(fc.constantFrom(-MAX_RATE_PPM, 0, MAX_RATE_PPM), double(-MAX_RATE_PPM, MAX_RATE_PPM)),
  startMs: double(-10_000, 10_000),
});

export interface Exchange {
  /** True time of sending. */
  readonly atMs: number;
  readonly thereMs: number;
  readonly backMs: number;
  readonly stamp: 'truncated' | 'rounded' | 'exact';
}

const delay = fc.oneof(fc.constant(0), double(0, 200), double(0, 10_000));

export const exchange = (withinMs: number): fc.Arbitrary<Exchange> =>
  fc.record({
    atMs: double(0, withinMs),
    thereMs: delay,
    backMs: delay,
    stamp: fc.constantFrom('truncated' as const, 'rounded' as const, 'exact' as const),
  });

/** What the local side learns from one exchange of messages. */
export function sample(local: Clock, remote: Clock, { atMs, thereMs, backMs, stamp }: Exchange): ClockSample {
  const shown = read(remote, atMs + thereMs);
  return {
    sentAtMs: read(local, atMs),
    receivedAtMs: read(local, atMs + thereMs + backMs),
    serverTimeMs: stamp === 'exact' ? shown : stamp === 'rounded' ? Math.round(shown) : Math.floor(shown),
  };
}

export const endOf = ({ atMs, thereMs, backMs }: Exchange): number => atMs + thereMs + backMs;
