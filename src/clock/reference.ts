/**
 * From this process's clock to the reference clock and back.
 *
 * The container that uses an offset is not the one that measured it, and their clocks differ. So an offset is
 * kept against a clock both can read: the database's. A lookup returns the database's time with the row,
 * which makes the lookup itself a sample of `reference − local`; adding that to the kept
 * `exchange − reference` gives what this process must apply. The measuring host's own clock error cancels.
 *
 * Where the database cannot be asked the reference is this process itself: such an offset is true here and
 * means nothing anywhere else, which is why every offset names its reference.
 */
import type { HostClock } from './host-clock.js';
import { type ClockSample, estimateFromSample, inflate, type OffsetEstimate } from './offset.js';

/** `reference − local`, and which clock the reference is. */
export interface ReferenceLink extends OffsetEstimate {
  readonly clockId: string;
}

export function linkFromSample(clockId: string, sample: ClockSample): ReferenceLink {
  const { offsetMs, uncertaintyMs, atMs } = estimateFromSample(sample);
  return { clockId, offsetMs, uncertaintyMs, atMs };
}

/** The process is its own reference: exact, and worthless to anyone else. */
export const linkToSelf = (clock: HostClock): ReferenceLink => ({
  clockId: clock.id,
  offsetMs: 0,
  uncertaintyMs: 0,
  atMs: clock.now(),
});

export const referenceTimeMs = (link: ReferenceLink, localTimeMs: number): number =>
  localTimeMs + link.offsetMs;

/** `exchange − local` as `exchange − reference`, at the reference's time. */
export function toReference(exchangeMinusLocal: OffsetEstimate, link: ReferenceLink): OffsetEstimate {
  const there = inflate(link, exchangeMinusLocal.atMs);
  return {
    offsetMs: exchangeMinusLocal.offsetMs - link.offsetMs,
    uncertaintyMs: exchangeMinusLocal.uncertaintyMs + there.uncertaintyMs,
    atMs: referenceTimeMs(link, exchangeMinusLocal.atMs),
  };
}

/** `exchange − reference` as `exchange − local`, now. */
export function toLocal(
  exchangeMinusReference: OffsetEstimate,
  link: ReferenceLink,
  localTimeMs: number,
): OffsetEstimate {
  const there = inflate(exchangeMinusReference, referenceTimeMs(link, localTimeMs));
  return {
    offsetMs: exchangeMinusReference.offsetMs + link.offsetMs,
    uncertaintyMs: there.uncertaintyMs + inflate(link, localTimeMs).uncertaintyMs,
    atMs: localTimeMs,
  };
}
