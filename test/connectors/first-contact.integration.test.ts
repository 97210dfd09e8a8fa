/** What an init does by default: it never measures on its own account what an answer can tell it. */
import { describe, expect, it } from '@jest/globals';
import type { ConnectorStateOptions } from '../../src/composition/connector-state.js';
import { machine } from '../support/clocks.js';
import { BOTH, eventsOf, givenWorld, measurements, verifications, type World } from '../support/world.js';

const DEFAULTS: ConnectorStateOptions = { firstContact: 'verify-first', clockPolicy: 'adaptive' };
const TIMESTAMP_CODE = { BYBIT: '10002', BINGX: '100421' } as const;
const HOUR_MS = 3_600_000;

const start = (world: World, options: ConnectorStateOptions = {}) =>
  world.process({ ...DEFAULTS, ...options });

/** As if so much time had passed since everything was measured. */
const age = (world: World, ms: number) =>
  world.sql(
    `WITH a AS (UPDATE connector_state_cache SET last_sync_time = last_sync_time - $1 * interval '1 ms',
                        expires_at = expires_at - $1 * interval '1 ms')
     UPDATE exchange_clock SET measured_at = measured_at - $1 * interval '1 ms',
                               expires_at = expires_at - $1 * interval '1 ms'`,
    [ms],
  );

describe.each(BOTH)('the first contact with %s', exchange => {
  it('takes one round trip where the clocks are sane', async () => {
    const world = await givenWorld({ knobs: { skewMs: 300 } });
    const process = await start(world);

    const result = await world.connector(process, exchange).initialize();

    expect(result).toMatchObject({ contact: 'verify-first', cacheHit: false, tier: null, authFailures: 0 });
    expect(Math.abs(result.offsetMs - 300)).toBeLessThanOrEqual(result.uncertaintyMs);
    expect(measurements(world, exchange)).toBe(0);
    expect(verifications(world, exchange)).toEqual(['0']);
    // An answer of BingX tells no time: it is measured afterwards, and nobody waits for that.
    await process.flush();
    const history = await process.cache.history('user123', 'cred456');
    expect(eventsOf(history, 'ConnectorSynced')).toMatchObject([
      {
        data: {
          trigger: 'absent',
          source: exchange === 'BYBIT' ? 'response' : 'time-endpoint',
          ttlPolicy: 'adaptive',
          ttlInputs: { toleranceMs: 2_000, rateBoundPpm: 50 },
        },
      },
    ]);
    expect(await process.cache.getStats()).toMatchObject({ totalHits: 0, totalMisses: 1 });
  });

  it('takes one round trip on a host whose own clock is days off, by the database’s', async () => {
    const world = await givenWorld();
    const process = await start(world, { clock: machine(3 * 24 * HOUR_MS) });

    expect(await world.connector(process, exchange).initialize()).toMatchObject({ authFailures: 0 });
    expect(verifications(world, exchange)).toEqual(['0']);
  });

  it('takes two where the exchange’s clock is far off, for the refusal tells the time', async () => {
    const world = await givenWorld({ knobs: { skewMs: -8_000 } });
    const process = await start(world);

    const result = await world.connector(process, exchange).initialize();

    expect(result).toMatchObject({ contact: 'verify-first', authFailures: 1 });
    expect(Math.abs(result.offsetMs + 8_000)).toBeLessThanOrEqual(result.uncertaintyMs);
    expect(measurements(world, exchange)).toBe(0);
    expect(verifications(world, exchange)).toEqual([TIMESTAMP_CODE[exchange], '0']);
    // A guess is nobody's sync: there is nothing to condemn.
    const history = await process.cache.history('user123', 'cred456');
    expect(history.map(event => event.type)).not.toContain('ConnectorStateInvalidated');
    expect(eventsOf(history, 'ConnectorSynced')[0]).toMatchObject({ data: { source: 'refusal' } });
  });

  it('by one connector makes the very first init of every other a hit', async () => {
    const world = await givenWorld({ knobs: { skewMs: -8_000 } });
    const first = await start(world);
    await world.connector(first, exchange).initialize();
    await first.flush();

    const second = await start(world);
    const result = await world.connector(second, exchange, { credentialId: 'other' }).initialize();

    expect(result).toMatchObject({ contact: 'exchange-clock', cacheHit: true, authFailures: 0 });
  });

  it('works without a database, by this host’s clock', async () => {
    const world = await givenWorld();
    const proxy = await world.proxy();
    await proxy.refuse();
    const process = await start(world, { databaseUrl: proxy.url, lookupDeadlineMs: 50 });

    const first = await world.connector(process, exchange, { userId: 'a' }).initialize();
    await process.flush();
    const second = await world.connector(process, exchange, { userId: 'b' }).initialize();

    expect([first.contact, second.contact]).toEqual(['verify-first', 'exchange-clock']);
    expect(verifications(world, exchange)).toEqual(['0', '0']);
  });

  it('measures first where the setting says so', async () => {
    const world = await givenWorld();
    const process = await start(world, { firstContact: 'sync-first' });

    expect(await world.connector(process, exchange).initialize()).toMatchObject({ contact: 'sync' });
    expect(measurements(world, exchange)).toBe(1);
  });

  it('that the exchange does not answer is a typed error and a recorded failure', async () => {
    const world = await givenWorld();
    const process = await start(world);
    await world.simulator.set({ outage: 'reset' }, exchange);

    await expect(world.connector(process, exchange).initialize()).rejects.toMatchObject({
      code: 'EXCHANGE_UNREACHABLE',
      exchangeCode: 'ECONNRESET',
    });

    const history = await process.cache.history('user123', 'cred456');
    expect(eventsOf(history, 'ConnectorSyncFailed')).toMatchObject([
      { data: { trigger: 'absent', failureClass: 'network' } },
    ]);
  });
});

