/**
 * A clock that is wrong on purpose: skewed, drifting, stepping. Pure arithmetic over a base clock that the
 * caller reads. Changing the rate never moves the hands, setting the skew always does.
 */

export interface SimulatedClock {
  /** Ahead of the base clock by this much at `anchorMs`. */
  readonly offsetMs: number;
  /** How much faster than the base clock it runs, in parts per million. */
  readonly driftPpm: number;
  readonly anchorMs: number;
}

/** @returns epoch milliseconds with a fraction */
export const readClock = (clock: SimulatedClock, baseMs: number): number =>
  baseMs + clock.offsetMs + ((baseMs - clock.anchorMs) * clock.driftPpm) / 1e6;

export const clockWithSkew = (skewMs: number, driftPpm: number, baseMs: number): SimulatedClock => ({
  offsetMs: skewMs,
  driftPpm,
  anchorMs: baseMs,
});

/** Another rate from now on; what the clock shows does not change. */
export const withDrift = (clock: SimulatedClock, driftPpm: number, baseMs: number): SimulatedClock => ({
  offsetMs: readClock(clock, baseMs) - baseMs,
  driftPpm,
  anchorMs: baseMs,
});

export const stepped = (clock: SimulatedClock, byMs: number): SimulatedClock => ({
  ...clock,
  offsetMs: clock.offsetMs + byMs,
});
