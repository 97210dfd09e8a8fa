/**
 * Shadow mode: an init goes as it would without a cache (without-cache.ts), and beside it the cache is asked what it
 * would have done.
 *
 *   init     ──── sync ──── verify ────► ready, or failed
 *   shadow   ─ lookup ─► decide ─ · · · ─ ▼ ─ compare with the sync ─► record ─► learn
 *
 * The lookup starts with the init and the init never waits for it. What comes of it is worked on in the background, which
 * a flush waits for, and a failure there is a line in the log.
 *
 * Nothing is learned before the lookup has answered, so that no lookup can have used the very sync it is compared with.
 * And only that is learned which `CACHE_MODE=on` would have: the sync where it would have measured, the answer to the
 * signed request where that tells something new, the refusal (for which the sync stands in) where there would have been
 * one. Keeping every sync would show a cache that is fresher than the real one: more hits, and smaller errors.
 * What is left out is the responses after the init, so the real cache is a little better informed, never worse.
 */
import { randomUUID } from 'node:crypto';
import type { ConnectorStateCacheService, Trace } from '../cache/connector-state-cache-service.js';
import { type Lookup, linkOf, type UsableState } from '../cache/lookup.js';
import { type MeasuredOffset, measureIfBelievable } from '../cache/measurement.js';
import type { ClockSample } from '../clock/offset.js';
import type { ReferenceLink } from '../clock/reference.js';
import type { AcceptedRange } from '../clock/request-window.js';
import type { Refusal, SyncTrigger } from '../events/catalogue.js';
import type { ConnectorRef } from '../events/connector.js';
import { decideInit, type InitPlan } from './init-decision.js';
import { isRefreshDue, isWorthKeeping, judgeSample } from './sample-learning.js';
import { shadowedFact } from './shadowed-fact.js';
import { syncFailureOf } from './sync.js';

export interface ShadowParts {
  readonly cache: ConnectorStateCacheService;
  readonly ref: ConnectorRef;
  /** Which timestamps the exchange takes. */
  readonly range: AcceptedRange;
  /** The largest uncertainty to sign by. */
  readonly toleranceMs: number;
}

/** What became of the init. */
export interface InitOutcome {
  /** Of the sync; `undefined` when it failed. */
  readonly synced: ClockSample | undefined;
  /** Why the sync failed, and how long it took. */
  readonly syncFailure: { readonly error: unknown; readonly durationMs: number } | undefined;
  /** Of the answer to the signed request, where that carried a clock. */
  readonly answered: ClockSample | undefined;
}

/** To be called once, when the init is over. */
export type EndShadow = (outcome: InitOutcome, trace: Trace) => void;

interface Planned {
  readonly lookup: Lookup;
  readonly plan: InitPlan;
  readonly lookupMs: number;
}

/** Asks the cache; neither this nor the returned function waits or throws. */
export function beginShadow(parts: ShadowParts): EndShadow {
  const { cache } = parts;
  const fail = (error: unknown) => {
    const problem = error instanceof Error ? error.message : String(error);
    cache.log.error({ problem }, 'shadow mode could not tell what the cache would have done');
  };
  const earlier = observedOver(cache);
  const planned = planInit(parts, [...earlier]).catch(fail);
  return (outcome, trace) => {
    const observed = planned
      .then(p => p && observe(parts, p, outcome, trace))
      .catch(fail)
      .finally(() => earlier.delete(observed));
    earlier.add(observed);
    cache.inBackground(observed);
  };
}

const observing = new WeakMap<object, Set<Promise<void>>>();

/** Of inits that are over, over this cache. */
function observedOver(cache: object): Set<Promise<void>> {
  const known = observing.get(cache) ?? new Set();
  observing.set(cache, known);
  return known;
}

