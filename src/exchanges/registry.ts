/**
 * The exchanges that are known: those shipped, and those that the user registered in this process.
 */
import { InvalidInputError } from '../base/errors.js';
import { shown } from '../base/shown.js';
import { type Environment, type Exchange, parseExchange } from '../events/connector.js';
import { BINGX_PROFILE } from './bingx/profile.js';
import { BYBIT_PROFILE } from './bybit/profile.js';
import { checkProfile } from './check-profile.js';
import type { ExchangeProfile } from './exchange-profile.js';
import { BINANCE_PROFILE } from './profiles/binance.js';
import { BITGET_PROFILE } from './profiles/bitget.js';
import { KUCOIN_PROFILE } from './profiles/kucoin.js';
import { OKX_PROFILE } from './profiles/okx.js';

/** In the order in which they are named. */
export const SHIPPED_PROFILES: readonly ExchangeProfile[] = [
  BYBIT_PROFILE,
  BINGX_PROFILE,
  BINANCE_PROFILE,
  OKX_PROFILE,
  BITGET_PROFILE,
  KUCOIN_PROFILE,
];

const shipped = new Map(SHIPPED_PROFILES.map(profile => [profile.name, profile]));
const registered = new Map<Exchange, ExchangeProfile>();

/**
 * Makes one more exchange known to this process, by its {@link ExchangeProfile}. To be called before a connector of it is
 * made; events and rows of it are read by any process, registered there or not. The same profile may be registered
 * again.
 *
 * @example
 * ```ts
 * import { registerExchange } from 'connector-state/ccxt';
 *
 * registerExchange({
 *   name: 'GATE',
 *   source: 'Gate API v4, "Authentication"',
 *   hosts: { MAINNET: 'https://api.gateio.ws' },
 *   window: { defaultMs: 60_000, maxMs: 60_000, earlyLimitMs: 60_000, aheadMs: 0 },
 *   time: { path: '/api/v4/spot/time', stamp: { at: ['server_time'], format: 'ms' } },
 *   answers: { name: 'Gate', code: 'label', message: 'message', yes: [] },
 *   refusals: [
 *     { codes: ['REQUEST_EXPIRED'], reason: 'timestamp' },
 *     { codes: ['INVALID_KEY'], reason: 'key-unknown' },
 *     { codes: ['INVALID_SIGNATURE'], reason: 'signature' },
 *   ],
 *   unexecuted: ['REQUEST_EXPIRED'],
 *   request: { stamp: { in: 'header', name: 'Timestamp', format: 'seconds' } },
 *   ccxt: {
 *     id: 'gate',
 *     verification: [
 *       { endpoint: 'GET /api/v4/account/detail', api: ['private', 'account'], path: 'detail' },
 *     ],
 *   },
 * });
 * ```
 * @throws InvalidInputError for a malformed profile, and for a name that is taken by another one
 */
export function registerExchange(profile: ExchangeProfile): void {
  checkProfile(profile);
  const { name } = profile;
  const known = shipped.get(name) ?? registered.get(name);
  if (known && known !== profile && JSON.stringify(known, regexes) !== JSON.stringify(profile, regexes)) {
    throw new InvalidInputError(
      `registerExchange() got another profile for ${name}, which is known already: give it a name of its own, such as ${name}_2`,
    );
  }
  if (!known) registered.set(name, profile);
}

const regexes = (_key: string, value: unknown): unknown => (value instanceof RegExp ? String(value) : value);

/**
 * What is known of an exchange: its hosts, its window, where its answers carry stamps.
 * @throws InvalidInputError for an exchange that is neither shipped nor registered
 * @example
 * registerExchange({ ...profileOf('BINANCE'), name: 'BINANCE_US', hosts: { MAINNET: 'https://api.binance.us' } });
 */
export function profileOf(exchange: Exchange): ExchangeProfile {
  const name = parseExchange(exchange);
  const profile = shipped.get(name) ?? registered.get(name);
  if (profile) return profile;
  throw new InvalidInputError(
    `exchange ${name} is not known here: known are ${[...shipped.keys(), ...registered.keys()].join(', ')}; register another one with registerExchange() first`,
  );
}

/**
 * The exchange's own host.
 * @throws InvalidInputError where it has none for the environment, or none of that region
 */
export function hostOf(
  { name, hosts, regions = {} }: ExchangeProfile,
  environment: Environment,
  region?: string,
): string {
  const isRegion = typeof region === 'string' && Object.hasOwn(regions, region);
  const own = region === undefined ? hosts : isRegion ? regions[region] : undefined;
  const host = own?.[environment];
  if (host !== undefined) return host;
  if (region === undefined) {
    throw new InvalidInputError(
      `${name} has no ${environment} environment: it has ${Object.keys(hosts).join(', ')}; pass a baseUrl for another host`,
    );
  }
  const known = Object.keys(regions).filter(each => regions[each]?.[environment] !== undefined);
  const names = known.length === 0 ? 'none' : known.join(', ');
  throw new InvalidInputError(
    `region must be one of those that ${name} has in ${environment} (${names}), got ${shown(region)}: pass a baseUrl for another host`,
  );
}
