/** bybit-api's own REST client, attached to a connector's clock. */
import { Agent } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { RestClientV5 } from 'bybit-api';
import fc from 'fast-check';
import type { BybitConnectorWithCache } from '../../src/connectors/bybit-with-cache.connector.js';
import type { ConnectorOptions } from '../../src/connectors/options.js';
import type { Fault } from '../../src/exchanges/simulator/index.js';
import { steerableMachine } from '../support/clocks.js';
import {
  ACCOUNT,
  closing,
  eventsOf,
  eventually,
  givenWorld,
  type Process,
  type World,
} from '../support/world.js';

const KEYS = { key: ACCOUNT.apiKey, secret: ACCOUNT.apiSecret } as const;
const ORDER = {
  category: 'linear',
  symbol: 'BTCUSDT',
  side: 'Buy',
  orderType: 'Market',
  qty: '0.01',
} as const;

async function givenConnector(
  world: World,
  processOptions: Parameters<World['process']>[0] = {},
  options: Partial<ConnectorOptions> = {},
): Promise<{ process: Process; connector: BybitConnectorWithCache }> {
  const process = await world.process(processOptions);
  const connector = world.connector(process, 'BYBIT', options) as BybitConnectorWithCache;
  await connector.initialize();
  return { process, connector };
}

/** Of the client's requests. */
const outcomes = (world: World): string[] =>
  world.simulator
    .requests('BYBIT')
    .filter(({ route, path }) => route === 'order' || path === '/v5/account/wallet-balance')
    .map(({ outcome }) => outcome);

const balance = (client: RestClientV5) => client.getWalletBalance({ accountType: 'UNIFIED' });