/** @param earlier what inits that are over taught: with the cache on, this one would have begun after that */
async function planInit(
  { cache, ref, toleranceMs }: ShadowParts,
  earlier: readonly Promise<void>[],
): Promise<Planned> {
  if (earlier.length > 0) await Promise.all(earlier);
  const startedMs = performance.now();
  const lookup = await cache.peek(ref);
  const lookupMs = performance.now() - startedMs;
  const { firstContact, clock } = cache;
  const plan = decideInit({ ref, lookup, toleranceMs, firstContact, clock, newId: randomUUID });
  return { lookup, plan, lookupMs };
}

async function observe(parts: ShadowParts, planned: Planned, outcome: InitOutcome, trace: Trace) {
  const { cache, ref, range, toleranceMs } = parts;
  const { lookup, plan, lookupMs } = planned;
  const missReason = lookup.hit ? undefined : lookup.reason;
  const would = { plan, missReason, lookupMs, range, toleranceMs };
  const fact = shadowedFact(ref, would, outcome.synced, cache.clock.now());
  const shadowed = cache.recordShadowed(fact, trace);
  const because: Trace = { ...trace, causedBy: shadowed };
  if (outcome.syncFailure && !isKnown(plan)) {
    const { error, durationMs } = outcome.syncFailure;
    cache.recordSyncFailure(ref, syncFailureOf(error, plan.trigger, durationMs), because);
  }
  await learn(parts, planned, outcome, fact.data.comparison?.refusal, because);
}

type Known = Exclude<InitPlan, { contact: 'verify-first' | 'sync' }>;

const isKnown = (plan: InitPlan): plan is Known =>
  plan.contact === 'state' || plan.contact === 'exchange-clock';

/** As init.ts learns from an init. */
async function learn(
  { cache, ref, toleranceMs }: ShadowParts,
  { lookup, plan }: Planned,
  { synced, answered }: InitOutcome,
  refusal: Refusal | undefined,
  trace: Trace,
): Promise<void> {
  const measure = (sample: ClockSample, link: ReferenceLink | undefined) =>
    measureIfBelievable(sample, link, cache.clock, cache.ttl);
  const relink = async () => linkOf(await cache.refresh(ref));
  const keep = (measured: MeasuredOffset | undefined, trigger: SyncTrigger) => {
    if (!measured) return;
    const { uncertaintyMs, rate } = measured.estimate;
    const ttl = cache.ttlOf({ toleranceMs, uncertaintyMs, rate });
    cache.set(ref, { ...measured, ttl }, trigger, trace);
  };
  /** What the answer tells, together with what was known. */
  const judged = async (sample: ClockSample | undefined, state: UsableState) =>
    sample && (await judgeSample(state, link => measure(sample, link), relink)).learned;

  if (plan.contact === 'sync' || refusal === 'certain') {
    // It would have measured, or learned from the refusal.
    const trigger = isKnown(plan) ? 'passive' : plan.trigger;
    if (synced) keep(measure(synced, isKnown(plan) ? await relink() : linkOf(lookup)), trigger);
    return;
  }
  const { state, trigger } = plan;
  if (!isKnown(plan) || plan.isStale) {
    // Learned from the answer, or from the refresh that follows where the answer tells no time.
    keep(await judged(answered ?? synced, state), isKnown(plan) ? 'passive' : trigger);
    return;
  }
  const learned = await judged(answered, state);
  if (plan.contact === 'exchange-clock') {
    if (!learned || trigger === 'corrupt') cache.adopt(ref, state, trigger, trace);
    keep(learned, 'passive');
  } else if (learned && isWorthKeeping(learned, state)) {
    keep(learned, 'passive');
  } else if (synced) {
    const referenceNowMs = cache.clock.now() + state.link.offsetMs;
    const roundTripMs = synced.receivedAtMs - synced.sentAtMs;
    const attainableMs = roundTripMs / 2 + state.link.uncertaintyMs;
    if (isRefreshDue({ state, referenceNowMs, attainableMs, random: cache.random() })) {
      keep(await judged(synced, state), 'warm-up');
    }
  }
}
