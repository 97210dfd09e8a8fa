/**
 * The facts the cache records, built from what the process holds: pure functions, nothing is recorded here.
 *
 * A fact says everything in whole reference milliseconds and names the clock it is relative to, so that it means
 * the same on every host. What an exchange or an operator wrote into a text is cut to what schema and database take, and
 * a figure beyond the schema's limits becomes the limit: a fact that fails its schema would be dropped, and neither a long
 * error code nor a clock that is years off is a reason to lose a refusal. A time that cannot be one is left out.
 */
import type { AnsweredRequest, Lateness } from '../clock/answers.js';
import type { OffsetEstimate } from '../clock/offset.js';
import { referenceTimeMs } from '../clock/reference.js';
import type { EventData, InvalidationReason, SyncFailureClass, SyncTrigger } from '../events/catalogue.js';
import { type ConnectorRef, scopeOf } from '../events/connector.js';
import type { FactOf } from '../events/event.js';
import type { ClockPlace } from '../read-model/clock-queries.js';
import type { AuthFailure } from './auth-failure.js';
import type { UsableState } from './lookup.js';
import type { MeasuredOffset } from './measurement.js';
import { isTime, LIMITS } from './offset-state.js';
import { MAX_TEXT_CHARS } from './recordable.js';

export interface LateRequest extends Lateness {
  /** The exchange's own code. */
  readonly exchangeCode: string;
  readonly request: AnsweredRequest;
  /** Of the clock, when this was found. */
  readonly uncertaintyMs: number;
  /** What the request was signed with; `undefined` for a guess. */
  readonly state: UsableState | undefined;
  /** The exchange's clock, epoch milliseconds, where the refusal carried it. */
  readonly serverTimeMs: number | undefined;
}

export interface Unreachable {
  /** The network's code, the HTTP status, or the exchange's code of its maintenance. */
  readonly exchangeCode: string;
  readonly failureClass: EventData['ExchangeUnreachable']['failureClass'];
}

export interface SyncFailure {
  readonly trigger: SyncTrigger;
  readonly failureClass: SyncFailureClass;
  /** The exchange's own code, where it gave one. */
  readonly exchangeCode?: string;
  readonly durationMs: number;
}

/** What is told of a measurement besides its result. */
export type HowMeasured = Pick<MeasuredOffset, 'roundTripMs' | 'samples' | 'ttl' | 'sample' | 'source'>;

/** @param state what the connector has from now on */
export const syncedFact = (
  connector: ConnectorRef,
  state: UsableState,
  how: HowMeasured,
  trigger: SyncTrigger,
): FactOf<'ConnectorSynced'> => ({
  type: 'ConnectorSynced',
  data: {
    ...fieldsOf(connector),
    syncId: state.syncId,
    basis: state.basis,
    trigger,
    offsetMs: state.estimate.offsetMs,
    uncertaintyMs: state.estimate.uncertaintyMs,
    roundTripMs: durationOf(how.roundTripMs),
    samples: how.samples,
    referenceClock: state.referenceClock,
    measuredAt: Math.round(state.estimate.atMs),
    ttlMs: how.ttl.ttlMs,
    ttlPolicy: how.ttl.policy,
    ttlInputs: { ...how.ttl.inputs },
    ...(how.source && { source: how.source }),
    ...(how.sample && {
      sampleOffsetMs: how.sample.offsetMs,
      sampleUncertaintyMs: how.sample.uncertaintyMs,
    }),
    ...(state.estimate.rate && {
      ratePpm: state.estimate.rate.ratePpm,
      rateBoundPpm: state.estimate.rate.boundPpm,
    }),
  },
});

/** An adopted state keeps the end of the measurement it was adopted from; nothing was measured for it. */
export function howAdopted(state: UsableState): HowMeasured {
  const ttlMs = Math.max(1, Math.round(state.expiresAtMs - state.estimate.atMs));
  return { roundTripMs: 0, samples: 0, ttl: { ttlMs, policy: 'exchange-clock', inputs: { ttlMs } } };
}

/** @param hostNowMs when the refusal came, by this process's clock */
export const authFailedFact = (
  connector: ConnectorRef,
  { exchangeCode, failureClass, state, serverTimeMs }: AuthFailure,
  hostNowMs: number,
): FactOf<'ConnectorAuthFailed'> => ({
  type: 'ConnectorAuthFailed',
  data: {
    ...fieldsOf(connector),
    exchangeCode: cut(exchangeCode),
    failureClass,
    ...(state && {
      syncId: state.syncId,
      offsetMs: state.estimate.offsetMs,
      offsetAgeMs: offsetOf(referenceTimeMs(state.link, hostNowMs) - state.estimate.atMs),
      referenceClock: state.referenceClock,
    }),
    ...serverTimeOf(serverTimeMs),
  },
});

