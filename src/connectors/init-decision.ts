/**
 * What an init does with what the lookup found: which offset it signs with, or whether it has to measure first.
 *
 * Pure, so that the proving ground (bench/clock) drives the very code that connectors run.
 *
 *   found                                                    then
 *   a state that has not ended                               sign with it
 *   the exchange's shared clock                              sign with it
 *   something that has ended, within the window's tolerance  sign with it, `stale`   (sync-first: sync, this if it fails)
 *   a contest whose sides are close together                 sign in the middle
 *   a contest otherwise                                      sync: whoever guesses may be refused (if it fails: guess)
 *   nothing, or nothing near enough                          sign by the best clock there is (sync-first: sync)
 *
 * The best clock there is: what is known of the exchange, however old; without that the database's clock, which is
 * disciplined more often than a function's; without that this host's. Signing costs one round trip where the clocks
 * are sane and two where they are not, because a refusal tells the time; a sync always costs one more.
 */
import { appliedOffset, type Lookup, type UsableState } from '../cache/lookup.js';
import type { FirstContact } from '../cache/modes.js';
import type { HostClock } from '../clock/host-clock.js';
import { linkToSelf, type ReferenceLink } from '../clock/reference.js';
import type { SyncTrigger, Tier } from '../events/catalogue.js';
import { type ConnectorRef, scopeOf } from '../events/connector.js';
import { triggerOf } from './sync.js';

interface Known {
  readonly contact: 'state' | 'exchange-clock';
  readonly tier: Tier;
  readonly state: UsableState;
  /** Past its end, or in doubt: to be replaced soon. */
  readonly isStale: boolean;
  readonly trigger: SyncTrigger;
}

interface Guess {
  readonly contact: 'verify-first';
  /** Its uncertainty says how little is known. */
  readonly state: UsableState;
  readonly trigger: SyncTrigger;
}

interface MustSync {
  readonly contact: 'sync';
  readonly link: ReferenceLink | undefined;
  readonly trigger: SyncTrigger;
  /** What to sign with when the exchange's time cannot be had; `undefined`: then the init has failed. */
  readonly otherwise: Known | Guess | undefined;
}

export type InitPlan = Known | Guess | MustSync;

export interface InitQuestion {
  readonly ref: ConnectorRef;
  readonly lookup: Lookup;
  /** The largest uncertainty to sign by; see request-window.ts. */
  readonly toleranceMs: number;
  readonly firstContact: FirstContact;
  readonly clock: HostClock;
  /** Names the state of a guess. */
  readonly newId: () => string;
}

/** The largest error a clock can have: of an offset of which nothing is known. */
const ANY_ERROR_MS = 1_000_000_000;

export function decideInit(question: InitQuestion): InitPlan {
  const { lookup, firstContact } = question;
  const trigger = triggerOf(lookup);
  if (lookup.hit) {
    return { contact: 'state', tier: lookup.tier, state: lookup.state, isStale: false, trigger };
  }
  const { exchangeClock, link, reason } = lookup;
  if (exchangeClock) {
    return {
      contact: 'exchange-clock',
      tier: 'exchange-clock',
      state: exchangeClock,
      isStale: false,
      trigger,
    };
  }
  const stale = staleOf(question);
  const isContested = reason === 'contested';
  if (stale && (isContested || firstContact === 'verify-first')) return stale;
  if (firstContact === 'sync-first') return { contact: 'sync', link, trigger, otherwise: stale };
  const guess = guessOf(question);
  return isContested ? { contact: 'sync', link, trigger, otherwise: guess } : guess;
}

function staleOf({ lookup, toleranceMs, clock }: InitQuestion): Known | undefined {
  if (lookup.hit) return undefined;
  const state = lookup.between ?? lookup.ended;
  if (!state || appliedOffset(state, clock.now()).uncertaintyMs > toleranceMs) return undefined;
  const isShared = state.basis === 'exchange-clock';
  return {
    contact: isShared ? 'exchange-clock' : 'state',
    tier: isShared ? 'exchange-clock' : 'postgres',
    state,
    isStale: true,
    trigger: triggerOf(lookup),
  };
}

function guessOf({ ref, lookup, clock, newId }: InitQuestion): Guess {
  const trigger = triggerOf(lookup);
  if (!lookup.hit && lookup.ended) return { contact: 'verify-first', state: lookup.ended, trigger };
  const link = (lookup.hit ? lookup.state.link : lookup.link) ?? linkToSelf(clock);
  const atMs = clock.now() + link.offsetMs;
  return {
    contact: 'verify-first',
    trigger,
    state: {
      exchange: ref.exchange,
      environment: ref.environment,
      scope: scopeOf(ref),
      syncId: newId(),
      basis: 'measured',
      estimate: { offsetMs: 0, uncertaintyMs: ANY_ERROR_MS, atMs },
      expiresAtMs: atMs,
      referenceClock: link.clockId,
      link,
    },
  };
}
