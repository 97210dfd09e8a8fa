/** The database goes and comes back: nothing fails meanwhile, nothing is lost or stored twice afterwards. */
import { describe, expect, it } from '@jest/globals';
import { silentLogger } from '../../src/base/logging.js';
import { Recorder } from '../../src/cache/recorder.js';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import { newEventId } from '../../src/events/ids.js';
import { createPool } from '../../src/postgres/pool.js';
import { migrate } from '../../src/read-model/migrate.js';
import { steerableMachine } from '../support/clocks.js';
import { createTestDatabase } from '../support/database.js';
import { closing, eventually, givenWorld, verifications, type World } from '../support/world.js';

const countEvents = async (world: World) =>
  (await world.sql<{ n: number }>('SELECT count(*)::int AS n FROM connector_event'))[0]?.n;

const BRISK = { breakerResetMs: 10, lookupDeadlineMs: 2_000, poolSize: 2 };

describe('a database that is not there', () => {
  it('at the start is a warning; connectors start, and all is recorded once it is there', async () => {
    const world = await givenWorld();
    const proxy = await world.proxy();
    await proxy.refuse();

    const process = await world.process({ databaseUrl: proxy.url, ...BRISK });
    const first = await world.connector(process, 'BYBIT').initialize();
    const second = await world.connector(process, 'BINGX', { userId: 'b' }).initialize();
    const flushed = await process.flush();

    expect([first.cacheHit, second.cacheHit]).toEqual([false, false]);
    expect(flushed.ok).toBe(false);
    expect(process.log.messages('warn')).toContain(
      'starting without the database: connectors initialise, more slowly, and facts wait',
    );
    await proxy.recover();
    expect(await process.flush()).toMatchObject({ ok: true, pending: 0 });
    expect(await world.sql('SELECT DISTINCT exchange FROM connector_state_cache ORDER BY 1')).toEqual([
      { exchange: 'BINGX' },
      { exchange: 'BYBIT' },
    ]);
    // A fresh function does not use what was measured against another host's clock.
    const other = await world.process();
    expect(await other.cache.get(world.connector(other, 'BYBIT').ref)).toMatchObject({
      hit: false,
      reason: 'other-clock',
    });
  });

  it('in the middle changes nothing for connectors; facts of the outage are appended once, afterwards', async () => {
    const world = await givenWorld();
    const proxy = await world.proxy();
    const process = await world.process({ databaseUrl: proxy.url, memoryEntries: 0, ...BRISK });
    await world.connector(process, 'BYBIT').initialize();
    await process.flush();
    await proxy.refuse();

    for (let n = 0; n < 10; n++) {
      const result = await world.connector(process, 'BYBIT', { userId: `during${n}` }).initialize();
      // What was heard of the exchange's clock, and of the database's, is still true.
      expect(result).toMatchObject({ contact: 'exchange-clock', cacheHit: true, authFailures: 0 });
    }
    expect((await process.flush()).ok).toBe(false);
    await proxy.recover();
    await eventually(async () => expect((await process.flush()).ok).toBe(true));

    expect(verifications(world, 'BYBIT')).toEqual(Array(11).fill('0'));
    const { appended, droppedFacts } = (await process.cache.getStats()).recorder;
    expect(droppedFacts).toBe(0);
    expect(await countEvents(world)).toBe(appended);
    expect(
      await world.sql(
        `SELECT count(DISTINCT user_id)::int AS n FROM connector_state_cache
          WHERE user_id LIKE 'during%' AND reference_clock LIKE 'pg:%'`,
      ),
    ).toEqual([{ n: 10 }]);
    // And lookups work again, without a restart.
    await eventually(async () => {
      expect(await process.cache.get(world.connector(process, 'BYBIT').ref)).toMatchObject({ hit: true });
    });
  });

  it('leaves what was heard of the clocks to go by for an hour, unless this host breaks off', async () => {
    const world = await givenWorld();
    const proxy = await world.proxy();
    const clock = steerableMachine();
    const process = await world.process({ databaseUrl: proxy.url, clock, ttlMs: 86_400_000, ...BRISK });
    await world.connector(process, 'BYBIT').initialize();
    await process.flush();
    await proxy.refuse();
    const other = { ...world.connector(process, 'BYBIT').ref, userId: 'other' };

    clock.advance(59 * 60_000);
    expect(await process.cache.get(other)).toMatchObject({
      hit: false,
      exchangeClock: { referenceClock: expect.stringMatching(/^pg:/) },
    });
    clock.advance(2 * 60_000);
    expect(await process.cache.get(other)).toMatchObject({ hit: false, exchangeClock: undefined });

    await proxy.recover();
    await eventually(async () => expect(await process.cache.get(other)).toMatchObject({ reason: 'absent' }));
    await proxy.refuse();
    clock.freeze(5_000);
    expect(await process.cache.get(other)).toMatchObject({ hit: false, exchangeClock: undefined });
  });

  it('does not keep a connector from healing when the clock steps meanwhile', async () => {
    const world = await givenWorld();
    const proxy = await world.proxy();
    const process = await world.process({ databaseUrl: proxy.url, ...BRISK });
    const connector = world.connector(process, 'BINGX');
    await connector.initialize();
    await process.flush();
    await world.later();
    await proxy.refuse();
    world.simulator.step(-10_000, 'BINGX');

    const result = await connector.initialize();
    const again = await connector.initialize();

    expect(result).toMatchObject({ tier: 'memory', authFailures: 1 });
    expect(Math.abs(result.offsetMs + 10_000)).toBeLessThanOrEqual(result.uncertaintyMs);
    expect(again).toMatchObject({ tier: 'memory', authFailures: 0 });
    await proxy.recover();
    await eventually(async () => expect((await process.flush()).ok).toBe(true));
    // The link to the database's clock is good for a while, so what was learned meanwhile is offered to others, and what was
    // refused is not.
    const other = await world.process();
    expect(await world.connector(other, 'BINGX').initialize()).toMatchObject({
      cacheHit: true,
      authFailures: 0,
    });
  });

  it('for too long fills a bounded buffer: hits go first, and everything is counted', async () => {
    const world = await givenWorld();
    const proxy = await world.proxy();
    const process = await world.process({ databaseUrl: proxy.url, maxPendingEvents: 5, ...BRISK });
    await proxy.refuse();
    const connectors = Array.from({ length: 8 }, (_, n) =>
      world.connector(process, 'BINGX', { userId: `u${n}` }),
    );
    for (const connector of connectors) await connector.initialize();
    await proxy.recover();
    await eventually(async () => expect((await process.flush()).ok).toBe(true));

    const { recorder } = await process.cache.getStats();
    // One hit each but the first, on the shared clock; one state each.
    expect(recorder).toMatchObject({ recorded: 15, droppedHits: 7, droppedFacts: 3, appended: 5 });
    expect(await countEvents(world)).toBe(5);
    expect(process.log.messages('error')).toContainEqual(expect.stringContaining('MAX_PENDING_EVENTS'));
  });

  it('that stored a batch but could not say so is given the same events again, and stores them once', async () => {
    const world = await givenWorld();
    const proxy = await world.proxy();
    const pool = createPool({ connectionString: proxy.url, max: 1, log: silentLogger });
    closing({ close: () => pool.end() });
    const store = closing(createPostgresEventStore({ pool, appendTimeoutMs: 5_000 }));
    const recorder = new Recorder({
      store: async () => store,
      newId: async () => newEventId,
      maxPending: 100,
      flushIntervalMs: 600_000,
      host: 'h',
      wall: () => 1_760_000_000_000,
      log: silentLogger,
    });
    await store.head();
    for (const userId of ['a', 'b', 'c']) {
      recorder.record({
        type: 'ConnectorAuthFailed',
        data: {
          userId,
          credentialId: 'c',
          exchange: 'BYBIT',
          environment: 'TESTNET',
          exchangeCode: '10003',
          failureClass: 'credentials',
        },
      });
    }
    proxy.behave('swallow-answers');
    const lost = recorder.flush();
    await eventually(async () => expect(await countEvents(world)).toBe(3));
    proxy.cut();
    expect(await lost).toMatchObject({ ok: false, pending: 3 });

    proxy.behave('forward');
    expect(await recorder.flush()).toMatchObject({ ok: true, pending: 0 });

    expect(await countEvents(world)).toBe(3);
    expect(recorder.stats()).toMatchObject({ appended: 3, flushFailures: 1 });
    await recorder.close(1_000);
  });

  it('that swallowed the attempts to connect is connected to once it answers', async () => {
    const world = await givenWorld();
    const proxy = await world.proxy();
    proxy.behave('hang');
    const process = await world.process({
      databaseUrl: proxy.url,
      ...BRISK,
      lookupDeadlineMs: 50,
      poolSize: 1,
    });
    const { ref } = world.connector(process, 'BYBIT');
    expect(await process.cache.get(ref)).toMatchObject({ hit: false, reason: 'timeout' });
    proxy.behave('forward');
    await eventually(async () => {
      expect(await process.cache.get(ref)).toMatchObject({ hit: false, reason: 'absent' });
    });
  });

  it('does not keep a process from closing, even when it swallows every byte', async () => {
    const world = await givenWorld();
    const proxy = await world.proxy();
    const process = await world.process({ databaseUrl: proxy.url, ...BRISK });
    await world.connector(process, 'BYBIT').initialize();
    await process.flush();
    await world.connector(process, 'BYBIT', { userId: 'b' }).initialize();
    proxy.behave('hang');

    await process.close();

    expect(process.log.messages('error')).toEqual([expect.stringMatching(/^closing with \d facts/)]);
    expect(process.log.messages('warn')).toContain(
      'closing without waiting for a database that does not answer',
    );
    proxy.cut();
  });

  it('says what is wrong to who asks for figures, and harms nobody else', async () => {
    const world = await givenWorld();
    const proxy = await world.proxy();
    const process = await world.process({ databaseUrl: proxy.url, ...BRISK });
    await proxy.refuse();
    const unavailable = expect.objectContaining({ code: 'DATABASE_UNAVAILABLE' });

    await expect(process.cache.getStats()).rejects.toEqual(unavailable);
    await expect(process.cache.cleanupExpired()).rejects.toEqual(unavailable);
    await expect(process.cache.invalidate('u', 'c')).rejects.toEqual(unavailable);
    await expect(process.cache.history('u', 'c')).rejects.toMatchObject({ code: 'EVENT_STORE_FAILED' });
    await expect(process.flush()).resolves.toMatchObject({ ok: true });
  });
});

describe('a database without tables', () => {
  it('is told to be migrated when that is not ours to do, and left as it is', async () => {
    const world = await givenWorld();
    const empty = await createTestDatabase({ migrated: false });
    closing({ close: () => empty.drop() });
    const process = await world.process({ databaseUrl: empty.url, autoMigrate: false, breakerResetMs: 10 });

    expect(await world.connector(process, 'BYBIT').initialize()).toMatchObject({ cacheHit: false });

    expect(await process.flush()).toMatchObject({ ok: false });
    expect(process.log.text()).toContain('AUTO_MIGRATE is off: run `connector-state migrate`');
    await expect(process.store()).rejects.toMatchObject({ code: 'DATABASE_NOT_MIGRATED' });

    // Once somebody has migrated it, the same process goes on.
    await migrate(empty.url);
    await eventually(async () => expect((await process.flush()).ok).toBe(true));
  });
});
