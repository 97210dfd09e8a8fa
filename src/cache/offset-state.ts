/**
 * What a row must be before it is believed (promises 6 and 9).
 *
 * Rows are data from outside: another release wrote them, an operator edited them, a disk lied. Each is taken
 * apart here into a state whose every field was checked, or into the reason why it is a miss. `expired` is
 * judged by the clock the offset is relative to, as read with the row, never by this process's own.
 */

import { ASSUMED_RATE, type OffsetEstimate, type RateBound } from '../clock/offset.js';
import { OPEN_START, type Rival, type SharedClock } from '../clock/shared-clock.js';
import { MAX_TTL_MS } from '../clock/ttl.js';
import {
  type ConnectorRef,
  ENVIRONMENTS,
  type Environment,
  type Exchange,
  isExchangeName,
  SCOPE_PATTERN,
  scopeOf,
} from '../events/connector.js';
import type { RawClock, RawState } from '../read-model/lookup.js';

/** An offset to sign with, relative to a reference clock. */
export interface OffsetState {
  readonly exchange: Exchange;
  readonly environment: Environment;
  /** Whose clock it is about. */
  readonly scope: string;
  /** The measurement it rests on. */
  readonly syncId: string;
  readonly basis: 'measured' | 'exchange-clock';
  /** Exchange minus reference clock, at the reference's time `atMs`, the moment of measurement. */
  readonly estimate: OffsetEstimate;
  /** By the reference clock. */
  readonly expiresAtMs: number;
  readonly referenceClock: string;
  /** Of the connector's own row: the version of its stream that it shows. Left out by what was not read from a row. */
  readonly streamVersion?: number | undefined;
}

/**
 * Why there is no state to use.
 *  - `absent`, `expired`, `invalid` (condemned, or from before a step of the clock), `corrupt`: what the row says
 *  - `other-connector`: the row was measured on another exchange, environment or scope
 *  - `other-clock`: the row is relative to a clock that is not the one that answered
 *  - `contested`: a host contradicts the exchange's shared clock since, and it is not decided who is right
 *  - `timeout`, `database`: nobody could ask
 */
export type MissReason =
  | 'absent'
  | 'expired'
  | 'invalid'
  | 'corrupt'
  | 'other-connector'
  | 'other-clock'
  | 'contested'
  | 'timeout'
  | 'database';

// Limits of catalogue.ts, repeated because importing it would load the schema library at every cold start;
// a unit test holds the two together.
export const LIMITS = {
  earliestTimeMs: 946_684_800_000,
  latestTimeMs: 4_102_444_800_000,
  maxOffsetMs: 1_000_000_000,
  maxRatePpm: 1_000_000,
} as const;

/** A measurement may not lie in the reference clock's future by more than this: two servers' clocks differ. */
const FUTURE_SLACK_MS = 60_000;

/** What the schema of an event takes for one: of RFC 9562, or all zeros or ones. */
const UUID =
  /^([0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}|0{8}(-0{4}){3}-0{12}|f{8}(-f{4}){3}-f{12})$/i;

const isEnvironment = (v: unknown): v is Environment => ENVIRONMENTS.includes(v as Environment);
const isScope = (v: unknown): v is string => typeof v === 'string' && SCOPE_PATTERN.test(v);
export const isTime = (v: unknown): v is number =>
  typeof v === 'number' && v >= LIMITS.earliestTimeMs && v <= LIMITS.latestTimeMs;
const isOffset = (v: unknown): v is number => typeof v === 'number' && Math.abs(v) <= LIMITS.maxOffsetMs;
const isUncertainty = (v: unknown): v is number => typeof v === 'number' && v >= 0 && v <= LIMITS.maxOffsetMs;
export const isUuid = (v: unknown): v is string => typeof v === 'string' && UUID.test(v);
const isClockName = (v: unknown): v is string => typeof v === 'string' && v.length > 0 && v.length <= 200;
const isLifetime = (measuredAtMs: number, expiresAtMs: number): boolean =>
  expiresAtMs > measuredAtMs && expiresAtMs - measuredAtMs <= MAX_TTL_MS;

/** Within the limits of what a row or an event may hold. */
export const isEstimate = ({ offsetMs, uncertaintyMs, atMs }: OffsetEstimate): boolean =>
  isOffset(offsetMs) && isUncertainty(uncertaintyMs) && isTime(atMs);

