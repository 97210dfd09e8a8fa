/** Environments and hosts: demo trading, regional hosts, an edge that blocks a region. */
import { describe, expect, it } from '@jest/globals';
import { RestClientV5, WebsocketClient } from 'bybit-api';
import { BybitConnectorWithCache } from '../../src/connectors/bybit-with-cache.connector.js';
import type { ConnectorOptions } from '../../src/connectors/options.js';
import { ACCOUNT, BOTH, closing, givenWorld, type Process, verifications } from '../support/world.js';

const KEYS = { key: ACCOUNT.apiKey, secret: ACCOUNT.apiSecret } as const;

const demoConnector = (process: Process, baseUrl: string) =>
  closing(
    new BybitConnectorWithCache({
      cache: process.cache,
      userId: 'user123',
      credentialId: 'demo',
      environment: 'DEMO',
      credentials: ACCOUNT,
      baseUrl,
    }),
  );

describe('demo trading', () => {
  it('of Bybit is verified by a call that it offers, and asked for the other no more', async () => {
    const world = await givenWorld({ bybit: { demo: true, skewMs: 47_000 } });
    const process = await world.process({ firstContact: 'verify-first' });
    const connector = demoConnector(process, world.simulator.bybitUrl);
    await connector.initialize();
    await connector.initialize();

    expect(verifications(world, 'BYBIT')).toEqual(['10002', '10032', '0', '0']);
    const paths = world.simulator.requests('BYBIT').map(({ path }) => path);
    expect(paths.at(-1)).toBe('/v5/account/info');
    await process.flush();
    expect(await world.sql('SELECT exchange, environment FROM connector_state_cache')).toEqual([
      { exchange: 'BYBIT', environment: 'DEMO' },
    ]);
  });

  it('is what the clients that are attached to it are for, and they for no other', async () => {
    const world = await givenWorld({ bybit: { demo: true } });
    const connector = demoConnector(await world.process(), world.simulator.bybitUrl);
    await connector.initialize();
    const Client = connector.attach(RestClientV5);
    expect((await new Client({ ...KEYS, demoTrading: true }).getAccountInfo()).retCode).toBe(0);
    const Socket = connector.attach(WebsocketClient);
    for (const make of [
      () => new Client({ ...KEYS, testnet: true }),
      () => new Client({ ...KEYS, demoTrading: false }),
      () => new Client({ ...KEYS, apiRegion: 'NL' }),
      () => new Socket({ ...KEYS, testnet: true }),
      () => new Socket({ ...KEYS, demoTrading: false }),
    ]) {
      expect(make).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }));
    }
  });
});

describe('a region', () => {
  const given = async (options: Partial<ConnectorOptions>) => {
    const world = await givenWorld();
    const process = await world.process();
    return () =>
      closing(
        new BybitConnectorWithCache({
          cache: process.cache,
          userId: 'user123',
          credentialId: 'nl',
          environment: 'MAINNET',
          credentials: ACCOUNT,
          ...options,
        }),
      );
  };

  it('is a host with a clock of its own', async () => {
    const make = await given({ region: 'NL' });
    const connector = make();
    expect(connector.ref.scope).toBe('https://api.bybit.nl');
    const Client = connector.attach(RestClientV5);
    expect(() => new Client({ ...KEYS, apiRegion: 'NL' })).not.toThrow();
    expect(() => new Client({ ...KEYS, apiRegion: 'EU' })).toThrow(
      /its connector's host, https:\/\/api.bybit.nl/,
    );
  });

  it.each<[Partial<ConnectorOptions>, RegExp]>([
    [{ region: 'XX' }, /region must be one of those that BYBIT has in MAINNET \(bytick, NL/],
    [{ region: 'NL', environment: 'TESTNET' }, /has in TESTNET \(HK, JP\)/],
    [{ region: 'NL', baseUrl: 'https://api.bybit.nl' }, /both region and baseUrl/],
  ])('%j is refused at once', async (options, problem) => {
    expect(await given(options)).toThrow(problem);
  });
});

describe.each(BOTH)('an edge in front of %s that blocks a region', exchange => {
  it('is told as that, and its clock proves nothing', async () => {
    const world = await givenWorld();
    const process = await world.process({ firstContact: 'verify-first' });
    await world.simulator.set({ regionBlock: true, skewMs: 30_000 }, exchange);
    const connector = world.connector(process, exchange);
    await expect(connector.initialize()).rejects.toMatchObject({
      reason: 'region',
      message: expect.stringMatching(/deploy in a region it serves/),
    });
    await world.simulator.set({ regionBlock: false }, exchange);
    await connector.initialize();
    expect(Math.abs(connector.exchangeNow() - world.simulator.serverTimeMs(exchange))).toBeLessThan(1000);
  });
});
