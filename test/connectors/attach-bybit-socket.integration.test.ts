/** bybit-api's own WebSocket clients, attached to a connector's clock: logins and orders. */
import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import { WebsocketAPIClient, WebsocketClient } from 'bybit-api';
import type { BybitConnectorWithCache } from '../../src/connectors/bybit-with-cache.connector.js';
import type { ConnectorOptions } from '../../src/connectors/options.js';
import { steerableMachine } from '../support/clocks.js';
import { ACCOUNT, closing, eventually, givenWorld, type World } from '../support/world.js';

const KEYS = { key: ACCOUNT.apiKey, secret: ACCOUNT.apiSecret } as const;
const ORDER = { category: 'linear', symbol: 'BTCUSDT', side: 'Buy', orderType: 'Market', qty: '1' } as const;

interface Connection {
  on(event: 'message', listener: (data: Buffer) => void): void;
  send(text: string): void;
}
interface Server {
  on(event: 'connection', listener: (socket: Connection) => void): void;
  on(event: 'listening', listener: () => void): void;
  address(): { port: number };
  readonly clients: Iterable<{ terminate(): void }>;
  close(done: () => void): void;
}
const { WebSocketServer } = createRequire(createRequire(import.meta.url).resolve('bybit-api'))('ws') as {
  WebSocketServer: new (options: { host: string; port: number }) => Server;
};

/** A private channel by the clock of the simulated exchange: as strict about time as Bybit, and about nothing else. */
async function givenChannel(world: World) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  const told: string[] = [];
  const now = () => world.simulator.serverTimeMs('BYBIT');
  server.on('connection', socket =>
    socket.on('message', data => {
      const { op, args, reqId, req_id, header } = JSON.parse(String(data));
      if (op === 'auth') {
        const isValid = args[1] > now();
        told.push(isValid ? 'login' : 'expired');
        socket.send(
          JSON.stringify({
            op,
            req_id,
            success: isValid,
            retCode: isValid ? 0 : 10004,
            retMsg: '',
            connId: 'c',
          }),
        );
      } else if (op === 'order.create') {
        const aheadMs = header['X-BAPI-TIMESTAMP'] - now();
        const isInTime = aheadMs < 1000 && aheadMs >= -header['X-BAPI-RECV-WINDOW'];
        told.push(isInTime ? 'executed' : '10002');
        const retCode = isInTime ? 0 : 10002;
        const clockInHeader = { Timenow: String(Math.floor(now())) };
        socket.send(
          JSON.stringify({ reqId, op, retCode, retMsg: '', data: {}, header: clockInHeader, connId: 'c' }),
        );
      }
    }),
  );
  await new Promise<void>(resolve => server.on('listening', resolve));
  closing({
    close: () =>
      new Promise<void>(resolve => {
        for (const client of server.clients) client.terminate();
        server.close(resolve);
      }),
  });
  const url = `ws://127.0.0.1:${server.address().port}`;
  return { url, told };
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
    protected override getWsUrl(): Promise<string> {
      return Promise.resolve(wsUrl);
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
      const channel = await givenChannel(world);
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
    const channel = await givenChannel(world);
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
    const channel = await givenChannel(world);
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
    const channel = await givenChannel(world);
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

  it('says so when it cannot sign', async () => {
    const world = await givenWorld();
    const channel = await givenChannel(world);
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