/** Whether a row names its sync in a way that an event can repeat. */
export const namesItsSync = (row: {
  readonly exchange: unknown;
  readonly environment: unknown;
  readonly scope: unknown;
  readonly syncId: unknown;
  readonly measuredAtMs: unknown;
  readonly referenceClock: unknown;
}): boolean =>
  isExchangeName(row.exchange) &&
  isEnvironment(row.environment) &&
  isScope(row.scope) &&
  isUuid(row.syncId) &&
  isTime(row.measuredAtMs) &&
  isClockName(row.referenceClock);

export interface Assessment {
  /** The connector asked for. */
  readonly ref: ConnectorRef;
  /** The clock that answered, and this process's own: offsets against either can be used. */
  readonly clockId: string;
  readonly hostClockId: string;
  /** Time now by the clock that answered. */
  readonly referenceNowMs: number;
  readonly hostNowMs: number;
}

/** The state in the row, or why it cannot be used. */
export function assessState(raw: RawState | undefined, a: Assessment): OffsetState | MissReason {
  const found = readState(raw, a);
  if (typeof found !== 'object') return found;
  return found.expiresAtMs <= nowOf(found, a) ? 'expired' : found;
}

/** As {@link assessState}, but a state that has ended is still returned. */
export function readState(raw: RawState | undefined, a: Assessment): OffsetState | MissReason {
  if (!raw) return 'absent';
  const state = parseState(raw);
  if (!state) return 'corrupt';
  if (raw.userId !== a.ref.userId || raw.credentialId !== a.ref.credentialId) return 'corrupt';
  if (!isOf(a.ref, state)) return 'other-connector';
  if (raw.isValid !== true) return 'invalid';
  if (state.referenceClock !== a.clockId && state.referenceClock !== a.hostClockId) return 'other-clock';
  return state.estimate.atMs > nowOf(state, a) + FUTURE_SLACK_MS ? 'corrupt' : state;
}

const isOf = (ref: ConnectorRef, state: OffsetState): boolean =>
  state.exchange === ref.exchange && state.environment === ref.environment && state.scope === scopeOf(ref);

/** Time now by the clock that the state is relative to. */
export const nowOf = (state: OffsetState, a: Assessment): number =>
  state.referenceClock === a.hostClockId ? a.hostNowMs : a.referenceNowMs;

function parseState(raw: RawState): OffsetState | undefined {
  const { exchange, environment, basis, syncId, referenceClock, offsetMs, uncertaintyMs, measuredAtMs } = raw;
  const { expiresAtMs, isValid, scope } = raw;
  if (!isExchangeName(exchange) || !isEnvironment(environment)) return undefined;
  if (!isScope(scope)) return undefined;
  if (basis !== 'measured' && basis !== 'exchange-clock') return undefined;
  if (typeof isValid !== 'boolean' || !isUuid(syncId) || !isClockName(referenceClock)) return undefined;
  if (!isOffset(offsetMs) || !isUncertainty(uncertaintyMs) || !isRate(raw)) return undefined;
  if (!isTime(measuredAtMs) || !isTime(expiresAtMs) || !isLifetime(measuredAtMs, expiresAtMs))
    return undefined;
  return {
    exchange,
    environment,
    scope,
    syncId,
    basis,
    estimate: { offsetMs, uncertaintyMs, atMs: measuredAtMs, rate: rateOf(raw) },
    expiresAtMs,
    referenceClock,
    streamVersion: typeof raw.streamVersion === 'number' ? raw.streamVersion : undefined,
  };
}

/**
 * The exchange's shared clock as the row has it; `undefined` when there is none.
 * @returns `corrupt` for nonsense, which a time in the reference clock's future is too: nothing measured since
 *   could ever replace it
 */
export function parseClock(
  raw: RawClock | undefined,
  referenceNowMs: number,
): SharedClock | 'corrupt' | undefined {
  if (!raw) return undefined;
  const clock = clockOnceRead(raw);
  if (!clock) return 'corrupt';
  const latestMs = referenceNowMs + FUTURE_SLACK_MS;
  return clock.estimate.atMs > latestMs || clock.epochStartedAtMs > latestMs ? 'corrupt' : clock;
}

const clocksRead = new WeakMap<RawClock, SharedClock>();

