/**
 * What an init would have signed with, held against what its sync measured: the fact that shadow mode records.
 *
 * Both are compared as offsets of this host's clock, at the moment the measurement came in: that is where a timestamp
 * is made, so the error is the one the exchange would have seen, the link to the database's clock included.
 */

import { durationOf, fieldsOf, hostOffsetOf, offsetOf, timeOf } from '../cache/facts.js';
import { appliedOffset, type UsableState } from '../cache/lookup.js';
import { type ClockSample, estimateFromSample } from '../clock/offset.js';
import { referenceTimeMs } from '../clock/reference.js';
import { type AcceptedRange, requestWindow } from '../clock/request-window.js';
import type { EventData, MissReason } from '../events/catalogue.js';
import type { ConnectorRef } from '../events/connector.js';
import type { FactOf } from '../events/event.js';
import type { InitPlan } from './init-decision.js';
import { wouldBeRefused } from './would-be-refusal.js';

type Shadowed = EventData['ConnectorShadowed'];

export interface WouldBeInit {
  readonly plan: InitPlan;
  /** Why there was no state of its own. */
  readonly missReason: MissReason | undefined;
  readonly lookupMs: number;
  /** Which timestamps the exchange takes. */
  readonly range: AcceptedRange;
  /** What the decision went by. */
  readonly toleranceMs: number;
}

/** Of catalogue.ts, which is not imported: it would load the schema library at every cold start. */
const MAX_OFFSET_MS = 1_000_000_000;

/**
 * @param sample what the sync measured; `undefined` when it failed
 * @param hostNowMs when there is no sample, the moment to tell the offset of
 */
export function shadowedFact(
  ref: ConnectorRef,
  { plan, missReason, lookupMs, range, toleranceMs }: WouldBeInit,
  sample: ClockSample | undefined,
  hostNowMs: number,
): FactOf<'ConnectorShadowed'> {
  const used = plan.contact === 'sync' ? undefined : usedAt(plan.state, sample?.receivedAtMs ?? hostNowMs);
  const measured = sample && measuredBy(sample);
  const isHit = plan.contact === 'state' || plan.contact === 'exchange-clock';
  return {
    type: 'ConnectorShadowed',
    data: {
      ...fieldsOf(ref),
      contact: plan.contact,
      ...(isHit && { tier: plan.tier }),
      ...(missReason && { missReason }),
      ...(isHit && plan.isStale && { stale: true as const }),
      lookupMs: durationOf(lookupMs),
      toleranceMs: durationOf(toleranceMs),
      ...(used && { used }),
      ...(measured && { measured }),
      ...(used && measured && { comparison: compare(used, measured, range) }),
    },
  };
}

function usedAt(state: UsableState, localMs: number): NonNullable<Shadowed['used']> {
  const applied = appliedOffset(state, localMs);
  const { uncertaintyMs } = applied;
  const offsetMs = hostOffsetOf(applied.offsetMs);
  // Of a clock that nothing is known about there is no measurement to name, and no bound to be held to.
  if (uncertaintyMs >= MAX_OFFSET_MS) return { offsetMs };
  const ageMs = offsetOf(referenceTimeMs(state.link, localMs) - state.estimate.atMs);
  return { offsetMs, uncertaintyMs, syncId: state.syncId, ageMs };
}

function measuredBy(sample: ClockSample): NonNullable<Shadowed['measured']> {
  const { offsetMs, uncertaintyMs } = estimateFromSample(sample);
  const { sentAtMs, receivedAtMs } = sample;
  return {
    at: timeOf(receivedAtMs),
    offsetMs: hostOffsetOf(offsetMs),
    uncertaintyMs: durationOf(uncertaintyMs),
    roundTripMs: durationOf(receivedAtMs - sentAtMs),
  };
}

function compare(
  used: NonNullable<Shadowed['used']>,
  { offsetMs, uncertaintyMs, roundTripMs }: NonNullable<Shadowed['measured']>,
  range: AcceptedRange,
): NonNullable<Shadowed['comparison']> {
  const errorMs = hostOffsetOf(used.offsetMs - offsetMs);
  // Where its timestamp would have been placed.
  const window = requestWindow(range, used.uncertaintyMs);
  return { errorMs, refusal: wouldBeRefused({ errorMs, uncertaintyMs, roundTripMs }, window) };
}
