/** BingX's account stream: bingx-api's own class attached to a connector's clock, and ccxt.pro's as a second reader of it. */
import { format } from 'node:util';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import {
  ApiAccount,
  BingxAccountSocketStream,
  BingxAccountSocketStreamPool,
  BingxApiClient,
  OrderSideEnum,
  OrderTypeEnum,
} from 'bingx-api';
import WebSocket from 'ws';
import type { BingxConnectorWithCache } from '../../src/connectors/bingx-with-cache.connector.js';
import type { CcxtExchange } from '../../src/exchanges/attached-ccxt.js';
import { LISTEN_KEY_MS } from '../../src/exchanges/simulator/listen-keys.js';
import { ccxtClass } from '../support/ccxt.js';
import { steerableMachine } from '../support/clocks.js';
import { ACCOUNT, closing, eventually, givenWorld, type World } from '../support/world.js';

const account = new ApiAccount(ACCOUNT.apiKey, ACCOUNT.apiSecret);
const proClass = await ccxtClass('pro/bingx');
/** The SDK tells the console of each stream that ends. */
const said: string[] = [];
for (const name of ['log', 'error'] as const) {
  jest.spyOn(console, name).mockImplementation((...words) => void said.push(format(...words)));
}
afterEach(() => void said.splice(0));

async function given(skewMs = 0) {
  const world = await givenWorld({ knobs: { skewMs } });
  const process = await world.process({ clock: steerableMachine() });
  const connector = world.connector(process, 'BINGX') as BingxConnectorWithCache;
  await connector.initialize();
  const client = new (connector.attach(BingxApiClient))();
  const wish = { symbol: 'BTC-USDT', side: OrderSideEnum.BUY, quantity: '2' } as const;
  const trade = client.getTradeService();
  const order = (clientOrderID: string) =>
    trade.tradeOrder({ ...wish, clientOrderID, type: OrderTypeEnum.MARKET }, account);
  const rest = (clientOrderID: string) =>
    trade.tradeOrder({ ...wish, clientOrderID, type: OrderTypeEnum.LIMIT, price: '0.01' }, account);
  return { world, connector, client, order, rest };
}

function givenStream(connector: BingxConnectorWithCache) {
  const stream = new (connector.attach(BingxAccountSocketStream))(account);
  closing({ close: () => stream.disconnect() });
  const events: [string, ...unknown[]][] = [];
  stream.accountOrderUpdatePushEvent$.subscribe(({ o }) => events.push(['order', o.c, o.x, o.X, o.z]));
  stream.accountBalanceAndPositionPush$.subscribe(({ a }) =>
    events.push(['position', a.P[0]?.s, a.P[0]?.pa, a.P[0]?.ps]),
  );
  stream.listenKeyExpired$.subscribe(({ listenKey }) => events.push(['expired', listenKey.length]));
  let beats = 0;
  stream.heartbeat$.subscribe(() => beats++);
  return { stream, events, isOpen: () => eventually(() => expect(beats).toBeGreaterThan(0)) };
}

const listening = (world: World) =>
  world.simulator.requests('BINGX').filter(({ path }) => path === '/openApi/user/auth/userDataStream');

