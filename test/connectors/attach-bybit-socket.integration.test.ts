/** bybit-api's own WebSocket clients, attached to a connector's clock: logins and orders. */
import { describe, expect, it } from '@jest/globals';
import { RestClientV5, WebsocketAPIClient, WebsocketClient } from 'bybit-api';
import type { BybitConnectorWithCache } from '../../src/connectors/bybit-with-cache.connector.js';
import type { ConnectorOptions } from '../../src/connectors/options.js';
import { steerableMachine } from '../support/clocks.js';
import { ACCOUNT, closing, eventually, givenWorld, type World } from '../support/world.js';

const KEYS = { key: ACCOUNT.apiKey, secret: ACCOUNT.apiSecret } as const;
const ORDER = { category: 'linear', symbol: 'BTCUSDT', side: 'Buy', orderType: 'Market', qty: '1' } as const;

/** The simulated exchange's private channels, and what came of each login and order there. */
function givenChannel(world: World) {
  const said: Readonly<Record<string, string>> = {
    verify0: 'login',
    verify10004: 'expired',
    order0: 'executed',
  };
  return {
    url: world.simulator.bybitUrl.replace('http:', 'ws:'),
    get told() {
      return world.simulator
        .requests('BYBIT')
        .filter(({ method }) => method === 'WebSocket')
        .map(({ route, outcome }) => said[`${route}${outcome}`] ?? outcome);
    },
  };
}

const SILENT = { trace() {}, info() {}, error() {} };

async function givenConnector(
  world: World,
  options: Partial<ConnectorOptions> = {},
  clock = steerableMachine(),
) {
  const process = await world.process({ clock });
  return world.connector(process, 'BYBIT', options) as BybitConnectorWithCache;
}

function givenSocket(Client: typeof WebsocketClient, wsUrl: string): WebsocketClient {
  class Local extends Client {
    protected override getWsUrl(key: string): Promise<string> {
      return Promise.resolve(`${wsUrl}/v5/${key === 'v5PrivateTrade' ? 'trade' : 'private'}`);
    }
  }
  const socket = new Local(KEYS, SILENT);
  socket.on('exception', () => undefined);
  closing({ close: () => socket.closeAll(true) });
  return socket;
}

const authenticated = (socket: WebsocketClient) =>
  new Promise<void>(resolve => {
    socket.on('authenticated', () => resolve());
  });

describe('an attached WebsocketClient', () => {
  it.each([5_000, 20_000, 60_000])(
    'logs in with a window of %i ms, where a bare one is too late',
    async recvWindowMs => {
      const world = await givenWorld({ knobs: { skewMs: 61_000 } });
      const channel = givenChannel(world);
      const connector = await givenConnector(world, { recvWindowMs });
      await connector.initialize();

      const bare = givenSocket(WebsocketClient, channel.url);
      bare.connectPrivate();
      await new Promise<void>(resolve => bare.on('exception', () => resolve()));
      const socket = givenSocket(connector.attach(WebsocketClient), channel.url);
      const loggedIn = authenticated(socket);
      socket.connectPrivate();
      await loggedIn;

      expect(channel.told.slice(0, 2).sort()).toEqual(['expired', 'login']);
    },
  );

  it('measures before a login after a suspend', async () => {
    const world = await givenWorld();
    const channel = givenChannel(world);
    const clock = steerableMachine();
    const connector = await givenConnector(world, {}, clock);
    await connector.initialize();
    clock.freeze(60_000);
    const socket = givenSocket(connector.attach(WebsocketClient), channel.url);
    const loggedIn = authenticated(socket);
    socket.connectPrivate();
    await loggedIn;
    expect(channel.told).toEqual(['login']);
  });

  it('sends an order that was refused for its timestamp once more', async () => {
    const world = await givenWorld();
    const channel = givenChannel(world);
    const connector = await givenConnector(world);
    await connector.initialize();
    const socket = givenSocket(connector.attach(WebsocketClient), channel.url);
    await socket.sendWSAPIRequest('v5PrivateTrade', 'order.create', ORDER);
    world.simulator.step(-4_000, 'BYBIT');
    await socket.sendWSAPIRequest('v5PrivateTrade', 'order.create', ORDER);
    // The SDK logs in twice when an order opens the connection.
    expect(channel.told.filter(each => each !== 'login')).toEqual(['executed', '10002', 'executed']);
  });

  it('learns from the answers of orders that the exchange’s clock has stepped, before one is refused', async () => {
    const world = await givenWorld();
    const channel = givenChannel(world);
    const connector = await givenConnector(world);
    await connector.initialize();
    const socket = givenSocket(connector.attach(WebsocketClient), channel.url);
    await socket.sendWSAPIRequest('v5PrivateTrade', 'order.create', ORDER);
    // Within the window, so that nobody is refused.
    world.simulator.step(700, 'BYBIT');
    await eventually(async () => {
      await socket.sendWSAPIRequest('v5PrivateTrade', 'order.create', ORDER);
      expect(Math.abs(connector.exchangeNow() - world.simulator.serverTimeMs('BYBIT'))).toBeLessThan(350);
    });
    expect(channel.told).not.toContain('10002');
  });

  it('is told of orders by the private channel, over whatever way they were sent', async () => {
    const world = await givenWorld({ knobs: { skewMs: 61_000 } });
    const connector = await givenConnector(world);
    await connector.initialize();
    const socket = givenSocket(connector.attach(WebsocketClient), givenChannel(world).url);
    const updates: { topic: string; data: { orderId: string; orderStatus?: string }[] }[] = [];
    socket.on('update', update => updates.push(update));
    const subscribed = new Promise<void>(resolve => {
      socket.on('response', ({ op }: { op?: string }) => op === 'subscribe' && resolve());
    });
    socket.subscribeV5(['order', 'execution'], 'linear');
    await subscribed;
    const { data } = await socket.sendWSAPIRequest('v5PrivateTrade', 'order.create', ORDER);
    const rest = new (connector.attach(RestClientV5))({ ...KEYS, baseUrl: world.simulator.bybitUrl });
    const { result } = await rest.submitOrder(ORDER);
    await eventually(() => {
      expect(updates.map(({ topic, data: [row] }) => [topic, row?.orderId])).toEqual(
        [data.orderId, result.orderId].flatMap(id => [
          ['execution', id],
          ['order', id],
        ]),
      );
    });
  });

  it('says so when it cannot sign', async () => {
    const world = await givenWorld();
    const channel = givenChannel(world);
    const connector = await givenConnector(world);
    const socket = givenSocket(connector.attach(WebsocketClient), channel.url);
    const exception = new Promise(resolve => socket.on('exception', resolve));
    socket.connectPrivate();
    expect(await exception).toMatchObject({ code: 'CLOSED' });
    await expect(socket.sendWSAPIRequest('v5PrivateTrade', 'order.create', ORDER)).rejects.toMatchObject({
      code: 'CLOSED',
    });
  });
});

it('an attached WebsocketAPIClient goes by the clock in the client it makes', async () => {
  const world = await givenWorld({ knobs: { skewMs: -61_000 } });
  const connector = await givenConnector(world);
  await connector.initialize();
  const client = new (connector.attach(WebsocketAPIClient))({ ...KEYS, attachEventListeners: false }, SILENT);
  closing({ close: () => client.getWSClient().closeAll(true) });
  const errorMs = Date.now() + client.getWSClient().getTimeOffsetMs() - world.simulator.serverTimeMs('BYBIT');
  expect(Math.abs(errorMs)).toBeLessThan(500);
  expect(connector.attach(WebsocketAPIClient)).toBe(connector.attach(WebsocketAPIClient));
});
