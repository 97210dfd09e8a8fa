/** The simulator as a place to rehearse: a strategy's calls, through ccxt's unified methods, attached to a connector. */
import { describe, expect, it } from '@jest/globals';
import type { BingxConnectorWithCache } from '../../src/connectors/bingx-with-cache.connector.js';
import type { BybitConnectorWithCache } from '../../src/connectors/bybit-with-cache.connector.js';
import type { CcxtClass } from '../../src/exchanges/attached-ccxt.js';
import { ccxtClass } from '../support/ccxt.js';
import type { SdkExchange } from '../support/two-exchanges.js';
import { ACCOUNT, BOTH, givenWorld } from '../support/world.js';

const CLASS: Readonly<Record<SdkExchange, CcxtClass>> = {
  BYBIT: await ccxtClass('bybit'),
  BINGX: await ccxtClass('bingx'),
};
const SYMBOL = 'BTC/USDT:USDT';

interface Order {
  readonly id: string;
  readonly status?: string;
  readonly side?: string;
}
interface Unified {
  urls: { api: Record<string, string> };
  fetchTime(): Promise<number>;
  loadMarkets(): Promise<Record<string, unknown>>;
  fetchBalance(params?: object): Promise<{ total: Record<string, number> }>;
  fetchTicker(symbol: string): Promise<{ last: number }>;
  fetchFundingRate(symbol: string): Promise<{ fundingRate: number }>;
  createOrder(symbol: string, type: string, side: string, amount: number, price?: number): Promise<Order>;
  fetchOpenOrders(symbol: string): Promise<Order[]>;
  cancelOrder(id: string, symbol: string): Promise<Order>;
  fetchPositions(): Promise<{ symbol: string; side: string; contracts: number; entryPrice: number }[]>;
}

async function given(exchange: SdkExchange, skewMs: number) {
  const world = await givenWorld({ knobs: { skewMs } });
  const connector = world.connector(await world.process(), exchange) as BybitConnectorWithCache &
    BingxConnectorWithCache;
  await connector.initialize();
  const Attached = connector.attach(CLASS[exchange]);
  const { apiKey, apiSecret: secret } = ACCOUNT;
  const client = new Attached({ apiKey, secret, enableRateLimit: false }) as unknown as Unified;
  const url = world.simulator.urlOf(exchange);
  for (const name of Object.keys(client.urls.api)) {
    client.urls.api[name] = exchange === 'BYBIT' ? url : `${url}/openApi`;
  }
  return { world, client };
}

describe.each(BOTH)('a rehearsal on %s', exchange => {
  it('trades by unified calls, on a clock that is far off, and nothing is refused', async () => {
    const { world, client } = await given(exchange, 47_000);
    const markets = await client.loadMarkets();
    expect(Object.keys(markets)).toContain(SYMBOL);
    expect(Math.abs((await client.fetchTime()) - world.simulator.serverTimeMs(exchange))).toBeLessThan(2_000);
    const { last } = await client.fetchTicker(SYMBOL);
    expect(last).toBeGreaterThan(0);
    expect(Math.abs((await client.fetchFundingRate(SYMBOL)).fundingRate)).toBeLessThan(0.01);
    expect((await client.fetchBalance({ type: 'swap' })).total.USDT).toBe(100_000);

    await client.createOrder(SYMBOL, 'market', 'buy', 2);
    const resting = await client.createOrder(SYMBOL, 'limit', 'buy', 1, last / 2);
    const open = await client.fetchOpenOrders(SYMBOL);
    expect(open).toMatchObject([{ id: resting.id, side: 'buy', status: 'open' }]);
    expect(await client.fetchPositions()).toMatchObject([
      { symbol: SYMBOL, side: 'long', contracts: 2, entryPrice: last },
    ]);

    await client.cancelOrder(resting.id, SYMBOL);
    expect(await client.fetchOpenOrders(SYMBOL)).toEqual([]);
    await expect(client.cancelOrder(resting.id, SYMBOL)).rejects.toThrow();
    await client.createOrder(SYMBOL, 'market', 'sell', 3);
    expect(await client.fetchPositions()).toMatchObject([{ side: 'short', contracts: 1 }]);
    await client.createOrder(SYMBOL, 'market', 'buy', 1);
    expect(await client.fetchPositions()).toEqual([]);
    const timeRefusals = Object.keys(world.simulator.counters(exchange).byOutcome).filter(
      outcome => outcome === '10002' || outcome === '100421',
    );
    // The init's own, by which it learned the clock.
    expect(timeRefusals.length).toBeLessThanOrEqual(1);
    expect(world.simulator.executed(exchange)).toHaveLength(4);
  });

  it('refuses what the exchange would', async () => {
    const { client } = await given(exchange, 0);
    await client.loadMarkets();
    await expect(client.createOrder(SYMBOL, 'limit', 'buy', 1, -5)).rejects.toThrow();
    await expect(client.cancelOrder('1', SYMBOL)).rejects.toThrow();
  });
});