describe.each(BOTH)('a state of %s that has ended', exchange => {
  const known = async () => {
    const world = await givenWorld({ knobs: { skewMs: 5_000 } });
    const first = await start(world);
    await world.connector(first, exchange).initialize();
    await first.flush();
    return world;
  };

  it('is used, marked stale, while it is good enough, and replaced by the answer', async () => {
    const world = await known();
    // 50 ppm for six hours: 1080 ms of the 2000 that the window bears.
    await age(world, 6 * HOUR_MS);
    const process = await start(world);

    const result = await world.connector(process, exchange).initialize();
    await process.flush();

    expect(result).toMatchObject({ contact: 'state', isStale: true, cacheHit: true, authFailures: 0 });
    expect(process.log.text()).toMatch(/Cache HIT \(stale\)/);
    const history = await process.cache.history('user123', 'cred456');
    expect(eventsOf(history, 'ConnectorStateHit')).toMatchObject([{ data: { stale: true, count: 1 } }]);
    expect(await process.cache.getStats()).toMatchObject({ totalHits: 1, totalMisses: 1 });
    const next = await start(world);
    expect(await world.connector(next, exchange).initialize()).toMatchObject({ isStale: false });
  });

  it('is only a guess when it may be too far off, and the answer is learned from', async () => {
    const world = await known();
    await age(world, 40 * HOUR_MS);
    const process = await start(world);

    const result = await world.connector(process, exchange).initialize();

    // Five seconds ahead: by the database's clock it would have been refused.
    expect(result).toMatchObject({ contact: 'verify-first', cacheHit: false, authFailures: 0 });
    await process.flush();
    const [synced] = eventsOf(await process.cache.history('user123', 'cred456'), 'ConnectorSynced').slice(-1);
    expect(synced?.data).toMatchObject({ trigger: 'expired' });
  });
});

describe('the exchange’s shared clock', () => {
  it('tightens what a connector’s own state says', async () => {
    const world = await givenWorld();
    const process = await start(world);
    await world.connector(process, 'BYBIT', { userId: 'a' }).initialize();
    await process.flush();
    await world.sql('UPDATE connector_state_cache SET uncertainty_ms = 900');

    const next = await start(world);
    const found = await next.cache.get(world.connector(next, 'BYBIT', { userId: 'a' }).ref);

    expect(found).toMatchObject({ hit: true });
    expect(found.hit && found.state.estimate.uncertaintyMs).toBeLessThan(800);
  });

  it('that two machines contest is measured by the next, whom nothing is refused', async () => {
    const world = await givenWorld();
    for (const userId of ['a', 'b', 'c']) {
      const process = await start(world);
      await world.connector(process, 'BYBIT', { userId }).initialize();
      await process.flush();
      // Each of these is a machine of its own, and says so to the shared clock.
      await world.sql(`UPDATE connector_state_cache SET last_sync_time = last_sync_time - interval '11 min'`);
      await world.sql(`UPDATE exchange_clock SET measured_at = measured_at - interval '11 min'`);
    }
    await world.later();
    world.simulator.step(-6_000, 'BYBIT');

    const refused = await start(world);
    const first = await world.connector(refused, 'BYBIT', { userId: 'a' }).initialize();
    await refused.flush();
    const next = await start(world);
    const second = await world.connector(next, 'BYBIT', { userId: 'b' }).initialize();
    await next.flush();
    const last = await start(world);
    const third = await world.connector(last, 'BYBIT', { userId: 'c' }).initialize();

    expect([first, second, third].map(result => result.authFailures)).toEqual([1, 0, 0]);
    expect([second.contact, third.contact]).toEqual(['sync', 'exchange-clock']);
    expect(await world.sql('SELECT epoch, rival_host FROM exchange_clock')).toEqual([
      { epoch: 2, rival_host: null },
    ]);
  });
});

it('a clock that ran free while the container slept is asked anew before it is used again', async () => {
  const world = await givenWorld();
  const { steerableMachine } = await import('../support/clocks.js');
  const clock = steerableMachine();
  const process = await start(world, { clock });
  const connector = world.connector(process, 'BYBIT');
  await connector.initialize();

  clock.freeze(60_000);
  expect(() => connector.timestamp()).toThrow(expect.objectContaining({ code: 'CLOCK_UNCERTAIN' }));
  await process.flush();

  expect(Math.abs(connector.timestamp() - connector.window.biasMs - Date.now())).toBeLessThan(1_000);
});
