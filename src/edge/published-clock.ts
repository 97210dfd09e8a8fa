/**
 * A shared clock as it is published for edge runtimes, which have no database: a small JSON text in a key-value store.
 *
 * It says how far the exchange's clock is from the *reference* clock, the publisher's database's. What reads it has a
 * third clock, and nothing in a key-value store can say how far that one is off: no answer from a store that caches is a
 * sample of any clock. So the reader adds a bound of its own for that ({@link estimateFromPublished}), which is why it
 * knows the exchange's time to about a second, not to milliseconds, until the exchange itself has answered it.
 */
import { InvalidInputError } from '../base/errors.js';
import { shown } from '../base/shown.js';
import { inflate, type OffsetEstimate } from '../clock/offset.js';

/** Whose clock: the exchange's own host unless a scope is named. */
export interface ClockName {
  readonly exchange: string;
  readonly environment: string;
  /** Default `default`, the exchange's own host for the environment. */
  readonly scope?: string | undefined;
}

export interface PublishedClock extends Required<ClockName> {
  /** Exchange minus reference clock at `atMs`, its bound, and how it goes on; milliseconds and ppm. */
  readonly estimate: OffsetEstimate;
  /** Counts the steps of the exchange's clock, from 1. */
  readonly epoch: number;
  /** False: condemned, or contradicted by somebody; nothing is to be signed by it. */
  readonly isValid: boolean;
}

/** Why what lies in the store is not used. Stable. */
export type UnusableReason = 'absent' | 'malformed' | 'other-version' | 'other-clock' | 'condemned';

export type ReadClock =
  | { readonly clock: PublishedClock }
  | { readonly unusable: UnusableReason; readonly clock?: undefined };

const VERSION = 1;
/** More than that from any exchange's clock to any database's is no offset but a mistake. */
const MAX_OFFSET_MS = 366 * 86_400_000;
const MAX_KEY_LENGTH = 512;

/**
 * The key a clock is published under, at most 512 bytes, as Workers KV allows.
 * @throws InvalidInputError for a name with other characters than visible ASCII, or a longer one
 * @example
 * keyOfClock({ exchange: 'BYBIT', environment: 'MAINNET' }); // 'connector-state/clock/BYBIT/MAINNET/default'
 */
export function keyOfClock({ exchange, environment, scope = 'default' }: ClockName): string {
  const key = `connector-state/clock/${exchange}/${environment}/${scope}`;
  if (key.length <= MAX_KEY_LENGTH && /^[\x21-\x7e]+$/.test(key)) return key;
  throw new InvalidInputError(
    `exchange, environment and scope must be visible ASCII, ${MAX_KEY_LENGTH} characters at most together, got ${shown(key)}`,
  );
}

/**
 * A clock as it is published.
 * @example
 * await store.put(keyOfClock(clock), encodeClock(clock), { expirationTtl: 3_600 });
 */
export function encodeClock({
  exchange,
  environment,
  scope,
  estimate,
  epoch,
  isValid,
}: PublishedClock): string {
  const { offsetMs, uncertaintyMs, atMs, rate } = estimate;
  const times = { offsetMs, uncertaintyMs, atMs, ratePpm: rate?.ratePpm, rateBoundPpm: rate?.boundPpm };
  return JSON.stringify({ v: VERSION, exchange, environment, scope, ...times, epoch, isValid });
}

/**
 * Never throws: whoever may write the store may have written anything, and so may another release.
 * @example
 * const name = { exchange: 'BYBIT', environment: 'MAINNET' };
 * const read = decodeClock(await kv.get(keyOfClock(name)), name);
 * if (read.clock === undefined) console.warn(read.unusable);
 */
export function decodeClock(text: string | null | undefined, name: ClockName): ReadClock {
  if (text === null || text === undefined) return { unusable: 'absent' };
  let value: Record<string, unknown>;
  try {
    value = Object(JSON.parse(text));
  } catch {
    return { unusable: 'malformed' };
  }
  if (value.v !== VERSION) return { unusable: 'v' in value ? 'other-version' : 'malformed' };
  const { exchange, environment, scope = 'default' } = name;
  if (value.exchange !== exchange || value.environment !== environment || value.scope !== scope) {
    return { unusable: 'other-clock' };
  }
  if (value.isValid === false) return { unusable: 'condemned' };
  const estimate = estimateIn(value);
  const { epoch } = value;
  if (!estimate || value.isValid !== true || !Number.isSafeInteger(epoch)) return { unusable: 'malformed' };
  return { clock: { exchange, environment, scope, estimate, epoch: epoch as number, isValid: true } };
}

function estimateIn(value: Record<string, unknown>): OffsetEstimate | undefined {
  const within = (name: string, low: number, high: number) => {
    const number = value[name];
    return typeof number === 'number' && number >= low && number <= high ? number : undefined;
  };
  const offsetMs = within('offsetMs', -MAX_OFFSET_MS, MAX_OFFSET_MS);
  const uncertaintyMs = within('uncertaintyMs', 0, MAX_OFFSET_MS);
  const atMs = within('atMs', 0, 8.64e15);
  if (offsetMs === undefined || uncertaintyMs === undefined || atMs === undefined) return undefined;
  const ratePpm = within('ratePpm', -1e6, 1e6);
  const boundPpm = within('rateBoundPpm', 0, 1e6);
  const isRateKnown = ratePpm !== undefined && boundPpm !== undefined;
  return { offsetMs, uncertaintyMs, atMs, ...(isRateKnown && { rate: { ratePpm, boundPpm } }) };
}

/**
 * The exchange's clock minus this one's, as far as the published clock says it.
 *
 * With the exchange's clock X, the reference R and this clock H: X − H = (X − R) + (R − H). The first is published, ± its
 * bound grown since; of the second it is assumed that |R − H| ≤ `hostErrorMs`.
 * @param nowMs by this clock, epoch milliseconds
 */
export function estimateFromPublished(
  { estimate }: PublishedClock,
  nowMs: number,
  hostErrorMs: number,
): OffsetEstimate {
  const { offsetMs, uncertaintyMs } = inflate(estimate, nowMs);
  return { offsetMs, uncertaintyMs: uncertaintyMs + hostErrorMs, atMs: nowMs };
}
