/** The init algorithm, for both exchanges, through the real SDKs against the strict simulator. */
import { describe, expect, it } from '@jest/globals';
import { BybitConnectorWithCache } from '../../src/connectors/bybit-with-cache.connector.js';
import type { Fault } from '../../src/exchanges/simulator/index.js';
import { createFakeClock, createInMemoryState } from '../../src/testing/index.js';
import {
  ACCOUNT,
  BOTH,
  closing,
  eventsOf,
  eventually,
  givenSimulator,
  givenWorld,
  measurements,
  type Process,
  SYMBOL,
  verifications,
} from '../support/world.js';

const TIMESTAMP_CODE = { BYBIT: '10002', BINGX: '100421' } as const;

const typesOf = async (process: Process, userId = 'user123', credentialId = 'cred456') =>
  (await process.cache.history(userId, credentialId)).map(event => event.type);

describe.each(BOTH)('initialising a %s connector', exchange => {
  it('measures when nothing is known, and signs what the exchange accepts', async () => {
    const world = await givenWorld({ knobs: { skewMs: 90_000 } });
    const process = await world.process();

    const result = await world.connector(process, exchange).initialize();

    expect(result).toMatchObject({ cacheHit: false, tier: null, authFailures: 0 });
    expect(Math.abs(result.offsetMs - 90_000)).toBeLessThanOrEqual(result.uncertaintyMs);
    expect(measurements(world, exchange)).toBe(1);
    expect(verifications(world, exchange)).toEqual(['0']);
    const history = await process.cache.history('user123', 'cred456');
    expect(history[0]).toMatchObject({
      type: 'ConnectorSynced',
      data: { trigger: 'absent', basis: 'measured', exchange, environment: 'TESTNET' },
    });
  });

  it('takes over the clock that another connector of the exchange measured', async () => {
    const world = await givenWorld({ knobs: { skewMs: -30_000 } });
    const process = await world.process();
    await world.connector(process, exchange).initialize();

    const result = await world.connector(process, exchange, { userId: 'another' }).initialize();

    expect(result).toMatchObject({ cacheHit: true, tier: 'exchange-clock', authFailures: 0 });
    expect(Math.abs(result.offsetMs + 30_000)).toBeLessThanOrEqual(result.uncertaintyMs);
    expect(measurements(world, exchange)).toBe(1);
    // It has a state of its own now.
    expect(
      await process.cache.get(world.connector(process, exchange, { userId: 'another' }).ref),
    ).toMatchObject({ hit: true });
  });

  it('opens its connection to the exchange while it looks its state up', async () => {
    const world = await givenWorld();
    const proxy = await world.proxy();
    const process = await world.process({ databaseUrl: proxy.url });
    proxy.behave('hang');

    const result = world.connector(process, exchange).initialize();
    await eventually(() => world.simulator.counters(exchange).connections === 1);
    expect(world.simulator.counters(exchange).requests).toBe(0);
    proxy.cut();

    expect(await result).toMatchObject({ cacheHit: false, authFailures: 0 });
    expect(world.simulator.counters(exchange)).toMatchObject({ connections: 1, requests: 2 });
  });

  it('does not take over the clock of the other exchange, or of another environment', async () => {
    const world = await givenWorld();
    const process = await world.process();
    await world.connector(process, exchange).initialize();

    const other = exchange === 'BYBIT' ? 'BINGX' : 'BYBIT';
    const onOther = await world.connector(process, other, { userId: 'b' }).initialize();
    const onMain = await world
      .connector(process, exchange, { userId: 'c', environment: 'MAINNET' })
      .initialize();

    expect([onOther.tier, onMain.tier]).toEqual([null, null]);
    expect(measurements(world, other)).toBe(1);
    expect(measurements(world, exchange)).toBe(2);
  });

  it('starts from the row in a second process, without a measurement', async () => {
    const world = await givenWorld({ knobs: { skewMs: 5_000 } });
    const first = await world.process();
    await world.connector(first, exchange).initialize();
    await first.flush();

    const second = await world.process();
    const result = await world.connector(second, exchange).initialize();

    expect(result).toMatchObject({ cacheHit: true, tier: 'postgres', authFailures: 0 });
    expect(measurements(world, exchange)).toBe(1);
    expect(verifications(world, exchange)).toEqual(['0', '0']);
  });

  it('starts from the shared clock in a second process when the connector has no row', async () => {
    const world = await givenWorld();
    const first = await world.process();
    await world.connector(first, exchange).initialize();
    await first.flush();

    const second = await world.process();
    const result = await world.connector(second, exchange, { credentialId: 'fresh' }).initialize();
    await second.flush();

    expect(result).toMatchObject({ cacheHit: true, tier: 'exchange-clock' });
    const third = await world.process();
    expect(await world.connector(third, exchange, { credentialId: 'fresh' }).initialize()).toMatchObject({
      tier: 'postgres',
    });
    expect(measurements(world, exchange)).toBe(1);
  });

  it('meets one refusal after the clock stepped back, learns from it, and spares the others', async () => {
    const world = await givenWorld();
    const before = await world.process();
    for (const userId of ['a', 'b', 'c']) await world.connector(before, exchange, { userId }).initialize();
    await before.flush();
    await world.later();
    world.simulator.step(-3_000, exchange);

    const after = await world.process();
    const first = await world.connector(after, exchange, { userId: 'a' }).initialize();
    const second = await world.connector(after, exchange, { userId: 'b' }).initialize();
    await after.flush();
    const third = await world.connector(await world.process(), exchange, { userId: 'c' }).initialize();

    expect([first, second, third].map(result => result.authFailures)).toEqual([1, 0, 0]);
    expect(verifications(world, exchange).slice(3)).toEqual([TIMESTAMP_CODE[exchange], '0', '0', '0']);
    // The refusal itself told the time, and one more answer agreed: nobody else measured again.
    expect(measurements(world, exchange)).toBe(2);
    expect(Math.abs(first.offsetMs + 3_000)).toBeLessThanOrEqual(first.uncertaintyMs);

    const history = await after.cache.history('a', 'cred456');
    const [failure] = eventsOf(history, 'ConnectorAuthFailed');
    const [invalidated] = eventsOf(history, 'ConnectorStateInvalidated');
    const relearned = eventsOf(history, 'ConnectorSynced').find(
      ({ data }) => data.trigger === 'auth-failure',
    );
    expect(failure?.data).toMatchObject({
      failureClass: 'timestamp',
      exchangeCode: TIMESTAMP_CODE[exchange],
      serverTimeMs: expect.any(Number),
    });
    expect(invalidated).toMatchObject({
      causationId: failure?.id,
      data: { reason: 'timestamp-refused', condemnedSyncId: failure?.data.syncId },
    });
    expect(relearned).toMatchObject({
      causationId: invalidated?.id,
      correlationId: failure?.correlationId,
    });
  });

  it('spares the connectors of the same process whose states are in memory', async () => {
    const world = await givenWorld();
    const process = await world.process();
    const connectors = ['a', 'b', 'c'].map(userId => world.connector(process, exchange, { userId }));
    for (const connector of connectors) await connector.initialize();
    await world.later();
    world.simulator.step(-3_000, exchange);

    const failures: number[] = [];
    for (const connector of connectors) failures.push((await connector.initialize()).authFailures);

    expect(failures).toEqual([1, 0, 0]);
  });

  it('signs only once more: a second refusal for the timestamp is thrown', async () => {
    const world = await givenWorld();
    const process = await world.process();
    const connector = world.connector(process, exchange);
    const message = exchange === 'BYBIT' ? 'req_timestamp' : 'timestamp mismatch';
    world.simulator.fault(
      { kind: 'code', code: Number(TIMESTAMP_CODE[exchange]), message, route: 'verify', times: 3 },
      exchange,
    );

    await expect(connector.initialize()).rejects.toMatchObject({
      code: 'EXCHANGE_REFUSED',
      authClass: 'timestamp',
      exchangeCode: TIMESTAMP_CODE[exchange],
    });

    expect(verifications(world, exchange)).toEqual([TIMESTAMP_CODE[exchange], TIMESTAMP_CODE[exchange]]);
    expect((await typesOf(process)).filter(type => type === 'ConnectorAuthFailed')).toHaveLength(2);
    // Not broken for good.
    world.simulator.clearFaults();
    expect(await connector.initialize()).toMatchObject({ authFailures: 0 });
  });

  const refusals: [string, string, Fault][] = [
    [
      'credentials',
      exchange === 'BYBIT' ? '10003' : '100413',
      { kind: 'code', code: exchange === 'BYBIT' ? 10003 : 100413 },
    ],
    [
      'credentials',
      exchange === 'BYBIT' ? '10004' : '100001',
      { kind: 'code', code: exchange === 'BYBIT' ? 10004 : 100001 },
    ],
    [
      'permission',
      exchange === 'BYBIT' ? '10005' : '100419',
      { kind: 'code', code: exchange === 'BYBIT' ? 10005 : 100419 },
    ],
    [
      'rate-limit',
      exchange === 'BYBIT' ? '10006' : '100410',
      { kind: 'code', code: exchange === 'BYBIT' ? 10006 : 100410 },
    ],
  ];
  it.each(refusals)(
    'records a refusal of class %s (%s) and throws it, once',
    async (authClass, code, fault) => {
      const world = await givenWorld();
      const process = await world.process();
      world.simulator.fault({ ...fault, route: 'verify' } as Fault, exchange);

      await expect(world.connector(process, exchange).initialize()).rejects.toMatchObject({
        authClass,
        exchangeCode: code,
      });

      expect(verifications(world, exchange)).toEqual([code]);
      expect(measurements(world, exchange)).toBe(1);
      const history = await process.cache.history('user123', 'cred456');
      expect(history.at(-1)).toMatchObject({
        type: 'ConnectorAuthFailed',
        data: { failureClass: authClass, exchangeCode: code },
      });
      // What was measured stays good: only the timestamp condemns a sync.
      expect(await process.cache.get(world.connector(process, exchange).ref)).toMatchObject({ hit: true });
    },
  );

  it.each([
    ['HTTP 503', 'maintenance', { kind: 'http', status: 503, body: '<html>' }],
    ['HTTP 404', 'bad-response', { kind: 'http', status: 404, body: '<html>' }],
    ['HTTP 200', 'bad-response', { kind: 'body', body: '<html>' }],
    ['ECONNRESET', 'network', { kind: 'reset' }],
    [
      exchange === 'BYBIT' ? '10016' : '100500',
      'maintenance',
      { kind: 'code', code: exchange === 'BYBIT' ? 10016 : 100500 },
    ],
  ] as [string, string, Fault][])(
    'records %s (%s) as an exchange that cannot be reached: it said nothing about the connector',
    async (code, failureClass, fault) => {
      const world = await givenWorld();
      const process = await world.process();
      // A kept connection that was reset is tried once more.
      world.simulator.fault({ ...fault, route: 'verify', times: 2 } as Fault, exchange);

      await expect(world.connector(process, exchange).initialize()).rejects.toMatchObject({
        exchangeCode: code,
      });

      const history = await process.cache.history('user123', 'cred456');
      expect(history.at(-1)).toMatchObject({
        type: 'ExchangeUnreachable',
        data: { failureClass, exchangeCode: code },
      });
      expect(eventsOf(history, 'ConnectorAuthFailed')).toEqual([]);
      expect(await process.cache.getStats()).toMatchObject({
        authFailures: 0,
        lateRequests: 0,
        unreachable: 1,
      });
      expect(await process.cache.get(world.connector(process, exchange).ref)).toMatchObject({ hit: true });
    },
  );

  it.each([
    ['refuses connections', { outage: 'refuse' }, 'EXCHANGE_UNREACHABLE', 'ECONNREFUSED', 'network'],
    ['resets connections', { outage: 'reset' }, 'EXCHANGE_UNREACHABLE', 'ECONNRESET', 'network'],
    ['does not answer', { outage: 'hang' }, 'EXCHANGE_UNREACHABLE', 'ETIMEDOUT', 'timeout'],
    ['is in maintenance', { maintenance: 'http' }, 'EXCHANGE_REFUSED', 'HTTP 503', 'maintenance'],
    [
      'says it is busy',
      { maintenance: 'code' },
      'EXCHANGE_REFUSED',
      exchange === 'BYBIT' ? '10016' : '100500',
      'maintenance',
    ],
  ] as const)(
    'throws a typed error when the exchange %s',
    async (_, patch, code, exchangeCode, failureClass) => {
      const world = await givenWorld();
      const process = await world.process();
      const connector = world.connector(process, exchange, { timeoutMs: 100 });
      await world.simulator.set(patch, exchange);

      await expect(connector.initialize()).rejects.toMatchObject({ code, exchangeCode });

      expect(await process.cache.history('user123', 'cred456')).toMatchObject([
        { type: 'ConnectorSyncFailed', data: { trigger: 'absent', failureClass, exchangeCode } },
      ]);
      await world.simulator.set({ outage: 'none', maintenance: 'none' }, exchange);
      expect(await connector.initialize()).toMatchObject({ cacheHit: false });
    },
  );

  it('calls a time that no clock can tell a bad response, and keeps nothing of it', async () => {
    const world = await givenWorld();
    const process = await world.process();
    // A believable format, 2001: no clock is off by decades.
    const value = 1_000_000_000_000;
    if (exchange === 'BINGX') {
      world.simulator.fault({ kind: 'wrong-time', value, route: 'time' }, exchange);
    } else {
      const result = { timeSecond: '1000000000', timeNano: '1000000000000000000' };
      const body = JSON.stringify({ retCode: 0, retMsg: 'OK', result, retExtInfo: {}, time: value });
      world.simulator.fault({ kind: 'body', body, route: 'time' }, exchange);
    }
    const connector = world.connector(process, exchange);

    await expect(connector.initialize()).rejects.toMatchObject({ code: 'EXCHANGE_BAD_RESPONSE' });

    expect(await process.cache.history('user123', 'cred456')).toMatchObject([
      { type: 'ConnectorSyncFailed', data: { failureClass: 'bad-response' } },
    ]);
    expect(await connector.initialize()).toMatchObject({ cacheHit: false, authFailures: 0 });
  });

  it('shares one run among overlapping initialisations of one connector', async () => {
    const world = await givenWorld({ knobs: { latencyMs: { time: 20, verify: 20 } } });
    const process = await world.process();
    const connector = world.connector(process, exchange);

    const results = await Promise.all([
      connector.initialize(),
      connector.initialize(),
      connector.initialize(),
    ]);

    expect(new Set(results).size).toBe(1);
    expect(world.simulator.counters(exchange)).toMatchObject({
      requests: 2,
      byRoute: { time: 1, verify: 1 },
    });
    await connector.initialize();
    expect(verifications(world, exchange)).toHaveLength(2);
  });

  it('shares one measurement among the connectors of the exchange that start at once', async () => {
    const world = await givenWorld({ knobs: { latencyMs: { time: 50 } } });
    const process = await world.process();
    const connectors = Array.from({ length: 10 }, (_, i) =>
      world.connector(process, exchange, { userId: `user${i}` }),
    );

    const results = await Promise.all(connectors.map(connector => connector.initialize()));

    expect(measurements(world, exchange)).toBe(1);
    expect(verifications(world, exchange)).toEqual(Array(10).fill('0'));
    expect(results.every(result => !result.cacheHit && result.authFailures === 0)).toBe(true);
    // Each has a state of its own.
    await process.flush();
    expect(await world.sql('SELECT count(*)::int AS n FROM connector_state_cache')).toEqual([{ n: 10 }]);
  });

  it('shares the failure of that measurement too, and each records its own', async () => {
    const world = await givenWorld();
    const process = await world.process();
    world.simulator.fault({ kind: 'http', status: 503, route: 'time' }, exchange);
    const connectors = ['a', 'b'].map(userId => world.connector(process, exchange, { userId }));

    const outcomes = await Promise.allSettled(connectors.map(connector => connector.initialize()));

    expect(outcomes.map(outcome => outcome.status)).toEqual(['rejected', 'rejected']);
    expect(measurements(world, exchange)).toBe(1);
    expect(await typesOf(process, 'a')).toEqual(['ConnectorSyncFailed']);
    expect(await typesOf(process, 'b')).toEqual(['ConnectorSyncFailed']);
  });

  it.each([
    ['an empty user', { userId: '' }],
    ['an oversized credential', { credentialId: 'x'.repeat(129) }],
    ['a control character', { userId: 'a\u0000b' }],
    ['an unknown environment', { environment: 'STAGING' as 'TESTNET' }],
    ['an API key with a line break', { credentials: { apiKey: 'a\nb', apiSecret: 's' } }],
    ['no secret', { credentials: { apiKey: 'a', apiSecret: '' } }],
    ['a base URL with a user', { baseUrl: 'http://me:pw@127.0.0.1/' }],
    ['a window of nothing', { recvWindowMs: 0 }],
    ['a window with a fraction', { recvWindowMs: 1.5 }],
    ['a window that is no number', { recvWindowMs: Number.NaN }],
    ['a window beyond the limit', { recvWindowMs: exchange === 'BYBIT' ? 60_001 : 5_001 }],
    ['no timeout at all', { timeoutMs: 0 }],
  ])('refuses %s before anything is sent', async (_, options) => {
    const world = await givenWorld();
    const process = await world.process();

    expect(() => world.connector(process, exchange, options)).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT' }),
    );
    expect(world.simulator.requests()).toEqual([]);
  });

  it('cannot sign before it was initialised, and can afterwards', async () => {
    const world = await givenWorld({ knobs: { skewMs: 10_000 } });
    const process = await world.process();
    const connector = world.connector(process, exchange);
    expect(() => connector.timestamp()).toThrow('call initialize() first');

    await connector.initialize();

    const aimedAt = world.simulator.serverTimeMs(exchange) + connector.window.biasMs;
    expect(Math.abs(connector.timestamp() - aimedAt)).toBeLessThan(connector.window.toleranceMs);
    expect(await connector.fundingRate(SYMBOL[exchange])).toMatchObject({ symbol: SYMBOL[exchange] });
  });
});

