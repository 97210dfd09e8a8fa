/** A funding rate as exchanges send it, in strings, made into numbers or into nothing. */
import { InvalidInputError } from '../base/errors.js';
import { shown } from '../base/shown.js';
import type { FundingRate } from './exchange-adapter.js';

/** Both exchanges cap a rate at a few percent; a figure above one is in percent or basis points. */
const MAX_RATE = 1;
const IS_DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** @returns undefined when the rate or its time is missing or no number */
export function parseFundingRate(sent: {
  readonly symbol: string;
  readonly rate: unknown;
  readonly nextFundingTimeMs: number | undefined;
  readonly intervalHours?: unknown;
}): FundingRate | undefined {
  const rate = decimal(sent.rate);
  if (rate === undefined || Math.abs(rate) > MAX_RATE || sent.nextFundingTimeMs === undefined)
    return undefined;
  const intervalHours = decimal(sent.intervalHours);
  return {
    symbol: sent.symbol,
    rate,
    nextFundingTimeMs: sent.nextFundingTimeMs,
    ...(intervalHours !== undefined && intervalHours > 0 ? { intervalHours } : {}),
  };
}

function decimal(value: unknown): number | undefined {
  return typeof value === 'string' && IS_DECIMAL.test(value) ? Number(value) : undefined;
}

/** @throws InvalidInputError when `symbol` is no symbol of any exchange */
export function parseSymbol(symbol: string): string {
  if (typeof symbol !== 'string' || !/^[A-Z0-9-]{2,40}$/.test(symbol)) {
    throw new InvalidInputError(
      `symbol must be 2 to 40 of A-Z, 0-9 and "-", such as BTCUSDT (Bybit) or BTC-USDT (BingX), got ${shown(symbol)}`,
    );
  }
  return symbol;
}
