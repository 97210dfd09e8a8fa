/**
 * The clock that all connectors of one exchange and environment share, as seen against one reference clock.
 *
 * Every measurement of any connector tightens it: intervals are intersected, inflated for their age. When a
 * measurement excludes what was believed, a clock stepped: what went before belongs to an earlier epoch and
 * must not be used any more, by any connector. A refusal for the timestamp that carried no clock of its own
 * ends the epoch too, without starting knowledge of the next.
 */
import { inflate, intersect, type OffsetEstimate } from './offset.js';

export interface Measurement {
  readonly syncId: string;
  /** exchange − reference. */
  readonly estimate: OffsetEstimate;
  readonly ttlMs: number;
}

export interface SharedClock {
  /** The latest measurement that went in. */
  readonly syncId: string;
  readonly estimate: OffsetEstimate;
  /** Reference time at which it is no longer used. */
  readonly expiresAtMs: number;
  readonly isValid: boolean;
  /** From 1. */
  readonly epoch: number;
  /** Reference time; what was measured before it is void. {@link OPEN_START} in the first epoch. */
  readonly epochStartedAtMs: number;
  readonly sampleCount: number;
}

/** The first epoch has no known beginning: nothing is void for being older. */
export const OPEN_START = 0;

function startClock(m: Measurement, epoch: number, epochStartedAtMs: number): SharedClock {
  return {
    syncId: m.syncId,
    estimate: m.estimate,
    expiresAtMs: m.estimate.atMs + m.ttlMs,
    isValid: true,
    epoch,
    epochStartedAtMs,
    sampleCount: 1,
  };
}

export function addMeasurement(clock: SharedClock | undefined, m: Measurement): SharedClock {
  if (!clock) return startClock(m, 1, OPEN_START);
  const { atMs } = m.estimate;
  // What arrives late from before the epoch was condemned, or read off a clock that has stepped since: even
  // where the two agree it proves nothing about the clock of now.
  if (atMs < clock.epochStartedAtMs) return clock;
  // Several connectors may report one measurement: it counts once, and stays condemned for all of them.
  if (m.syncId === clock.syncId) return clock;
  if (!clock.isValid) return startClock(m, clock.epoch + 1, clock.epochStartedAtMs);
  const both = intersect(clock.estimate, m.estimate);
  if (both) {
    const isLatest = atMs >= clock.estimate.atMs;
    return {
      ...clock,
      syncId: isLatest ? m.syncId : clock.syncId,
      estimate: both,
      expiresAtMs: Math.max(clock.expiresAtMs, atMs + m.ttlMs),
      sampleCount: clock.sampleCount + 1,
    };
  }
  return atMs > clock.estimate.atMs ? startClock(m, clock.epoch + 1, atMs) : clock;
}

export interface Condemnation {
  readonly syncId: string;
  readonly measuredAtMs: number;
  /** The exchange refused the timestamp: the clock stepped, so what is older than the sync is void too. */
  readonly voidsOlder: boolean;
}

/** Never touches a clock whose latest measurement is newer than the condemned one (promise 4). */
export function condemn(clock: SharedClock, c: Condemnation): SharedClock {
  const rests = clock.syncId === c.syncId || (c.voidsOlder && clock.estimate.atMs <= c.measuredAtMs);
  if (!rests || !clock.isValid) return clock;
  return {
    ...clock,
    isValid: false,
    epochStartedAtMs: c.voidsOlder
      ? Math.max(clock.epochStartedAtMs, c.measuredAtMs + 1)
      : clock.epochStartedAtMs,
  };
}

export const clockAt = (clock: SharedClock, referenceTimeMs: number): OffsetEstimate =>
  inflate(clock.estimate, referenceTimeMs);