export const requestLateFact = (
  connector: ConnectorRef,
  { exchangeCode, request, uncertaintyMs, state, serverTimeMs, atLeastMs, atMostMs }: LateRequest,
): FactOf<'ConnectorRequestLate'> => ({
  type: 'ConnectorRequestLate',
  data: {
    ...fieldsOf(connector),
    exchangeCode: cut(exchangeCode),
    timestampMs: timeOf(request.timestampMs),
    recvWindowMs: durationOf(request.recvWindowMs),
    lateAtLeastMs: durationOf(atLeastMs),
    lateAtMostMs: durationOf(atMostMs),
    uncertaintyMs: durationOf(uncertaintyMs),
    ...(state && {
      syncId: state.syncId,
      offsetMs: state.estimate.offsetMs,
      referenceClock: state.referenceClock,
    }),
    ...serverTimeOf(serverTimeMs),
  },
});

/** @param ahead edge minus exchange */
export const edgeFact = (
  connector: ConnectorRef,
  ahead: Pick<OffsetEstimate, 'offsetMs' | 'uncertaintyMs'>,
): FactOf<'ExchangeEdgeMeasured'> => ({
  type: 'ExchangeEdgeMeasured',
  data: {
    exchange: connector.exchange,
    environment: connector.environment,
    scope: scopeOf(connector),
    aheadMs: hostOffsetOf(ahead.offsetMs),
    uncertaintyMs: durationOf(ahead.uncertaintyMs),
  },
});

export const unreachableFact = (
  connector: ConnectorRef,
  { exchangeCode, failureClass }: Unreachable,
): FactOf<'ExchangeUnreachable'> => ({
  type: 'ExchangeUnreachable',
  data: { ...fieldsOf(connector), exchangeCode: cut(exchangeCode), failureClass },
});

export const syncFailedFact = (
  connector: ConnectorRef,
  { exchangeCode, durationMs, ...rest }: SyncFailure,
): FactOf<'ConnectorSyncFailed'> => ({
  type: 'ConnectorSyncFailed',
  data: {
    ...fieldsOf(connector),
    ...rest,
    durationMs: durationOf(durationMs),
    ...(exchangeCode !== undefined && { exchangeCode: cut(exchangeCode) }),
  },
});

/** @param state rests on the sync that is condemned */
export const invalidatedFact = (
  connector: ConnectorRef,
  state: UsableState,
  reason: InvalidationReason,
  by: string,
): FactOf<'ConnectorStateInvalidated'> => ({
  type: 'ConnectorStateInvalidated',
  data: {
    ...fieldsOf(connector),
    reason,
    by: cut(by),
    condemnedSyncId: state.syncId,
    condemnedMeasuredAt: Math.round(state.estimate.atMs),
    referenceClock: state.referenceClock,
  },
});

/** @param cutoffMs by the database's clock, epoch milliseconds */
export const cleanedFact = (cutoffMs: number, by: string): FactOf<'ExpiredStatesCleaned'> => ({
  type: 'ExpiredStatesCleaned',
  data: { cutoff: cutoffMs, by: cut(by) },
});

/** A machine that an operator does not believe, or does again. */
export interface HostInDoubt {
  /** Its name, with `host:` before it or without; 1 to 200 characters without a slash. */
  readonly host: string;
  /** Only where it appends by this database login. */
  readonly login?: string | undefined;
  /** Since when it has lied, epoch milliseconds. */
  readonly sinceMs?: number | undefined;
  /** Believe it again. */
  readonly undo?: boolean | undefined;
}

/** An operator's word on a host, about one shared clock. */
export const distrustedFact = (
  clock: ClockPlace,
  { host, login, sinceMs, undo }: HostInDoubt,
  by: string,
): FactOf<'WitnessDistrusted'> => ({
  type: 'WitnessDistrusted',
  data: {
    ...clock,
    host,
    ...(login !== undefined && { login }),
    ...(sinceMs !== undefined && { since: Math.round(sinceMs) }),
    ...(undo && { undo: true as const }),
    by: cut(by),
  },
});

/** Of a connector that knows more about itself, the names that a fact gives it. */
export const fieldsOf = (ref: ConnectorRef): ConnectorRef & { readonly scope: string } => ({
  userId: ref.userId,
  credentialId: ref.credentialId,
  exchange: ref.exchange,
  environment: ref.environment,
  scope: scopeOf(ref),
});

const within = (from: number, value: number, to: number) => Math.min(Math.max(value, from), to);

/** As an event keeps them, epoch milliseconds. */
export const timeOf = (ms: number): number =>
  Math.round(within(LIMITS.earliestTimeMs, ms, LIMITS.latestTimeMs));
export const durationOf = (ms: number): number => within(0, ms, LIMITS.maxOffsetMs);
export const offsetOf = (ms: number): number => within(-LIMITS.maxOffsetMs, ms, LIMITS.maxOffsetMs);
/** Against a host's own clock, which may be years off. */
export const hostOffsetOf = (ms: number): number => within(-LIMITS.latestTimeMs, ms, LIMITS.latestTimeMs);

/** A time that is none says nothing. */
const serverTimeOf = (ms: number | undefined) => (isTime(ms) ? { serverTimeMs: Math.round(ms) } : {});

/** U+0000, and half of a character of two code units. */
const UNSTORABLE = /\0|\p{Surrogate}/gu;

/** What no database can store, of the text or where it is cut, is replaced: it must not cost the fact. */
const cut = (text: string): string => text.slice(0, MAX_TEXT_CHARS).replace(UNSTORABLE, '\ufffd');
