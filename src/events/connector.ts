/**
 * A connector: one user's credential on one exchange and environment, and the key its state is kept under.
 *
 * The key must be injective: two different pairs of ids never give one key (promise 6). `_` separates the
 * two ids, so a `_` inside an id is percent-encoded, and `%` with it so that decoding has one answer.
 */
import { InvalidInputError } from '../base/errors.js';
import { shown } from '../base/shown.js';

/** The exchanges that are known without being registered; see src/exchanges/exchange-profile.ts for any other. */
export const EXCHANGES = ['BYBIT', 'BINGX', 'BINANCE', 'OKX', 'BITGET', 'KUCOIN'] as const;
export type ShippedExchange = (typeof EXCHANGES)[number];
/**
 * The name of an exchange: one of {@link EXCHANGES}, or one that a user registered. Events, rows and lookups take any
 * well-formed name, for a worker or an operator's tool need not know what a function has registered.
 */
export type Exchange = ShippedExchange | (string & {});
/** 1 to 32 capital letters, digits and `_`, the first a letter. */
export const EXCHANGE_PATTERN = /^[A-Z][A-Z0-9_]{0,31}$/;

/** `DEMO`: orders are made up, prices are those of the market. Not every exchange has each. */
export const ENVIRONMENTS = ['MAINNET', 'TESTNET', 'DEMO'] as const;
export type Environment = (typeof ENVIRONMENTS)[number];

/** One user's credential, wherever it is used. Ids are 1 to 128 characters without control characters. */
export interface CredentialRef {
  readonly userId: string;
  readonly credentialId: string;
}

export interface ConnectorRef extends CredentialRef {
  readonly exchange: Exchange;
  readonly environment: Environment;
  /**
   * Whose clock judges the connector's requests: {@link DEFAULT_SCOPE}, the exchange's own host, unless it says another
   * (a host's origin, or a name that the user gave several hosts). What was measured on one scope is never used on another.
   */
  readonly scope?: string | undefined;
}

/** The exchange's own host for the environment. */
export const DEFAULT_SCOPE = 'default';

export const MAX_SCOPE_LENGTH = 300;
/** Visible ASCII, 1 to {@link MAX_SCOPE_LENGTH}. */
export const SCOPE_PATTERN = /^[\x21-\x7e]{1,300}$/;

/** Of a connector or a fact about one: who does not say is about the exchange's own host. */
export const scopeOf = (of: { readonly scope?: string | undefined }): string => of.scope ?? DEFAULT_SCOPE;

export const MAX_ID_LENGTH = 128;

// Lone surrogates cannot be stored as UTF-8, so two ids that differ only in one would meet in the database.
const FORBIDDEN_IN_ID =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
  /[\u0000-\u001f\u007f-\u009f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

/** @throws InvalidInputError when `value` is not a string of 1–128 characters without control characters */
export function parseId(name: string, value: unknown): string {
  if (typeof value !== 'string') {
    throw new InvalidInputError(`${name} must be a string, got ${shown(value)}`);
  }
  if (value.length === 0 || value.length > MAX_ID_LENGTH) {
    throw new InvalidInputError(
      `${name} must have 1 to ${MAX_ID_LENGTH} characters, got ${value.length}: pass the id your own user or credential table uses`,
    );
  }
  if (FORBIDDEN_IN_ID.test(value)) {
    throw new InvalidInputError(
      `${name} must not contain control characters or unpaired surrogates, got ${shown(value)}`,
    );
  }
  return value;
}

export const isExchangeName = (value: unknown): value is Exchange =>
  typeof value === 'string' && EXCHANGE_PATTERN.test(value);

/** @throws InvalidInputError for what is no name of an exchange; whether it is registered is not looked at */
export function parseExchange(value: unknown): Exchange {
  if (isExchangeName(value)) return value;
  throw new InvalidInputError(
    `exchange must be 1 to 32 capital letters, digits and "_", the first a letter, such as ${EXCHANGES.join(', ')}, got ${shown(value)}`,
  );
}

/** @throws InvalidInputError for an environment that is not in {@link ENVIRONMENTS} */
export function parseEnvironment(value: unknown): Environment {
  if (ENVIRONMENTS.includes(value as Environment)) return value as Environment;
  throw new InvalidInputError(`environment must be one of ${ENVIRONMENTS.join(', ')}, got ${shown(value)}`);
}

/**
 * @returns {@link DEFAULT_SCOPE} for `undefined`
 * @throws InvalidInputError when `value` is not 1 to 300 visible ASCII characters
 */
export function parseScope(value: unknown): string {
  if (value === undefined) return DEFAULT_SCOPE;
  if (typeof value === 'string' && SCOPE_PATTERN.test(value)) return value;
  throw new InvalidInputError(
    `scope must be 1 to ${MAX_SCOPE_LENGTH} visible ASCII characters, got ${shown(value)}: pass the scope of the connector's own \`ref\``,
  );
}

/** @throws InvalidInputError when either id is malformed */
export function parseCredentialRef(value: CredentialRef): CredentialRef {
  return {
    userId: parseId('userId', value?.userId),
    credentialId: parseId('credentialId', value?.credentialId),
  };
}

/** @throws InvalidInputError when an id, the exchange, the environment or the scope is malformed */
export function parseConnectorRef(value: ConnectorRef): ConnectorRef & { readonly scope: string } {
  return {
    ...parseCredentialRef(value),
    exchange: parseExchange(value?.exchange),
    environment: parseEnvironment(value?.environment),
    scope: parseScope(value?.scope),
  };
}

const encodeId = (id: string) => (/[_%]/.test(id) ? id.replaceAll('%', '%25').replaceAll('_', '%5F') : id);
const decodeId = (id: string) => id.replaceAll('%5F', '_').replaceAll('%25', '%');

/**
 * `userId_credentialId`, with `_` and `%` inside an id percent-encoded. At most 769 characters.
 * @example
 * cacheKeyOf({ userId: 'alice', credentialId: 'bybit_main' }); // 'alice_bybit%5Fmain'
 */
export function cacheKeyOf(ref: CredentialRef): string {
  return `${encodeId(ref.userId)}_${encodeId(ref.credentialId)}`;
}

/** The inverse of {@link cacheKeyOf}. */
export function parseCacheKey(cacheKey: string): CredentialRef {
  const separator = cacheKey.indexOf('_');
  return {
    userId: decodeId(cacheKey.slice(0, separator)),
    credentialId: decodeId(cacheKey.slice(separator + 1)),
  };
}
