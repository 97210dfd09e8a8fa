/** A measured offset, relative to the reference clock that the measuring process could read. */
import { randomUUID } from 'node:crypto';
import { InvalidInputError } from '../base/errors.js';
import { shown } from '../base/shown.js';
import type { HostClock } from '../clock/host-clock.js';
import {
  type ClockSample,
  estimateFromSample,
  type OffsetEstimate,
  type SampleSource,
} from '../clock/offset.js';
import { linkToSelf, type ReferenceLink, toReference } from '../clock/reference.js';
import { MAX_TTL_MS, type TtlDecision } from '../clock/ttl.js';
import { isEstimate, LIMITS } from './offset-state.js';
import {
  requireEstimate,
  requireFigures,
  requireLink,
  requireMeasuring,
  requireOneOf,
  requireText,
  requireUuid,
} from './recordable.js';

export interface MeasuredOffset {
  readonly syncId: string;
  /** Exchange minus reference, at the reference's time `atMs` (whole milliseconds). */
  readonly estimate: OffsetEstimate;
  /** What this one measurement says by itself, where `estimate` also rests on what was known before. */
  readonly sample?: OffsetEstimate | undefined;
  readonly source?: SampleSource | undefined;
  readonly link: ReferenceLink;
  readonly roundTripMs: number;
  readonly samples: number;
  readonly ttl: TtlDecision;
}

/**
 * A measurement of one's own, as `cache.set()` takes it.
 * @example
 * const lookup = await cache.get(ref);
 * const link = lookup.hit ? lookup.state.link : lookup.link;
 * const sample = { sentAtMs, receivedAtMs, serverTimeMs }; // by `clock` before and after, and what the exchange said
 * cache.set(ref, measuredFromSample(sample, link, clock, cache.ttl), 'absent');
 * @param link to the database's clock; without one the offset is kept against this process's own clock
 * @throws InvalidInputError for a sample whose times are not finite, run backwards, or lie beyond any clock's error
 */
export function measuredFromSample(
  sample: ClockSample,
  link: ReferenceLink | undefined,
  clock: HostClock,
  ttl: TtlDecision,
): MeasuredOffset {
  const measured = measureIfBelievable(sample, link, clock, ttl);
  if (measured) return measured;
  throw new InvalidInputError(
    `a clock sample must not run backwards nor be off by more than ${LIMITS.maxOffsetMs} ms, got sent ${sample.sentAtMs}, received ${sample.receivedAtMs}, server ${sample.serverTimeMs}`,
  );
}

/**
 * As {@link measuredFromSample}; `undefined` for a sample that no clock can have given.
 *
 * A database whose clock is further off than any row could hold is no reference. Then this process is its own, as where
 * no database could be asked: else every sample of a true exchange would be called impossible.
 */
export function measureIfBelievable(
  sample: ClockSample,
  link: ReferenceLink | undefined,
  clock: HostClock,
  ttl: TtlDecision,
): MeasuredOffset | undefined {
  const own = linkToSelf(clock);
  return measureAgainst(sample, link ?? own, ttl) ?? (link && measureAgainst(sample, own, ttl));
}

function measureAgainst(
  sample: ClockSample,
  reference: ReferenceLink,
  ttl: TtlDecision,
): MeasuredOffset | undefined {
  // Against the reference, for that is what is kept: a container may be weeks off and still measure well.
  const exact = toReference(estimateFromSample(sample), reference);
  // Rows and events keep whole milliseconds; half a millisecond of drift is nothing.
  const estimate = { ...exact, atMs: Math.round(exact.atMs) };
  const measured = {
    syncId: randomUUID(),
    estimate,
    sample: estimate,
    source: sample.source,
    link: reference,
    roundTripMs: sample.receivedAtMs - sample.sentAtMs,
    samples: 1,
    ttl,
  };
  return measured.roundTripMs >= 0 && isEstimate(measured.estimate) ? measured : undefined;
}

/** Complete by its type. */
const SOURCES: Readonly<Record<SampleSource, true>> = {
  'time-endpoint': true,
  response: true,
  refusal: true,
  'date-header': true,
};

/** @throws InvalidInputError when no row and no event could hold it, or no lookup would believe it */
export function checkMeasured(measured: MeasuredOffset): void {
  const { syncId, estimate, sample, source, link, roundTripMs, samples, ttl } = measured ?? {};
  if (!estimate || !ttl || !link) {
    throw new InvalidInputError('a measured offset needs syncId, estimate, link and ttl');
  }
  requireUuid('syncId', syncId);
  requireEstimate('estimate', estimate);
  requireLink('link', link);
  if (sample !== undefined) requireEstimate('sample', sample);
  if (source !== undefined) requireOneOf('source', source, SOURCES);
  requireMeasuring(roundTripMs, samples);
  if (!Number.isInteger(ttl.ttlMs) || ttl.ttlMs < 1 || ttl.ttlMs > MAX_TTL_MS) {
    throw new InvalidInputError(
      `a TTL must be a whole number of milliseconds from 1 to ${MAX_TTL_MS}, got ${shown(ttl.ttlMs)}`,
    );
  }
  requireText('ttl.policy', ttl.policy);
  requireFigures('ttl.inputs', ttl.inputs);
}