describe('an attached RestClientV5', () => {
  it('signs by the exchange clock where a bare one is refused', async () => {
    const world = await givenWorld({ knobs: { skewMs: 61_000 } });
    const { connector } = await givenConnector(world);
    const bare = new RestClientV5({ ...KEYS, baseUrl: world.simulator.bybitUrl });
    expect(await balance(bare)).toMatchObject({ retCode: 10002 });

    const client = new (connector.attach(RestClientV5))(KEYS);

    expect(client).toBeInstanceOf(RestClientV5);
    expect(await balance(client)).toMatchObject({ retCode: 0, result: { list: [{}] } });
    expect(await client.submitOrder({ ...ORDER, orderLinkId: 'a' })).toMatchObject({
      retCode: 0,
      result: { orderLinkId: 'a' },
    });
    expect(await client.getServerTime()).toMatchObject({ retCode: 0 });
    expect(world.simulator.executed('BYBIT')).toEqual([
      { symbol: 'BTCUSDT', side: 'Buy', clientOrderId: 'a' },
    ]);
  });

  it.each([-7_000, 9_000])(
    'heals a step of %i ms with one refusal, and sends that request again',
    async ms => {
      const world = await givenWorld();
      const { connector, process } = await givenConnector(world);
      const client = new (connector.attach(RestClientV5))(KEYS);
      world.simulator.step(ms, 'BYBIT');

      const result = await client.submitOrder({ ...ORDER, orderLinkId: 'a' });
      for (let n = 0; n < 3; n++) expect(await balance(client)).toMatchObject({ retCode: 0 });

      expect(result).toMatchObject({ retCode: 0 });
      expect(Object.getOwnPropertySymbols(result)).toEqual([]);
      expect(outcomes(world)).toEqual(['10002', '0', '0', '0', '0']);
      expect(world.simulator.executed('BYBIT')).toHaveLength(1);
      expect(connector.now()).toMatchObject({ epoch: 2, status: 'synchronized' });
      await process.flush();
      const facts = await process.cache.history('user123', 'cred456');
      expect(eventsOf(facts, 'ConnectorAuthFailed')).toMatchObject([{ data: { exchangeCode: '10002' } }]);
      expect(eventsOf(facts, 'ConnectorStateInvalidated')).toHaveLength(1);
    },
  );

  it('sends nothing over a connection that was kept through a suspend', async () => {
    const world = await givenWorld();
    const clock = steerableMachine();
    const { connector } = await givenConnector(world, { clock });
    const httpAgent = new Agent({ keepAlive: true });
    closing({ close: () => httpAgent.destroy() });
    const client = new (connector.attach(RestClientV5))(KEYS, { httpAgent });
    await Promise.all([balance(client), balance(client), balance(client)]);
    const kept = () => Object.values(httpAgent.freeSockets).flatMap(sockets => sockets ?? []);
    await eventually(() => expect(kept().length).toBeGreaterThan(0));
    const before = kept();

    clock.freeze(8_000);
    expect(await balance(client)).toMatchObject({ retCode: 0 });
    expect(before.every(({ destroyed }) => destroyed)).toBe(true);
  });

  it('goes on beside a second one of its connector, whose connections are destroyed under way', async () => {
    const world = await givenWorld();
    const { connector } = await givenConnector(world);
    const Client = connector.attach(RestClientV5);
    const httpAgent = new Agent({ keepAlive: true });
    const [one, other] = [new Client(KEYS), new Client(KEYS, { httpAgent })];
    world.simulator.step(9_000, 'BYBIT');
    for (const { retCode } of await Promise.all([balance(one), balance(other)])) expect(retCode).toBe(0);

    await world.simulator.set({ latencyMs: { verify: 600_000 } }, 'BYBIT');
    const inUse = () => Object.values(httpAgent.sockets).flatMap(sockets => sockets ?? []);
    await eventually(() => expect(inUse()).toHaveLength(0));
    const underWay = balance(other).catch(error => error);
    await eventually(() => expect(inUse()).toHaveLength(1));
    httpAgent.destroy();
    expect(await underWay).toMatchObject({ code: 'ECONNRESET' });
    await world.simulator.set({ latencyMs: { verify: 0 } }, 'BYBIT');
    expect(await balance(one)).toMatchObject({ retCode: 0 });
  });

  it('has many requests under way refused by one step, and heals once', async () => {
    const world = await givenWorld();
    const { connector, process } = await givenConnector(world);
    const client = new (connector.attach(RestClientV5))(KEYS);
    world.simulator.step(-7_000, 'BYBIT');

    const results = await Promise.all(
      Array.from({ length: 20 }, (_, n) => client.submitOrder({ ...ORDER, orderLinkId: `o${n}` })),
    );

    expect(results.map(({ retCode }) => retCode)).toEqual(Array.from({ length: 20 }, () => 0));
    expect(new Set(world.simulator.executed('BYBIT').map(order => order.clientOrderId)).size).toBe(20);
    expect(world.simulator.executed('BYBIT')).toHaveLength(20);
    await process.flush();
    const facts = await process.cache.history('user123', 'cred456');
    expect(eventsOf(facts, 'ConnectorAuthFailed')).toHaveLength(1);
    expect(eventsOf(facts, 'ConnectorStateInvalidated')).toHaveLength(1);
  });

  it('learns of a small step from answers that say yes, before anything is refused', async () => {
    const world = await givenWorld();
    const { connector } = await givenConnector(world);
    const client = new (connector.attach(RestClientV5))(KEYS);
    const before = connector.now();
    world.simulator.step(700, 'BYBIT');

    await balance(client);
    // A sample that excludes the state is judged once the link to the database's clock was measured anew.
    await eventually(() => connector.now().epoch === before.epoch + 1);
    await balance(client);

    expect(outcomes(world)).toEqual(['0', '0']);
  });

  it('measures first after a suspend', async () => {
    const world = await givenWorld();
    const clock = steerableMachine();
    const { connector } = await givenConnector(world, { clock });
    const client = new (connector.attach(RestClientV5))(KEYS);

    clock.freeze(8_000);

    expect(await balance(client)).toMatchObject({ retCode: 0 });
    expect(outcomes(world)).toEqual(['0']);
  });

  it('is refused twice at most, and then says what the exchange said', async () => {
    const world = await givenWorld();
    const { connector } = await givenConnector(world);
    const client = new (connector.attach(RestClientV5))(KEYS);
    world.simulator.fault({ kind: 'code', code: 10002, route: 'order', times: 5 }, 'BYBIT');

    const result = await client.submitOrder({ ...ORDER });

    expect(result).toMatchObject({ retCode: 10002 });
    expect(Object.getOwnPropertySymbols(result)).toEqual([]);
    expect(outcomes(world)).toEqual(['10002', '10002']);
  });

  it('with throwExceptions as well', async () => {
    const world = await givenWorld();
    const { connector } = await givenConnector(world);
    const client = new (connector.attach(RestClientV5))({ ...KEYS, throwExceptions: true });
    world.simulator.step(9_000, 'BYBIT');
    expect(await client.submitOrder({ ...ORDER })).toMatchObject({ retCode: 0 });
    world.simulator.fault({ kind: 'code', code: 10002, route: 'order', times: 2 }, 'BYBIT');
    await expect(client.submitOrder({ ...ORDER })).rejects.toMatchObject({ retCode: 10002 });
    expect(outcomes(world)).toEqual(['10002', '0', '10002', '10002']);
  });

  it('does not send again what the exchange refused for another reason, an order for -1 among it', async () => {
    const world = await givenWorld();
    const { connector } = await givenConnector(world);
    const client = new (connector.attach(RestClientV5))(KEYS);
    for (const code of [10003, 10004, 10006, 10016, 33004]) {
      world.simulator.fault({ kind: 'code', code, route: 'order' }, 'BYBIT');
      expect(await client.submitOrder({ ...ORDER })).toMatchObject({ retCode: code });
    }
    world.simulator.fault(
      { kind: 'code', code: -1, message: 'request expired: o@0, now[] diff[]', route: 'order' },
      'BYBIT',
    );
    expect(await client.submitOrder({ ...ORDER })).toMatchObject({ retCode: -1 });
    expect(outcomes(world)).toHaveLength(6);
  });

  it('says when requests are taken again', async () => {
    const world = await givenWorld();
    const { connector } = await givenConnector(world);
    const client = new (connector.attach(RestClientV5))(KEYS);
    await world.simulator.set({ rateLimit: { requests: 0, perMs: 60_000 } }, 'BYBIT');
    const result = (await balance(client)) as { retCode: number; retryAfterMs?: number };
    expect(result.retCode).toBe(10006);
    expect(result.retryAfterMs).toBeGreaterThan(0);
    expect(result.retryAfterMs).toBeLessThanOrEqual(60_000);
  });

  it('has errors that carry what the SDK puts there, and nothing of ours but retryAfterMs', async () => {
    const world = await givenWorld();
    const { connector } = await givenConnector(world);
    const client = new (connector.attach(RestClientV5))(KEYS);
    const bare = new RestClientV5({ ...KEYS, baseUrl: world.simulator.bybitUrl });
    const errorOf = async (of: RestClientV5, fault: Fault) => {
      world.simulator.fault(fault, 'BYBIT');
      return balance(of).then(
        () => undefined,
        error => error as Record<string, unknown>,
      );
    };
    for (const fault of [
      { kind: 'http', status: 403, body: '<html>no</html>', route: 'verify' },
      { kind: 'http', status: 500, body: '{}', route: 'verify' },
      { kind: 'reset', route: 'verify' },
    ] satisfies Fault[]) {
      const [ours, theirs] = [await errorOf(client, fault), await errorOf(bare, fault)];
      expect(ours).toBeDefined();
      expect(Object.keys(ours as object).sort()).toEqual(Object.keys(theirs as object).sort());
    }
  });

  it('never sends an order twice that may have been executed', async () => {
    const world = await givenWorld();
    const { connector } = await givenConnector(world);
    const client = new (connector.attach(RestClientV5))(KEYS, { timeout: 2_000 });
    const bad: fc.Arbitrary<Fault | { kind: 'step'; ms: number } | { kind: 'none' }> = fc.oneof(
      fc.constantFrom<Fault>(
        { kind: 'lost', route: 'order' },
        { kind: 'cut', route: 'order' },
        { kind: 'reset', route: 'order' },
        { kind: 'malformed-json', route: 'order' },
        { kind: 'http', status: 502, body: '', route: 'order' },
        { kind: 'code', code: 10016, route: 'order' },
        { kind: 'body', body: '<html></html>', route: 'order' },
        { kind: 'code', code: 10002, route: 'order' },
      ),
      fc.integer({ min: -20_000, max: 20_000 }).map(ms => ({ kind: 'step' as const, ms })),
      fc.constant({ kind: 'none' as const }),
    );
    let number = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(bad, { minLength: 1, maxLength: 4 }), async days => {
        world.simulator.clearFaults('BYBIT');
        for (const day of days) {
          if (day.kind === 'step') world.simulator.step(day.ms, 'BYBIT');
          else if (day.kind !== 'none') world.simulator.fault(day, 'BYBIT');
        }
        const sent = days.map(() => `p${number++}`);
        await Promise.allSettled(sent.map(orderLinkId => client.submitOrder({ ...ORDER, orderLinkId })));
        const executed = world.simulator.executed('BYBIT').map(order => order.clientOrderId);
        expect(new Set(executed).size).toBe(executed.length);
      }),
      { numRuns: 60 },
    );
    expect(world.simulator.executed('BYBIT').length).toBeGreaterThan(20);
  });
});

