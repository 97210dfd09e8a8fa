/** ccxt's own classes, attached to the clock of a connector over the exchange's SDK. */
import { describe, expect, it } from '@jest/globals';
import type { BingxConnectorWithCache } from '../../src/connectors/bingx-with-cache.connector.js';
import type { BybitConnectorWithCache } from '../../src/connectors/bybit-with-cache.connector.js';
import type { CcxtClass, CcxtExchange } from '../../src/exchanges/attached-ccxt.js';
import { ccxtClass } from '../support/ccxt.js';
import { steerableMachine } from '../support/clocks.js';
import type { SdkExchange } from '../support/two-exchanges.js';
import { ACCOUNT, BOTH, closing, givenWorld, type World } from '../support/world.js';

const ccxt = { bybit: await ccxtClass('bybit'), bingx: await ccxtClass('bingx') };

type Method = (params: object) => Promise<Record<string, unknown>>;
interface Client {
  balance(): Promise<Record<string, unknown>>;
  order(id: string): Promise<Record<string, unknown>>;
  readonly exchange: CcxtExchange;
}

function clientOf(Class: CcxtClass, url: string): Client {
  const exchange = new Class({ apiKey: ACCOUNT.apiKey, secret: ACCOUNT.apiSecret, enableRateLimit: false });
  const open = exchange as unknown as Record<string, Method> & { urls: { api: Record<string, string> } };
  const isBybit = exchange.id === 'bybit';
  for (const name of Object.keys(open.urls.api)) open.urls.api[name] = isBybit ? url : `${url}/openApi`;
  return {
    exchange,
    balance: () =>
      isBybit
        ? (open.privateGetV5AccountWalletBalance as Method)({ accountType: 'UNIFIED' })
        : (open.swapV2PrivateGetUserBalance as Method)({}),
    order: id =>
      isBybit
        ? (open.privatePostV5OrderCreate as Method)({
            category: 'linear',
            symbol: 'BTCUSDT',
            side: 'Buy',
            orderType: 'Market',
            qty: '1',
            orderLinkId: id,
          })
        : (open.swapV2PrivatePostTradeOrder as Method)({
            symbol: 'BTC-USDT',
            side: 'BUY',
            type: 'MARKET',
            quantity: '1',
            clientOrderID: id,
          }),
  };
}

async function given(exchange: SdkExchange, skewMs = 0) {
  const world = await givenWorld({ knobs: { skewMs } });
  const clock = steerableMachine();
  const process = await world.process({ clock });
  const connector = world.connector(process, exchange) as BybitConnectorWithCache & BingxConnectorWithCache;
  await connector.initialize();
  const url = exchange === 'BYBIT' ? world.simulator.bybitUrl : world.simulator.bingxUrl;
  const Class = ccxt[exchange === 'BYBIT' ? 'bybit' : 'bingx'];
  const before = world.simulator.requests(exchange).length;
  const outcomes = () =>
    world.simulator
      .requests(exchange)
      .slice(before)
      .filter(({ route }) => route === 'verify' || route === 'order')
      .map(({ outcome }) => outcome);
  const Attached: CcxtClass = connector.attach(Class);
  return { world, clock, connector, Class, url, outcomes, client: clientOf(Attached, url) };
}
const executed = (world: World, exchange: SdkExchange) => world.simulator.executed(exchange).length;

