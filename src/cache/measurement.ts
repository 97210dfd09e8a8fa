/** A measured offset, relative to the reference clock that the measuring process could read. */
import { randomUUID } from 'node:crypto';
import type { HostClock } from '../clock/host-clock.js';
import { type ClockSample, estimateFromSample, type OffsetEstimate } from '../clock/offset.js';
import { linkToSelf, type ReferenceLink, toReference } from '../clock/reference.js';
import type { TtlDecision } from '../clock/ttl.js';
import { InvalidInputError } from '../errors.js';
import { LIMITS } from './offset-state.js';

export interface MeasuredOffset {
  readonly syncId: string;
  /** Exchange minus reference, at the reference's time `atMs` (whole milliseconds). */
  readonly estimate: OffsetEstimate;
  readonly link: ReferenceLink;
  readonly roundTripMs: number;
  readonly samples: number;
  readonly ttl: TtlDecision;
}

/**
 * @param link to the database's clock; without one the offset is kept against this process's own clock
 * @throws InvalidInputError for a sample whose times are not finite, run backwards, or lie beyond any clock's error
 */
export function measuredFromSample(
  sample: ClockSample,
  link: ReferenceLink | undefined,
  clock: HostClock,
  ttl: TtlDecision,
): MeasuredOffset {
  const roundTripMs = sample.receivedAtMs - sample.sentAtMs;
  const local = estimateFromSample(sample);
  if (!(roundTripMs >= 0) || !(Math.abs(local.offsetMs) <= LIMITS.maxOffsetMs)) {
    throw new InvalidInputError(
      `a clock sample must not run backwards nor be off by more than ${LIMITS.maxOffsetMs} ms, got sent ${sample.sentAtMs}, received ${sample.receivedAtMs}, server ${sample.serverTimeMs}`,
    );
  }
  const reference = link ?? linkToSelf(clock);
  const estimate = toReference(local, reference);
  return {
    syncId: randomUUID(),
    // Rows and events keep whole milliseconds; half a millisecond of drift is nothing.
    estimate: { ...estimate, atMs: Math.round(estimate.atMs) },
    link: reference,
    roundTripMs,
    samples: 1,
    ttl,
  };
}
