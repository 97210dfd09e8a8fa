/**
 * A sync: the exchange's clock, measured on purpose with its time endpoint. Why one is needed, what it gives, and
 * what is told when it fails.
 *
 * A connector that is closed meanwhile breaks its connections off, which looks like a failure of the network. It
 * is called `CLOSED` here, because others may wait for the result (measurement-sharing.ts) and must not take it
 * for the exchange's.
 */
import { randomUUID } from 'node:crypto';
import { ConnectorStateError } from '../base/errors.js';
import type { SyncFailure } from '../cache/facts.js';
import type { Lookup, UsableState } from '../cache/lookup.js';
import type { HostClock } from '../clock/host-clock.js';
import { type ClockSample, estimateFromSample } from '../clock/offset.js';
import { linkToSelf } from '../clock/reference.js';
import type { SyncTrigger } from '../events/catalogue.js';
import { type ConnectorRef, type Exchange, scopeOf } from '../events/connector.js';
import { type ExchangeAdapter, ExchangeError } from '../exchanges/exchange-adapter.js';

/**
 * @param measure `undefined` for a sample that no clock can have given
 * @throws ExchangeError; ConnectorStateError `CLOSED`
 */
export async function measureServerTime<Measured extends object>(
  adapter: ExchangeAdapter,
  measure: (sample: ClockSample) => Measured | undefined,
  isClosed: () => boolean,
): Promise<Measured> {
  let sample: ClockSample;
  try {
    sample = await adapter.serverTime();
  } catch (error) {
    if (isClosed()) throw closedWhileMeasuring(adapter.exchange);
    throw error;
  }
  const measured = measure(sample);
  if (!measured) throw unbelievable(adapter.exchange, sample);
  return measured;
}

/** However far off this host's clock is: it need not fit into any row. */
export function stateFrom(sample: ClockSample, ref: ConnectorRef, clock: HostClock): UsableState {
  const estimate = estimateFromSample(sample);
  return {
    exchange: ref.exchange,
    environment: ref.environment,
    scope: scopeOf(ref),
    syncId: randomUUID(),
    basis: 'measured',
    estimate,
    // Used for as long as this connector lives.
    expiresAtMs: Number.POSITIVE_INFINITY,
    referenceClock: clock.id,
    link: linkToSelf(clock),
  };
}

/**
 * A sync that is kept nowhere: for who goes without the cache.
 * @throws ExchangeError; ConnectorStateError `CLOSED`
 */
export const measureForOneself = (
  adapter: ExchangeAdapter,
  ref: ConnectorRef,
  clock: HostClock,
  isClosed: () => boolean,
): Promise<UsableState> => measureServerTime(adapter, sample => stateFrom(sample, ref, clock), isClosed);

/** Why a lookup leads to a sync. */
export function triggerOf(lookup: Lookup): SyncTrigger {
  if (lookup.hit) return 'absent';
  switch (lookup.reason) {
    case 'expired':
    case 'invalid':
    case 'corrupt':
      return lookup.reason;
    default:
      // Another connector's row, another clock's offset, or nobody to ask: nothing of our own was there.
      return 'absent';
  }
}

/** What is recorded of a sync that ended with this error. */
export function syncFailureOf(error: unknown, trigger: SyncTrigger, durationMs: number): SyncFailure {
  if (!(error instanceof ExchangeError)) return { trigger, failureClass: 'unknown', durationMs };
  const { syncClass, exchangeCode } = error;
  return { trigger, failureClass: syncClass, exchangeCode, durationMs };
}

function unbelievable(exchange: Exchange, { serverTimeMs }: ClockSample): ExchangeError {
  return new ExchangeError(
    'EXCHANGE_BAD_RESPONSE',
    `${exchange} tells a time that no clock can be off by (${serverTimeMs} ms since 1970): check baseUrl, and this host's clock`,
    { exchange, exchangeCode: 'HTTP 200', authClass: 'unknown', syncClass: 'bad-response' },
  );
}

function closedWhileMeasuring(exchange: Exchange): ConnectorStateError {
  return new ConnectorStateError(
    'CLOSED',
    `this ${exchange} connector was closed while it measured the exchange's clock: create another one`,
  );
}