describe('what Bybit stamps on every answer', () => {
  it('shows a step forward in the verification, before anything was refused', async () => {
    const world = await givenWorld();
    const first = await world.process();
    await world.connector(first, 'BYBIT').initialize();
    await first.flush();
    await world.later();
    world.simulator.step(3_000, 'BYBIT');

    const second = await world.process();
    const connector = world.connector(second, 'BYBIT');
    const result = await connector.initialize();
    // It was accepted by what was known. One answer decides nothing; the second, which nobody waits for, does.
    expect(result).toMatchObject({ tier: 'postgres', authFailures: 0 });
    await second.flush();

    expect(Math.abs(connector.exchangeNow() - world.simulator.serverTimeMs('BYBIT'))).toBeLessThan(500);
    expect(
      await world.sql('SELECT sync_trigger, time_offset > 2000 AS moved FROM connector_state_cache'),
    ).toEqual([{ sync_trigger: 'warm-up', moved: true }]);
    // One machine's word against another's, for the next to decide; it saw it itself and goes by what it saw.
    expect(
      await world.sql('SELECT epoch, is_valid, rival_offset > 2000 AS contested FROM exchange_clock'),
    ).toEqual([{ epoch: 1, is_valid: true, contested: true }]);
  });

  it('shows it in any later answer, too', async () => {
    const world = await givenWorld();
    const process = await world.process();
    const connector = world.connector(process, 'BYBIT');
    await connector.initialize();
    const before = connector.timestamp() - world.simulator.serverTimeMs('BYBIT');
    world.simulator.step(3_000, 'BYBIT');

    await connector.fundingRate('BTCUSDT');

    await eventually(() => {
      const after = connector.timestamp() - world.simulator.serverTimeMs('BYBIT');
      expect(Math.abs(after - before)).toBeLessThan(500);
    });
    const history = await process.cache.history('user123', 'cred456');
    const triggers = eventsOf(history, 'ConnectorSynced').map(({ data }) => data.trigger);
    expect(new Set(triggers)).toEqual(new Set(['absent', 'passive', 'warm-up']));
  });

  it('is not believed when it is nonsense', async () => {
    const world = await givenWorld();
    const process = await world.process();
    const connector = world.connector(process, 'BYBIT');
    world.simulator.fault({ kind: 'wrong-time', value: 1_000_000_000_000, route: 'verify' }, 'BYBIT');
    world.simulator.fault({ kind: 'wrong-time', value: 1_000_000_000_000, route: 'funding' }, 'BYBIT');

    const result = await connector.initialize();
    const offsetMs = connector.timestamp() - world.simulator.serverTimeMs('BYBIT');
    await connector.fundingRate('BTCUSDT');

    expect(result.authFailures).toBe(0);
    expect(Math.abs(offsetMs - connector.window.biasMs)).toBeLessThan(500);
    expect((await process.cache.history('user123', 'cred456')).map(event => event.type)).toEqual([
      'ConnectorSynced',
    ]);
  });

  it('is kept when it only confirms, where none was for ten minutes', async () => {
    const clock = createFakeClock();
    const simulator = await givenSimulator({ now: clock.trueNow });
    const state = closing(createInMemoryState({ clock }));
    const connector = new BybitConnectorWithCache({
      cache: state.cache,
      userId: 'u',
      credentialId: 'c',
      environment: 'TESTNET',
      credentials: ACCOUNT,
      baseUrl: simulator.bybitUrl,
    });
    closing(connector);
    const passive = async () =>
      (await state.facts('ConnectorSynced')).filter(({ data }) => data.trigger === 'passive').length;
    await connector.initialize();
    await connector.fundingRate('BTCUSDT');
    const before = await passive();
    await clock.advance(11 * 60_000);
    await connector.fundingRate('BTCUSDT');
    await eventually(async () => expect(await passive()).toBe(before + 1));
  });

  it('writes nothing when it says nothing new', async () => {
    const world = await givenWorld();
    const first = await world.process();
    await world.connector(first, 'BYBIT').initialize();
    await first.flush();

    const second = await world.process();
    const connector = world.connector(second, 'BYBIT');
    await connector.initialize();
    for (let i = 0; i < 5; i++) await connector.fundingRate('BTCUSDT');

    const recorded = (await second.cache.history('user123', 'cred456')).filter(
      event => event.host === second.cache.clock.id,
    );
    // A sample may halve the uncertainty once or twice; it does not write with every answer.
    expect(recorded.filter(event => event.type === 'ConnectorSynced').length).toBeLessThanOrEqual(3);
    expect(recorded.some(event => event.type === 'ConnectorStateHit')).toBe(true);
  });
});