describe.each(BOTH)("ccxt's class of %s, attached", exchange => {
  const refusedWith = exchange === 'BYBIT' ? '10002' : '100421';

  it('signs by the exchange clock where a bare one is refused', async () => {
    const { client, Class, url, world, outcomes } = await given(exchange, 61_000);
    await expect(clientOf(Class, url).balance()).rejects.toThrow();
    await client.balance();
    await client.order('a');
    expect(outcomes()).toEqual([refusedWith, '0', '0']);
    expect(executed(world, exchange)).toBe(1);
    expect(Math.abs(client.exchange.milliseconds() - world.simulator.serverTimeMs(exchange))).toBeLessThan(
      500,
    );
  });

  it.each([-7_000, 9_000])('heals a step of %i ms with one refusal', async ms => {
    const { client, world, outcomes, connector } = await given(exchange);
    world.simulator.step(ms, exchange);
    await client.order('a');
    await client.balance();
    expect(outcomes()).toEqual([refusedWith, '0', '0']);
    expect(executed(world, exchange)).toBe(1);
    expect(connector.now()).toMatchObject({ epoch: 2 });
  });

  it('measures first after a suspend', async () => {
    const { client, clock, outcomes } = await given(exchange);
    clock.freeze(8_000);
    await client.balance();
    expect(outcomes()).toEqual(['0']);
  });

  it.each(['lost', 'cut', 'reset'] as const)(
    'does not send an order again whose answer was %s',
    async kind => {
      const { client, world, outcomes } = await given(exchange);
      world.simulator.fault({ kind, route: 'order' }, exchange);
      await expect(client.order('a')).rejects.toThrow();
      expect(outcomes()).toEqual([kind]);
    },
  );

  it('is refused twice at most; other refusals are told as ccxt tells them', async () => {
    const { client, world, outcomes } = await given(exchange);
    const message = 'Null timestamp or timestamp mismatch';
    world.simulator.fault({ kind: 'code', code: Number(refusedWith), message, times: 3 }, exchange);
    await expect(client.order('a')).rejects.toThrow(refusedWith);
    expect(outcomes()).toHaveLength(2);
    world.simulator.clearFaults(exchange);
    await world.simulator.set({ rateLimit: { requests: 0, perMs: 60_000 } }, exchange);
    const error = await client.balance().catch(thrown => thrown);
    expect(error.retryAfterMs).toBeGreaterThan(0);
  });

  it('refuses another host before anything is sent, and the class of another exchange', async () => {
    const { connector, Class, outcomes } = await given(exchange);
    const Attached: CcxtClass = connector.attach(Class);
    await expect(clientOf(Attached, 'http://127.0.0.1:1').balance()).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    });
    expect(outcomes()).toEqual([]);
    const Other: CcxtClass = connector.attach(ccxt[exchange === 'BYBIT' ? 'bingx' : 'bybit']);
    expect(() => new Other({})).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }));
  });

  it('rejects with CLOSED when its connector is', async () => {
    const { connector, client } = await given(exchange);
    connector.close();
    await expect(client.balance()).rejects.toMatchObject({ code: 'CLOSED' });
  });
});

describe("ccxt.pro's class of Bybit", () => {
  interface Pro extends CcxtExchange {
    urls: { api: { ws: { private: Record<string, unknown> } } & Record<string, unknown> };
    options: Record<string, unknown>;
    authenticate(url: string): Promise<unknown>;
    watchOrders(): Promise<{ id: string; status: string }[]>;
    createOrder(symbol: string, type: string, side: string, amount: number): Promise<{ id: string }>;
    createOrderWs(symbol: string, type: string, side: string, amount: number): Promise<{ id: string }>;
    handlePong(...args: unknown[]): unknown;
    clients: Record<string, { onPingInterval(): void } | undefined>;
    loadHttpProxyAgent(): Promise<unknown>;
    close(): Promise<void>;
  }
  const proOf = async (Class: CcxtClass, url: string) => {
    const pro = new Class({
      apiKey: ACCOUNT.apiKey,
      secret: ACCOUNT.apiSecret,
      enableRateLimit: false,
      options: {
        fetchMarkets: { types: ['linear'] },
        defaultType: 'swap',
        enableUnifiedAccount: true,
        enableUnifiedMargin: false,
      },
    }) as unknown as Pro;
    const { ws, ...rest } = pro.urls.api;
    for (const name of Object.keys(rest)) pro.urls.api[name] = url;
    const socket = url.replace('http:', 'ws:');
    ws.private.contract = `${socket}/v5/private`;
    ws.private.trade = `${socket}/v5/trade`;
    // What it wants before it opens a socket without TLS.
    await pro.loadHttpProxyAgent();
    closing({ close: () => pro.close() });
    return { pro, channel: `${socket}/v5/private` };
  };

  it('logs in where a bare one is too late, is told of orders, and orders over its socket', async () => {
    const Pro = await ccxtClass('pro/bybit');
    const { connector, url, world } = await given('BYBIT', 61_000);
    const bare = await proOf(Pro, url);
    await expect(bare.pro.authenticate(bare.channel)).rejects.toThrow('Params Error');

    const { pro, channel } = await proOf(connector.attach(Pro as never), url);
    await pro.authenticate(channel);
    const watched = pro.watchOrders();
    const placed = await pro.createOrderWs('BTC/USDT:USDT', 'market', 'buy', 1);
    const [seen] = await watched;
    expect(seen).toMatchObject({ id: placed.id, status: 'closed' });
    expect(world.simulator.executed('BYBIT')).toHaveLength(1);
  });

  it('keeps a socket that answers its pings, however far ahead of the exchange this host is', async () => {
    const Pro = await ccxtClass('pro/bybit');
    const { connector, url } = await given('BYBIT', -61_000);
    const { pro, channel } = await proOf(connector.attach(Pro as never), url);
    await pro.authenticate(channel);
    const socket = pro.clients[channel];
    const handlePong = pro.handlePong.bind(pro);
    const answered = new Promise<void>(done => {
      pro.handlePong = (...args) => {
        handlePong(...args);
        done();
      };
    });
    // What its timer does every 18 s: a ping, and at the next turn a look at the answer to it.
    socket?.onPingInterval();
    await answered;
    socket?.onPingInterval();
    expect(pro.clients[channel]).toBe(socket);
    expect(socket).toBeDefined();
  });
});