describe('an attached BingxAccountSocketStream', () => {
  it.each([0, 61_000, -61_000])(
    'listens where this host is off by %i ms, and tells of orders and positions',
    async skewMs => {
      const { world, connector, order, rest } = await given(skewMs);
      const { stream, events, isOpen } = givenStream(connector);
      expect(stream).toBeInstanceOf(BingxAccountSocketStream);
      await isOpen();
      await order('a');
      await rest('b');
      await eventually(() =>
        expect(events).toEqual([
          ['order', 'a', 'TRADE', 'FILLED', '2'],
          ['position', 'BTC-USDT', '2', 'LONG'],
          ['order', 'b', 'NEW', 'NEW', '0'],
        ]),
      );
      expect(listening(world).map(({ outcome }) => outcome)).toEqual(['0']);
    },
  );

  it('fetches its listen key once more where that was refused for its timestamp', async () => {
    const { world, connector } = await given();
    world.simulator.step(9_000, 'BINGX');
    const { isOpen } = givenStream(connector);
    await isOpen();
    expect(listening(world).map(({ outcome }) => outcome)).toEqual(['100421', '0']);
  });

  it('ends with its listen key, an hour after that was last extended, and the connection stays', async () => {
    const { world, connector, order } = await given();
    const { stream, events, isOpen } = givenStream(connector);
    await isOpen();
    world.simulator.step(LISTEN_KEY_MS - 60_000, 'BINGX');
    await stream.keepAlive();
    world.simulator.step(120_000, 'BINGX');
    await order('in time');
    await eventually(() => expect(events).toHaveLength(2));
    world.simulator.step(LISTEN_KEY_MS, 'BINGX');
    await eventually(() => expect(events.at(-1)).toEqual(['expired', 64]));
    await order('untold');
    await expect(stream.keepAlive()).rejects.toMatchObject({
      code: 'EXCHANGE_REFUSED',
      exchangeCode: 'HTTP 404',
    });
    expect(events).toHaveLength(3);
    expect(listening(world).map(({ outcome }) => outcome)).toContain('0');
  });

  it('says why it has no listen key, and never shows the secret', async () => {
    const { world, connector } = await given();
    world.simulator.fault({ kind: 'code', code: 100413, message: 'Incorrect apiKey', times: 2 }, 'BINGX');
    const { stream } = givenStream(connector);
    await eventually(() => expect(said.join('\n')).toMatch(/Cannot connect to account.*100413/));
    await expect(stream.keepAlive()).rejects.toMatchObject({ code: 'CLOSED' });
    connector.close();
    givenStream(connector);
    await eventually(() => expect(said.join('\n')).toMatch(/was closed/));
    expect(said.join('\n')).not.toContain(ACCOUNT.apiSecret);
  });

  it('is made from the class alone, and not of a pool, which makes bare ones', async () => {
    const { connector } = await given();
    expect(connector.attach(BingxAccountSocketStream)).toBe(connector.attach(BingxAccountSocketStream));
    expect(() => connector.attach(BingxAccountSocketStreamPool as never)).toThrow(
      /BingxAccountSocketStream of bingx-api/,
    );
  });
});

interface Pro extends CcxtExchange {
  readonly urls: { api: { ws: Record<string, string> } & Record<string, unknown> };
  readonly options: Record<string, unknown>;
  loadMarkets(): Promise<unknown>;
  watchOrders(): Promise<{ id: string }[]>;
  createOrder(symbol: string, type: string, side: string, amount: number): Promise<{ id: string }>;
  keepAliveListenKey(): Promise<void>;
  loadHttpProxyAgent(): Promise<unknown>;
  delay: unknown;
  close(): Promise<void>;
}

describe('the simulated stream', () => {
  it('is read by ccxt.pro too, which extends its listen key by itself', async () => {
    const { world, connector } = await given(61_000);
    const pro = new (connector.attach(proClass))({
      apiKey: ACCOUNT.apiKey,
      secret: ACCOUNT.apiSecret,
    }) as unknown as Pro;
    const { ws, ...rest } = pro.urls.api;
    for (const name of Object.keys(rest)) pro.urls.api[name] = `${world.simulator.bingxUrl}/openApi`;
    ws.linear = `${world.simulator.bingxUrl.replace('http:', 'ws:')}/swap-market`;
    pro.options.defaultType = 'swap';
    await pro.loadHttpProxyAgent();
    // Its timer for the next hour would keep this process.
    pro.delay = () => undefined;
    closing({ close: () => pro.close() });
    await pro.loadMarkets();

    const watched = pro.watchOrders();
    await eventually(() =>
      expect(world.simulator.requests('BINGX').some(({ method }) => method === 'WebSocket')).toBe(true),
    );
    const placed = await pro.createOrder('BTC/USDT:USDT', 'market', 'buy', 1);
    expect(await watched).toMatchObject([{ id: placed.id, symbol: 'BTC/USDT:USDT', status: 'closed' }]);
    await pro.keepAliveListenKey();
    expect(pro.options.listenKey).toMatch(/^[0-9a-f]{64}$/);
  });

  it('is closed at once to who brings no listen key, and one that was given up ends', async () => {
    const { world, client } = await given();
    const url = `${world.simulator.bingxUrl.replace('http:', 'ws:')}/swap-market`;
    const closed = (query: string) =>
      new Promise(resolve => new WebSocket(`${url}${query}`).on('close', code => resolve(code)));
    expect(await closed('')).toBe(1008);
    expect(await closed('?listenKey=nobody')).toBe(1008);

    const { listenKey } = await client.getListenKeyService().generateListenKey(account);
    const keyed = (method: string, query = `?listenKey=${listenKey}`) =>
      fetch(`${world.simulator.bingxUrl}/openApi/user/auth/userDataStream${query}`, { method });
    expect((await keyed('PUT')).status).toBe(200);
    expect((await keyed('PUT', '')).status).toBe(204);
    expect((await keyed('DELETE')).status).toBe(200);
    expect((await keyed('DELETE')).status).toBe(404);
    expect(await closed(`?listenKey=${listenKey}`)).toBe(1008);
  });
});
