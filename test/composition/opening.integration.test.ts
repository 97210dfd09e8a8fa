/**
 * How a cold process comes to its database: its first lookup goes along with the questions of the start, whatever these
 * are answered, and whatever becomes of the link meanwhile.
 */
import { describe, expect, it } from '@jest/globals';
import { type ConnectorStateOptions, createConnectorState } from '../../src/composition/connector-state.js';
import { pg } from '../../src/postgres/driver.js';
import { migrate } from '../../src/read-model/migrate.js';
import { REF, sync } from '../round-trips/operations.js';
import { startCountingProxy } from '../support/counting-proxy.js';
import { createTestDatabase } from '../support/database.js';
import { keptLog } from '../support/log.js';
import { closing, eventually, givenWorld } from '../support/world.js';

/** A start that does not wait for the tables. */
const PRODUCTION = { autoMigrate: false } as const;

async function givenProcessWithoutTables(options: ConnectorStateOptions = {}) {
  const database = await createTestDatabase({ migrated: false });
  closing({ close: () => database.drop() });
  const log = keptLog();
  const settings = { databaseUrl: database.url, logger: log, lookupDeadlineMs: 10_000, ...options };
  return { ...database, log, state: closing(await createConnectorState(settings)) };
}

/** Of which REF has a state. */
async function givenWorldWithState() {
  const world = await givenWorld();
  const process = await world.process();
  await sync(process);
  await process.flush();
  await process.close();
  return world;
}

it('a start without TLS where the URL asks for it says so', async () => {
  const database = await createTestDatabase();
  closing({ close: () => database.drop() });
  const log = keptLog();
  const databaseUrl = `${database.url}?sslmode=verify-full`;
  closing(await createConnectorState({ databaseUrl, logger: log }));

  expect(JSON.stringify(log.lines)).toContain('the database has no TLS: remove sslmode from DATABASE_URL');
});

describe('a cold process on a database without tables', () => {
  it('makes them, and whoever asked meanwhile is answered from them', async () => {
    const { url, state } = await givenProcessWithoutTables();

    const [lookup, many, stats] = await Promise.all([
      state.cache.get(REF),
      state.cache.getMany([REF, { ...REF, userId: 'another' }]),
      state.cache.getStats(),
    ]);

    expect([lookup, ...many].map(each => !each.hit && each.reason)).toEqual(Array(3).fill('absent'));
    expect(stats).toMatchObject({ totalHits: 0 });
    expect(await migrate(url)).toEqual({ applied: [], remade: [] });
  });

  it('has them when it is there, for whoever reads them next', async () => {
    const { url } = await givenProcessWithoutTables();
    const client = new pg.Client({ connectionString: url });
    await client.connect();

    const { rows } = await client.query('SELECT count(*)::int AS events FROM connector_event');

    await client.end();
    expect(rows).toEqual([{ events: 0 }]);
  });

  it('says so where it may not make them; lookups are misses until somebody has', async () => {
    const { url, log, state } = await givenProcessWithoutTables({ autoMigrate: false });

    expect(await state.cache.get(REF)).toMatchObject({ hit: false, reason: 'database' });

    expect(log.messages('warn')).toContain(
      'starting without the database: connectors initialise, more slowly, and facts wait',
    );
    await expect(state.store()).rejects.toMatchObject({ code: 'DATABASE_NOT_MIGRATED' });
    await migrate(url);
    expect(await state.cache.get(REF)).toMatchObject({ hit: false, reason: 'absent' });
  });
});

describe('a cold process', () => {
  it('behind a lock misses within its deadline, leaves nothing on the server, and finds the row later', async () => {
    const world = await givenWorldWithState();
    await world.sql('BEGIN; LOCK TABLE connector_state_cache');

    const process = await world.coldProcess({ ...PRODUCTION, lookupDeadlineMs: 1_000, poolSize: 1 });
    expect(await process.cache.get(REF)).toMatchObject({ hit: false, reason: 'timeout' });

    await eventually(async () => {
      const waiting = await world.sql(
        `SELECT query FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      expect(waiting).toEqual([]);
    });
    await world.sql('ROLLBACK');
    await eventually(async () => expect(await process.cache.get(REF)).toMatchObject({ hit: true }));
  });

  it('asks with many lookups at once over its one connection', async () => {
    const world = await givenWorldWithState();
    const process = await world.coldProcess({ ...PRODUCTION, poolSize: 1 });

    const [first] = await Promise.all([
      process.cache.get(REF),
      process.cache.getMany(Array.from({ length: 50 }, (_, n) => ({ ...REF, userId: `user${n}` }))),
      process.flush(),
    ]);

    expect(first).toMatchObject({ hit: true, tier: 'postgres' });
    await process.ready();
    expect(
      await world.sql(`SELECT FROM pg_stat_activity WHERE application_name = 'connector-state'
                               AND datname = current_database()`),
    ).toHaveLength(1);
  });

  it.each(
    (
      [
        { effect: 'cut', step: 3 },
        { effect: 'shutdown', step: 6 },
        // Found out by time alone: once a side.
        { effect: 'stall', step: 100 },
      ] as const
    ).flatMap(each => (['client', 'server'] as const).map(from => ({ ...each, from }))),
  )(
    'over a link with a $effect behind any message of the $from starts, and finds its state later',
    async given => {
      const { step, ...fault } = given;
      const world = await givenWorldWithState();
      const start = async (message: number | undefined) => {
        const isStalled = fault.effect === 'stall' && message !== undefined;
        const proxy = await startCountingProxy(world.databaseUrl);
        proxy.fail(message === undefined ? undefined : { ...fault, message });
        const { cache, close } = await world.coldProcess({
          ...PRODUCTION,
          databaseUrl: proxy.url,
          ...(isStalled && { lookupDeadlineMs: 400 }),
        });
        const lookup = await cache.get(REF);
        const messages = proxy.messages();
        proxy.fail(undefined);
        // Which of them a stall struck may be the one that lies in the pool.
        if (!isStalled) {
          await eventually(async () => expect(await cache.get(REF)).toMatchObject({ hit: true }));
        }
        await close();
        await proxy.close();
        return { lookup, messages };
      };
      const { lookup, messages } = await start(undefined);
      const ofSide = messages.filter(message => message.startsWith('>') === (fault.from === 'client')).length;
      expect(ofSide).toBeGreaterThan(3);
      expect(lookup).toMatchObject({ hit: true });

      // From the end, where the questions of the start and the lookup lie.
      for (let message = ofSide; message > 0; message -= step) {
        const met = (await start(message)).lookup;
        // Answered, or a miss that says that nobody could be asked: nothing else, and nothing thrown.
        expect(met.hit || met.reason).toEqual(met.hit ? true : expect.stringMatching(/^(database|timeout)$/));
      }
    },
  );
});
