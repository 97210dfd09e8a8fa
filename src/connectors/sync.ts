/**
 * A sync: the exchange's clock, measured on purpose with its time endpoint. Why one is needed, what it gives, and
 * what is told when it fails.
 *
 * A connector that is closed meanwhile breaks its connections off, which looks like a failure of the network. It
 * is called `CLOSED` here, because others may wait for the result (measurement-sharing.ts) and must not take it
 * for the exchange's.
 */
import type { SyncFailure } from '../cache/facts.js';
import type { Lookup } from '../cache/lookup.js';
import type { ClockSample } from '../clock/offset.js';
import { ConnectorStateError } from '../errors.js';
import type { SyncTrigger } from '../events/catalogue.js';
import type { Exchange } from '../events/connector.js';
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
