/**
 * Whether the exchanges can be reached from here, and what their clocks say: each is asked for its time, without an account,
 * as an init would ask it. Only those that were named, for they are other people's, and a doctor may run often.
 */
import { type ErrorCode, InvalidInputError, isConnectorStateError } from '../../base/errors.js';
import { shown } from '../../base/shown.js';
import { systemClock } from '../../clock/host-clock.js';
import type { Environment } from '../../events/connector.js';
import { measurePublicClock } from '../../exchanges/public-clock.js';
import { hostOf, profileOf } from '../../exchanges/registry.js';
import { aheadOf } from '../quantities.js';
import { type Check, fail, ok } from './check.js';

export interface AskedExchange {
  readonly exchange: string;
  /** Default: the exchange's own. */
  readonly baseUrl?: string | undefined;
}

/**
 * `BYBIT`, or `BYBIT=https://api.bytick.com`.
 * @throws InvalidInputError for neither
 */
export function parseAsked(text: string): AskedExchange {
  const [, exchange, baseUrl] = /^([^=]+)(?:=(https?:\/\/.+))?$/.exec(text) ?? [];
  if (exchange === undefined) {
    throw new InvalidInputError(`--exchange takes a name, or <name>=https://<host>, got ${shown(text)}`);
  }
  return { exchange: exchange.toUpperCase(), baseUrl };
}

/** All at once, for one that does not answer takes seconds. */
export function checkExchanges(
  asked: readonly AskedExchange[],
  environment: Environment,
): Promise<readonly Check[]> {
  return Promise.all(asked.map(each => checkExchange(each, environment)));
}

async function checkExchange({ exchange, baseUrl }: AskedExchange, environment: Environment): Promise<Check> {
  const name = `exchange ${exchange}`;
  try {
    const profile = profileOf(exchange);
    const url = baseUrl ?? hostOf(profile, environment);
    const { host } = new URL(url);
    try {
      const { sentAtMs, receivedAtMs, serverTimeMs } = await measurePublicClock(profile, {
        environment,
        baseUrl: url,
        now: () => systemClock.now(),
        wall: () => systemClock.wall(),
      });
      const tripMs = receivedAtMs - sentAtMs;
      const aheadMs = serverTimeMs - (sentAtMs + receivedAtMs) / 2;
      return ok(
        name,
        `${host} answers in ${tripMs.toFixed(0)} ms; its clock is ${aheadOf(aheadMs, tripMs / 2)} this host`,
      );
    } catch (error) {
      if (!isConnectorStateError(error)) throw error;
      return fail(name, `${host}: ${error.message}`, REMEDIES[error.code] ?? UNREACHABLE);
    }
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    return fail(name, error.message, 'correct --exchange or --environment');
  }
}

const UNREACHABLE =
  'let this machine reach it: its name (DNS), the firewall, the proxy (HTTPS_PROXY, NO_PROXY); or wait, if the exchange is down';

const REMEDIES: Partial<Record<ErrorCode, string>> = {
  EXCHANGE_REFUSED:
    'it does not serve this address: see its rules for countries and limits, or take another region’s host (--exchange <name>=https://<host>)',
  EXCHANGE_BAD_RESPONSE: 'something else answers in its place: look at the proxy, or correct the host',
};
