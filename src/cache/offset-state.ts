/**
 * What a row must be before it is believed (promises 6 and 9).
 *
 * Rows are data from outside: another release wrote them, an operator edited them, a disk lied. Each is taken
 * apart here into a state whose every field was checked, or into the reason why it is a miss. `expired` is
 * judged by the clock the offset is relative to, as read with the row, never by this process's own.
 */

import type { OffsetEstimate } from '../clock/offset.js';
import { OPEN_START, type SharedClock } from '../clock/shared-clock.js';
import { MAX_TTL_MS } from '../clock/ttl.js';
import {
  type ConnectorRef,
  ENVIRONMENTS,
  type Environment,
  EXCHANGES,
  type Exchange,
} from '../events/connector.js';
import type { RawClock, RawState } from '../read-model/lookup.js';

/** An offset to sign with, relative to a reference clock. */
export interface OffsetState {
  readonly exchange: Exchange;
  readonly environment: Environment;
  /** The measurement it rests on. */
  readonly syncId: string;
  readonly basis: 'measured' | 'exchange-clock';
  /** Exchange minus reference clock, at the reference's time `atMs`, the moment of measurement. */
  readonly estimate: OffsetEstimate;
  /** By the reference clock. */
  readonly expiresAtMs: number;
  readonly referenceClock: string;
}

/**
 * Why there is no state to use.
 *  - `absent`, `expired`, `invalid` (condemned, or from before a step of the clock), `corrupt`: what the row says
 *  - `other-connector`: the row was measured on another exchange or environment
 *  - `other-clock`: the row is relative to a clock that is not the one that answered
 *  - `timeout`, `database`: nobody could ask
 */
export type MissReason =
  | 'absent'
  | 'expired'
  | 'invalid'
  | 'corrupt'
  | 'other-connector'
  | 'other-clock'
  | 'timeout'
  | 'database';

// Limits of catalogue.ts, repeated because importing it would load the schema library at every cold start;
// a unit test holds the two together.
export const LIMITS = {
  earliestTimeMs: 946_684_800_000,
  latestTimeMs: 4_102_444_800_000,
  maxOffsetMs: 1_000_000_000,
} as const;

/** A measurement may not lie in the reference clock's future by more than this: two servers' clocks differ. */
const FUTURE_SLACK_MS = 60_000;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

const isExchange = (v: unknown): v is Exchange => EXCHANGES.includes(v as Exchange);
const isEnvironment = (v: unknown): v is Environment => ENVIRONMENTS.includes(v as Environment);
const isTime = (v: unknown): v is number =>
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
  readonly syncId: unknown;
  readonly measuredAtMs: unknown;
  readonly referenceClock: unknown;
}): boolean =>
  isExchange(row.exchange) &&
  isEnvironment(row.environment) &&
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
  if (!raw) return 'absent';
  const state = parseState(raw);
  if (!state) return 'corrupt';
  if (raw.userId !== a.ref.userId || raw.credentialId !== a.ref.credentialId) return 'corrupt';
  if (state.exchange !== a.ref.exchange || state.environment !== a.ref.environment) return 'other-connector';
  if (raw.isValid !== true) return 'invalid';
  const nowMs = state.referenceClock === a.hostClockId ? a.hostNowMs : a.referenceNowMs;
  if (state.referenceClock !== a.clockId && state.referenceClock !== a.hostClockId) return 'other-clock';
  if (state.estimate.atMs > nowMs + FUTURE_SLACK_MS) return 'corrupt';
  if (state.expiresAtMs <= nowMs) return 'expired';
  return state;
}

function parseState(raw: RawState): OffsetState | undefined {
  const { exchange, environment, basis, syncId, referenceClock, offsetMs, uncertaintyMs, measuredAtMs } = raw;
  const { expiresAtMs, isValid } = raw;
  if (!isExchange(exchange) || !isEnvironment(environment)) return undefined;
  if (basis !== 'measured' && basis !== 'exchange-clock') return undefined;
  if (typeof isValid !== 'boolean' || !isUuid(syncId) || !isClockName(referenceClock)) return undefined;
  if (!isOffset(offsetMs) || !isUncertainty(uncertaintyMs)) return undefined;
  if (!isTime(measuredAtMs) || !isTime(expiresAtMs) || !isLifetime(measuredAtMs, expiresAtMs))
    return undefined;
  const estimate = { offsetMs, uncertaintyMs, atMs: measuredAtMs };
  return { exchange, environment, syncId, basis, estimate, expiresAtMs, referenceClock };
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
  const clock = readClock(raw);
  if (!clock) return 'corrupt';
  const latestMs = referenceNowMs + FUTURE_SLACK_MS;
  return clock.estimate.atMs > latestMs || clock.epochStartedAtMs > latestMs ? 'corrupt' : clock;
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
  return {
    syncId,
    estimate: { offsetMs, uncertaintyMs, atMs: measuredAtMs },
    expiresAtMs,
    isValid,
    epoch: epoch as number,
    epochStartedAtMs,
    // How many samples went in is for analytics; the lookup does not fetch it.
    sampleCount: 1,
  };
}

/** The shared clock as a state for one connector, or `undefined` when it cannot be used now. */
export function stateFromClock(
  clock: SharedClock | undefined,
  at: { exchange: Exchange; environment: Environment; referenceClock: string; referenceNowMs: number },
): OffsetState | undefined {
  if (!clock?.isValid || clock.expiresAtMs <= at.referenceNowMs) return undefined;
  return {
    exchange: at.exchange,
    environment: at.environment,
    syncId: clock.syncId,
    basis: 'exchange-clock',
    estimate: clock.estimate,
    expiresAtMs: clock.expiresAtMs,
    referenceClock: at.referenceClock,
  };
}