/** One that cannot change is read once: from Redis the same comes with each lookup (shared-tier/packed.ts). */
function clockOnceRead(raw: RawClock): SharedClock | undefined {
  const known = clocksRead.get(raw);
  if (known) return known;
  const clock = readClock(raw);
  if (clock && Object.isFrozen(raw)) clocksRead.set(raw, clock);
  return clock;
}

function readClock(raw: RawClock): SharedClock | undefined {
  const { offsetMs, uncertaintyMs, syncId, measuredAtMs, expiresAtMs, isValid, epoch, epochStartedAtMs } =
    raw;
  if (!isUuid(syncId) || typeof isValid !== 'boolean') return undefined;
  if (!isOffset(offsetMs) || !isUncertainty(uncertaintyMs)) return undefined;
  if (!isTime(measuredAtMs) || !isTime(expiresAtMs) || !isLifetime(measuredAtMs, expiresAtMs))
    return undefined;
  if (!Number.isInteger(epoch)) return undefined;
  if (epochStartedAtMs !== OPEN_START && !isTime(epochStartedAtMs)) return undefined;
  const rival = readRival(raw, expiresAtMs - measuredAtMs);
  if (!isRate(raw) || rival === 'corrupt') return undefined;
  return {
    syncId,
    estimate: { offsetMs, uncertaintyMs, atMs: measuredAtMs, rate: rateOf(raw) },
    expiresAtMs,
    isValid,
    epoch: epoch as number,
    epochStartedAtMs,
    // How many samples went in is for analytics; the lookup does not fetch it.
    sampleCount: 1,
    rival,
  };
}

interface RawRate {
  readonly ratePpm: unknown;
  readonly rateBoundPpm: unknown;
}

const isRate = (raw: RawRate): raw is { ratePpm: number; rateBoundPpm: number } =>
  typeof raw.ratePpm === 'number' &&
  Math.abs(raw.ratePpm) <= LIMITS.maxRatePpm &&
  typeof raw.rateBoundPpm === 'number' &&
  raw.rateBoundPpm >= 0 &&
  raw.rateBoundPpm <= LIMITS.maxRatePpm;

/** `undefined` for the rate that is assumed anyway. */
function rateOf(raw: { ratePpm: number; rateBoundPpm: number }): RateBound | undefined {
  const { ratePpm, rateBoundPpm: boundPpm } = raw;
  const isAssumed = ratePpm === ASSUMED_RATE.ratePpm && boundPpm === ASSUMED_RATE.boundPpm;
  return isAssumed ? undefined : { ratePpm, boundPpm };
}

function readRival(raw: RawClock, clockTtlMs: number): Rival | 'corrupt' | undefined {
  const { contestedSinceMs, rivalHost, rivalSyncId, rivalOffsetMs, rivalUncertaintyMs, rivalMeasuredAtMs } =
    raw;
  if (contestedSinceMs === null) return undefined;
  if (!isTime(contestedSinceMs) || typeof rivalHost !== 'string' || !isUuid(rivalSyncId)) return 'corrupt';
  // What it was to be kept for is not fetched: as long as the clock itself was.
  const rival = { host: rivalHost, syncId: rivalSyncId, sinceMs: contestedSinceMs, ttlMs: clockTtlMs };
  if (rivalOffsetMs === null && rivalUncertaintyMs === null && rivalMeasuredAtMs === null) return rival;
  if (!isOffset(rivalOffsetMs) || !isUncertainty(rivalUncertaintyMs) || !isTime(rivalMeasuredAtMs))
    return 'corrupt';
  const estimate = { offsetMs: rivalOffsetMs, uncertaintyMs: rivalUncertaintyMs, atMs: rivalMeasuredAtMs };
  return { ...rival, estimate };
}

interface ClockPlace {
  readonly exchange: Exchange;
  readonly environment: Environment;
  readonly scope: string;
  readonly referenceClock: string;
}

/** The shared clock as a state for one connector, ended or not. */
export const stateFromClock = (clock: SharedClock, of: ClockPlace): OffsetState => ({
  exchange: of.exchange,
  environment: of.environment,
  scope: of.scope,
  syncId: clock.syncId,
  basis: 'exchange-clock',
  estimate: clock.estimate,
  expiresAtMs: clock.expiresAtMs,
  referenceClock: of.referenceClock,
});
