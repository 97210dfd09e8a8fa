/** Simulators with a clock that the test holds, and the real adapters in front of them. */
import { afterEach } from '@jest/globals';
import { createBingxAdapter } from '../../src/exchanges/bingx/index.js';
import { createBybitAdapter } from '../../src/exchanges/bybit/index.js';
import type { AdapterOptions, ExchangeAdapter } from '../../src/exchanges/exchange-adapter.js';
import { ExchangeError } from '../../src/exchanges/exchange-adapter.js';
import {
  type ExchangeSimulator,
  type SimulatorOptions,
  startExchangeSimulator,
} from '../../src/exchanges/simulator/index.js';
import type { SdkExchange } from '../support/two-exchanges.js';

export const FROZEN_MS = 1_760_000_000_000;
export const CANARY = {
  apiKey: 'canaryKey7Qx2mZ',
  apiSecret: 'canarySecret+9/Lw=dK3&vB',
} as const;
export const NO_LATENCY = { time: 0, verify: 0, funding: 0 } as const;
export const BOTH: readonly SdkExchange[] = ['BYBIT', 'BINGX'];
export const SYMBOL = { BYBIT: 'BTCUSDT', BINGX: 'BTC-USDT' } as const;

const opened: { close(): void | Promise<void> }[] = [];

afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.close();
});

/** Without latency, with the canary account, and with its clock standing still at {@link FROZEN_MS}. */
export async function givenSimulator(options: SimulatorOptions = {}): Promise<ExchangeSimulator> {
  const simulator = await startExchangeSimulator({
    now: () => FROZEN_MS,
    accounts: { [CANARY.apiKey]: CANARY.apiSecret },
    ...options,
    knobs: { latencyMs: NO_LATENCY, ...options.knobs },
  });
  opened.push(simulator);
  return simulator;
}

export function givenAdapter(
  exchange: SdkExchange,
  simulator: Pick<ExchangeSimulator, 'bybitUrl' | 'bingxUrl'>,
  options: Partial<AdapterOptions> = {},
): ExchangeAdapter {
  const create = exchange === 'BYBIT' ? createBybitAdapter : createBingxAdapter;
  const adapter = create({
    environment: 'TESTNET',
    credentials: CANARY,
    baseUrl: exchange === 'BYBIT' ? simulator.bybitUrl : simulator.bingxUrl,
    now: () => FROZEN_MS,
    timestamp: () => FROZEN_MS,
    ...options,
  });
  opened.push(adapter);
  return adapter;
}

export async function errorOf(promise: Promise<unknown>): Promise<ExchangeError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof ExchangeError) return error;
    throw error;
  }
  throw new Error('it was expected to fail');
}
