/** Funding rates: the same for the same seed, paid every eight hours of the exchange's clock unless the knobs say otherwise. */
import type { Exchange } from '../../events/connector.js';
import type { World } from './dialect.js';
import { hashOf } from './random.js';

export const COINS = ['BTC', 'ETH', 'SOL', 'XRP', 'DOGE', 'ADA', 'AVAX', 'LINK', 'LTC', 'DOT'] as const;
const FUNDING_INTERVAL_HOURS = 8;
/** 5 basis points an interval, about what a lively market pays. */
const LARGEST_RATE = 0.0005;

export interface SimulatedFunding {
  readonly symbol: string;
  /** Decimal digits, as exchanges send it. */
  readonly rate: string;
  readonly nextFundingTimeMs: number;
  readonly intervalHours: number;
}

export function fundingOf(
  exchange: Exchange,
  symbol: string,
  { seed, knobs, serverTimeMs }: Pick<World, 'seed' | 'knobs' | 'serverTimeMs'>,
): SimulatedFunding {
  const intervalHours = knobs.fundingHours[symbol] ?? FUNDING_INTERVAL_HOURS;
  const intervalMs = intervalHours * 3_600_000;
  const madeUp = ((hashOf(`${exchange}/${symbol}/${seed}`) / 2 ** 32) * 2 - 1) * LARGEST_RATE;
  return {
    symbol,
    rate: (knobs.fundingRates[symbol] ?? madeUp).toFixed(8),
    nextFundingTimeMs: (Math.floor(serverTimeMs / intervalMs) + 1) * intervalMs,
    intervalHours,
  };
}