describe('attach()', () => {
  it('gives one subclass a connector, however often it is asked', async () => {
    const world = await givenWorld();
    const { connector, process } = await givenConnector(world);
    const Client = connector.attach(RestClientV5);
    expect(connector.attach(RestClientV5)).toBe(Client);
    expect(connector.attach(Client)).toBe(Client);
    expect(connector.attach(class extends Client {}).name).toBe('');

    const other = world.connector(process, 'BYBIT', { credentialId: 'other' }) as BybitConnectorWithCache;
    expect(() => other.attach(Client)).toThrow(/attached to another connector/);
    expect(other.attach(RestClientV5)).not.toBe(Client);
  });

  it('refuses what is no class of the SDK, and a client of another host', async () => {
    const world = await givenWorld();
    const { connector } = await givenConnector(world);
    const client = new RestClientV5(KEYS);
    expect(() => connector.attach(client as never)).toThrow(/not a client made of it/);
    expect(() => connector.attach(Map as never)).toThrow(/needs the class RestClientV5, .* of bybit-api/);
    const Client = connector.attach(RestClientV5);
    for (const options of [
      { baseUrl: 'https://api.bybit.com' },
      { testnet: false },
      { demoTrading: true },
      { apiRegion: 'EU' as const },
    ]) {
      expect(() => new Client({ ...KEYS, ...options })).toThrow(
        expect.objectContaining({ code: 'INVALID_INPUT' }),
      );
    }
  });

  it('serves two connectors of one clock: what one is told by a refusal the other signs by', async () => {
    const world = await givenWorld();
    const { connector, process } = await givenConnector(world);
    const other = world.connector(process, 'BYBIT', { credentialId: 'other' }) as BybitConnectorWithCache;
    await other.initialize();
    const clients = [connector, other].map(each => new (each.attach(RestClientV5))(KEYS));
    world.simulator.step(9_000, 'BYBIT');

    for (const client of clients) expect(await balance(client)).toMatchObject({ retCode: 0 });

    expect(outcomes(world)).toEqual(['10002', '0', '0']);
  });

  it('before the init, and after the close, rejects with what to do', async () => {
    const world = await givenWorld();
    const process = await world.process();
    const connector = world.connector(process, 'BYBIT') as BybitConnectorWithCache;
    const client = new (connector.attach(RestClientV5))(KEYS);
    await expect(balance(client)).rejects.toMatchObject({ code: 'CLOSED' });
    await connector.initialize();
    await expect(balance(client)).resolves.toMatchObject({ retCode: 0 });
    connector.close();
    await expect(balance(client)).rejects.toMatchObject({ code: 'CLOSED' });
    // What is public needs no clock.
    await expect(client.getServerTime()).resolves.toMatchObject({ retCode: 0 });
  });

  it.each(['connector', 'process'] as const)('ends requests under way when its %s is closed', async which => {
    const world = await givenWorld();
    const { connector, process } = await givenConnector(world);
    const client = new (connector.attach(RestClientV5))(KEYS);
    world.simulator.step(9_000, 'BYBIT');
    await world.simulator.set({ latencyMs: { verify: 300 } }, 'BYBIT');
    const underWay = Promise.allSettled([balance(client), balance(client)]);
    await balance(new RestClientV5({ ...KEYS, baseUrl: world.simulator.bybitUrl, recv_window: 1 })).then(
      () => undefined,
    );
    await (which === 'connector' ? connector.close() : process.close());

    for (const each of await underWay) {
      expect(each.status === 'fulfilled' ? each.value.retCode : each.reason).toEqual(expect.anything());
    }
  });

  it.each(['off', 'shadow'] as const)('signs with the cache %s, and heals by measuring', async cacheMode => {
    const world = await givenWorld({ knobs: { skewMs: 30_000 } });
    const { connector } = await givenConnector(world, { cacheMode });
    const client = new (connector.attach(RestClientV5))(KEYS);
    expect(await balance(client)).toMatchObject({ retCode: 0 });
    world.simulator.step(-9_000, 'BYBIT');
    expect(await balance(client)).toMatchObject({ retCode: 0 });
    expect(outcomes(world)).toEqual(['0', '10002', '0']);
  });
});
