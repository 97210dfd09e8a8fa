/**
 * When funding is paid next, for who wants the clocks good by then. Exchanges tell it of each contract, and it is not the
 * same for all: most are paid every eight hours, some every hour, and an exchange may change that from one day to the
 * next. Where one does not tell it, the usual times are assumed, and said to be.
 */
import { ConnectorStateError } from '../base/errors.js';
import type { Environment, Exchange } from '../events/connector.js';
import type { ContractFunding } from '../exchanges/public-funding.js';

export interface FundingTime {
  readonly exchange: Exchange;
  readonly environment: Environment;
  /** Epoch milliseconds. */
  readonly atMs: number;
  /** `exchange`: it told so itself. `usual`: 00:00, 08:00 and 16:00 UTC are assumed; `problem` says why. */
  readonly source: 'exchange' | 'usual';
  readonly problem?: string;
}

const USUAL_MS = 8 * 3_600_000;
/** No exchange pays less often than once a day: what says so is no funding time. */
const FURTHEST_MS = 25 * 3_600_000;

export const usualFundingAfter = (nowMs: number): number => (Math.floor(nowMs / USUAL_MS) + 1) * USUAL_MS;

/** `BTC-USDT` and `BTCUSDT` are the same contract. */
const bare = (symbol: string): string => symbol.toUpperCase().replaceAll(/[-_/]/g, '');

/**
 * @param symbols whose funding counts; none: all contracts'
 * @param ask what the exchange says; undefined where nobody knows how to ask
 */
export async function nextFundingOf(
  place: Pick<FundingTime, 'exchange' | 'environment'>,
  { nowMs, symbols }: { readonly nowMs: number; readonly symbols: readonly string[] },
  ask: () => Promise<readonly ContractFunding[] | undefined>,
): Promise<FundingTime> {
  const usual = (problem: string): FundingTime => ({
    ...place,
    atMs: usualFundingAfter(nowMs),
    source: 'usual',
    problem,
  });
  let told: readonly ContractFunding[] | undefined;
  try {
    told = await ask();
  } catch (error) {
    if (error instanceof ConnectorStateError) return usual(error.message);
    throw error;
  }
  if (!told) return usual(`how ${place.exchange} tells its funding times is not known`);
  const wanted = new Set(symbols.map(bare));
  const counted = wanted.size === 0 ? told : told.filter(({ symbol }) => wanted.has(bare(symbol)));
  const ahead = counted
    .map(({ nextAtMs }) => nextAtMs)
    .filter(atMs => atMs > nowMs && atMs <= nowMs + FURTHEST_MS);
  if (ahead.length > 0) return { ...place, atMs: Math.min(...ahead), source: 'exchange' };
  const whose = counted.length === 0 && wanted.size > 0 ? ` of ${symbols.join(', ')}` : '';
  return usual(`${place.exchange} told no funding time${whose} that lies within a day from now`);
}
