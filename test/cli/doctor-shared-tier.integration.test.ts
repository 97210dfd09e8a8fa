/** What the doctor says of the shared tier: whether this deployment pays for one, and whether Redis can be reached. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { silentLogger } from '../../src/base/logging.js';
import { checkDemand, checkRedis, judgeDemand, THRESHOLDS } from '../../src/cli/doctor/shared-tier-check.js';
import { readSettings } from '../../src/composition/settings.js';
import { createPool } from '../../src/postgres/pool.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { itWhen } from '../support/it-when.js';
import { findRedis, freePort, NO_REDIS, startRedis } from '../support/redis.js';
import { closing, givenWorld } from '../support/world.js';

const itWithRedis = itWhen(findRedis() !== undefined, NO_REDIS);

describe('whether a shared tier pays', () => {
  const quiet = { lookupMs: 2, hitRate: 0.99, perMinute: 10 };

  it.each([
    ['slow lookups', { ...quiet, lookupMs: THRESHOLDS.lookupMs + 1 }, 'warn'],
    ['lookups as slow as the threshold', { ...quiet, lookupMs: THRESHOLDS.lookupMs }, 'ok'],
    ['many hits a minute', { ...quiet, perMinute: THRESHOLDS.perMinute + 1 }, 'warn'],
    ['many lookups, of which few hit', { ...quiet, perMinute: 1e6, hitRate: THRESHOLDS.hitRate }, 'ok'],
    ['few lookups, of which all hit', { ...quiet, hitRate: 1 }, 'ok'],
    ['nothing at all', { lookupMs: 0, hitRate: 0, perMinute: 0 }, 'ok'],
  ] as const)('%s', (_, demand, status) => {
    expect(judgeDemand(demand, false)).toMatchObject({ name: 'shared tier', status });
    // Who has one already is told the figures, and nothing to do.
    expect(judgeDemand(demand, true)).toMatchObject({ status: 'ok' });
    if (status === 'warn') expect(judgeDemand(demand, false).remedy).toMatch(/REDIS_URL/);
  });

  describe('by what the tables say', () => {
    let database: TestDatabase;
    let pool: Pool;
    beforeAll(async () => {
      database = await createTestDatabase();
      pool = createPool({ connectionString: database.url, max: 1, log: silentLogger });
    });
    afterAll(async () => {
      await pool.end();
      await database.drop();
    });
    const settings = readSettings({}, {});
    const counted = (hits: number, misses: number, hoursAgo: number) =>
      pool.query(
        `INSERT INTO cache_usage (hour, exchange, environment, tier, sync_trigger, failure_class, hits, misses, syncs,
           sync_failures, auth_failures, invalidations)
         VALUES (date_trunc('hour', now()) - $3 * interval '1 hour', 'BYBIT', 'MAINNET', 'postgres', '', '', $1, $2, 0, 0, 0, 0)`,
        [hits, misses, hoursAgo],
      );

    it('of the last full hour alone', async () => {
      expect((await checkDemand(pool, settings)).message).toMatch(/ 0 lookups a minute .* hit rate 0 %/);
      await counted(9_000_000, 0, 3);
      expect((await checkDemand(pool, settings)).message).toMatch(/ 0 lookups a minute/);
      // The hour may end meanwhile.
      for (const hoursAgo of [1, 0]) await counted(119_000, 1_000, hoursAgo);
      const { message } = await checkDemand(pool, settings);
      expect(message).toMatch(/ 2000 lookups a minute \(1000\), hit rate 99 % \(90\)/);
      expect(message).toMatch(/past the document/);
    });
  });
});

describe('whether Redis can be reached', () => {
  const settingsOf = (redisUrl: string) => readSettings({ redisUrl }, {});

  itWithRedis('says how fast it answers, and what its clock is linked to', async () => {
    const redis = closing(await startRedis());
    const check = await checkRedis(settingsOf(redis.url));
    expect(check).toMatchObject({ name: 'redis', status: 'ok' });
    expect(check.message).toMatch(/answers in [\d.]+ ms; its clock is not linked yet/);
    const world = await givenWorld();
    const process = await world.process({ redisUrl: redis.url, redisDeadlineMs: 5_000 });
    await world.connector(process, 'BYBIT').initialize();
    await process.flush();
    expect((await checkRedis(settingsOf(redis.url))).message).toMatch(/linked to pg:\d+:1 within [\d.]+ ms/);
  });

  itWithRedis('says what is wrong with a login, and no password', async () => {
    const redis = closing(
      await startRedis({ args: ['--requirepass', 'hunter2'], clientOptions: { password: 'hunter2' } }),
    );
    const check = await checkRedis(settingsOf(`redis://:hunter3@127.0.0.1:${redis.port}`));
    expect(check).toMatchObject({ status: 'warn', remedy: expect.stringMatching(/PostgreSQL answers/) });
    expect(JSON.stringify(check)).not.toMatch(/hunter/);
  });

  it('says that nobody is there', async () => {
    const check = await checkRedis(settingsOf(`redis://127.0.0.1:${await freePort()}`));
    expect(check).toMatchObject({ status: 'warn', remedy: expect.stringMatching(/^start it/) });
  });

  it('has nothing to say where none is configured', async () => {
    expect(await checkRedis(readSettings({}, {}))).toMatchObject({ status: 'ok', message: 'not configured' });
  });
});
