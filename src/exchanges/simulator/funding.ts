/** Funding rates: the same for the same seed, paid every eight hours of the exchange's clock. */
import type { Exchange } from '../../events/connector.js';
import { hashOf } from './random.js';

export const COINS = ['BTC', 'ETH', 'SOL', 'XRP', 'DOGE', 'ADA', 'AVAX', 'LINK', 'LTC', 'DOT'] as const;
export const FUNDING_INTERVAL_HOURS = 8;
/** 5 basis points an interval, about what a lively market pays. */
const LARGEST_RATE = 0.0005;

export interface SimulatedFunding {
  readonly symbol: string;
  /** Decimal digits, as exchanges send it. */
  readonly rate: string;
  readonly nextFundingTimeMs: number;
}

/** @param rates override what is made up, by symbol */
export function fundingOf(
  exchange: Exchange,
  symbol: string,
  seed: number,
  rates: Readonly<Record<string, number>>,
  serverTimeMs: number,
): SimulatedFunding {
  const intervalMs = FUNDING_INTERVAL_HOURS * 3_600_000;
  const madeUp = ((hashOf(`${exchange}/${symbol}/${seed}`) / 2 ** 32) * 2 - 1) * LARGEST_RATE;
  return {
    symbol,
    rate: (rates[symbol] ?? madeUp).toFixed(8),
    nextFundingTimeMs: (Math.floor(serverTimeMs / intervalMs) + 1) * intervalMs,
  };
}
