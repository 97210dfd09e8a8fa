/**
 * What is known about one connector's offset, put together from its own row and the exchange's shared clock.
 *
 * Every measurement of every connector, this one's included, goes into the shared clock and is judged there against
 * everybody else's. So where there is a shared clock its offset is used, and the row says whether this connector was
 * ever accepted with one, and until when. Intersecting the two would be tighter, and wrong: a row that a host with a
 * broken clock measured may be false and still overlap. Where they exclude each other the row is void.
 *
 * A contested clock (shared-clock.ts) is not decided here. Every row is in doubt then; if
 * both sides are close together a timestamp in the middle satisfies either, and how close is close enough only the
 * connector knows. This machine's own contradiction, once a second measurement confirmed it, is no contest to itself: it was there.
 *
 * Pure: rows and the clocks' times in, knowledge out.
 */
import { estimateOf, intersect, intervalAt } from '../clock/offset.js';
import type { SharedClock } from '../clock/shared-clock.js';
import { machineIn, witnessOf } from '../clock/witness.js';
import { scopeOf } from '../events/connector.js';
import type { RawState } from '../read-model/lookup.js';
import {
  type Assessment,
  type MissReason,
  nowOf,
  type OffsetState,
  readState,
  stateFromClock,
} from './offset-state.js';

export interface Knowledge {
  /** A state that has not ended, the connector's own by the shared clock; or why there is none. */
  readonly own: OffsetState | MissReason;
  /** The shared clock, if it has not ended. */
  readonly shared: OffsetState | undefined;
  /** The best of what has ended: true within its uncertainty, which may have grown large. */
  readonly ended: OffsetState | undefined;
  /** What lies between the sides of a contest, where both said something. */
  readonly between: OffsetState | undefined;
}

export interface KnowledgeParts {
  readonly row: RawState | undefined;
  readonly clock: SharedClock | undefined;
  /** Known here to be void, whatever the row says. */
  readonly isVoid: (state: OffsetState) => boolean;
}

export function knowledgeOf({ row, clock, isVoid }: KnowledgeParts, a: Assessment): Knowledge {
  const { exchange, environment } = a.ref;
  const place = { exchange, environment, scope: scopeOf(a.ref), referenceClock: a.clockId };
  const believed = clock && asThisMachineSeesIt(clock, a.hostClockId);
  const shared = believed?.isValid ? stateFromClock(believed, place) : undefined;
  const usable = shared && !isVoid(shared) ? shared : undefined;

  let own = readState(row, a);
  if (typeof own === 'object' && (isVoid(own) || isBeforeEpoch(own, believed, a))) own = 'invalid';

  const rival = believed?.rival;
  // Also what was measured since: it may be the rival's own word, and the row does not say whose it is.
  const isDoubtful = (state: OffsetState) => rival !== undefined && state.referenceClock === a.clockId;
  if (usable && rival && (typeof own !== 'object' || isDoubtful(own))) {
    const reason = own === 'corrupt' || own === 'other-connector' ? own : 'contested';
    return { own: reason, shared: undefined, ended: undefined, between: middle(usable, believed, a) };
  }
  return settled(own, rival ? undefined : usable, a);
}

function settled(own: OffsetState | MissReason, shared: OffsetState | undefined, a: Assessment): Knowledge {
  const live = shared && !hasEnded(shared, a) ? shared : undefined;
  if (typeof own !== 'object') {
    return { own, shared: live, ended: live ? undefined : shared, between: undefined };
  }
  const best = shared && own.referenceClock === shared.referenceClock ? corrected(own, shared) : own;
  if (!best) return { own: 'invalid', shared: live, ended: live ? undefined : shared, between: undefined };
  if (!hasEnded(best, a)) return { own: best, shared: live, ended: undefined, between: undefined };
  return { own: 'expired', shared: live, ended: best, between: undefined };
}

/** `undefined` when they exclude each other. */
function corrected(own: OffsetState, shared: OffsetState): OffsetState | undefined {
  if (!intersect(own.estimate, shared.estimate)) return undefined;
  const { exchange, environment, scope, syncId, basis, referenceClock, streamVersion } = own;
  const expiresAtMs = Math.max(own.expiresAtMs, shared.expiresAtMs);
  const { estimate } = shared;
  return {
    exchange,
    environment,
    scope,
    syncId,
    basis,
    estimate,
    expiresAtMs,
    referenceClock,
    streamVersion,
  };
}

const hasEnded = (state: OffsetState, a: Assessment): boolean => state.expiresAtMs <= nowOf(state, a);

const isBeforeEpoch = (own: OffsetState, clock: SharedClock | undefined, a: Assessment): boolean =>
  clock !== undefined && own.referenceClock === a.clockId && own.estimate.atMs < clock.epochStartedAtMs;

/** Who measured the contradiction itself, twice, need not wait for others to believe it. */
function asThisMachineSeesIt(clock: SharedClock, hostClockId: string): SharedClock {
  const { rival } = clock;
  if (!rival?.estimate || !rival.isConfirmed || machineIn(rival.host) !== witnessOf(hostClockId))
    return clock;
  return {
    ...clock,
    syncId: rival.syncId,
    estimate: rival.estimate,
    expiresAtMs: rival.estimate.atMs + rival.ttlMs,
    epoch: clock.epoch + 1,
    epochStartedAtMs: rival.sinceMs,
    rival: undefined,
  };
}

/** All that the clock and its rival allow, as one interval. */
function middle(shared: OffsetState, clock: SharedClock | undefined, a: Assessment): OffsetState | undefined {
  const says = clock?.rival?.estimate;
  if (!says) return undefined;
  const [x, y] = [intervalAt(shared.estimate, a.referenceNowMs), intervalAt(says, a.referenceNowMs)];
  const hull = { low: Math.min(x.low, y.low), high: Math.max(x.high, y.high) };
  return { ...shared, estimate: estimateOf(hull, a.referenceNowMs) };
}
