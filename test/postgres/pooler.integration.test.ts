/** Through a real PgBouncer without prepared statements, in transaction mode: everything, with nothing to set. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { silentLogger } from '../../src/base/logging.js';
import { pg } from '../../src/postgres/driver.js';
import { createPool } from '../../src/postgres/pool.js';
import { findPooling } from '../../src/postgres/pooler.js';
import { migrate } from '../../src/read-model/migrate.js';
import { migrations } from '../../src/read-model/migrations/index.js';
import { createTestDatabase } from '../support/database.js';
import { findPgBouncer, letGo, type PgBouncer, startPgBouncer } from '../support/pgbouncer.js';
import { closing, eventually, givenWorld } from '../support/world.js';

const isThere = findPgBouncer() !== undefined;
const title = isThere ? 'PgBouncer' : "PgBouncer [skipped: Debian's package cannot be had here]";

(isThere ? describe : describe.skip)(title, () => {
  let shared: PgBouncer;
  let dedicated: PgBouncer;

  beforeAll(async () => {
    const admin = process.env.TEST_ADMIN_URL as string;
    shared = await startPgBouncer(admin);
    dedicated = await startPgBouncer(admin, { pool_mode: 'session', default_pool_size: '20' });
  });

  afterAll(async () => {
    await shared?.close();
    await dedicated?.close();
  });

  it('is told apart from a server, and its modes from each other', async () => {
    const database = await createTestDatabase();
    closing({ close: () => database.drop() });
    closing({ close: () => letGo(database.url) });
    const found: string[] = [];
    for (const url of [database.url, shared.through(database.url), dedicated.through(database.url)]) {
      const pool = createPool({ connectionString: url, max: 2, log: silentLogger });
      const client = await pool.connect();
      found.push(await findPooling(client, () => pool.connect()));
      client.release();
      await pool.end();
    }
    expect(found).toEqual(['none', 'transaction', 'session']);
  });

  it('lets migrations through, and keeps no lock of theirs', async () => {
    const database = await createTestDatabase({ migrated: false });
    closing({ close: () => database.drop() });
    closing({ close: () => letGo(database.url) });

    const results = await Promise.all([1, 2, 3].map(() => migrate(shared.through(database.url))));

    expect(results.flatMap(({ applied }) => applied)).toHaveLength(migrations.length);
    expect(await migrate(database.url, { waitMs: 0 })).toEqual({ applied: [], remade: [] });
  });

  it('loses no fact of many processes to a prepared statement that is elsewhere', async () => {
    const world = await givenWorld();
    closing({ close: () => letGo(world.databaseUrl) });
    const processes = await Promise.all(
      [1, 2, 3, 4, 5, 6].map(() =>
        world.process({ databaseUrl: shared.through(world.databaseUrl), poolSize: 2 }),
      ),
    );

    for (let round = 0; round < 3; round++) {
      await Promise.all(
        processes.map((process, n) =>
          world.connector(process, 'BYBIT', { userId: `u${round}_${n}` }).initialize(),
        ),
      );
      for (const { ok, pending } of await Promise.all(processes.map(process => process.flush()))) {
        expect({ ok, pending }).toEqual({ ok: true, pending: 0 });
      }
    }

    await (await processes[0]?.projector())?.catchUp();
    expect(await world.sql('SELECT count(*)::int AS n FROM connector_state_cache')).toEqual([{ n: 18 }]);
    const direct = await world.process();
    expect(await (await direct.projector()).verify()).toMatchObject({ equal: true });
    for (const process of processes) {
      const { ref } = world.connector(process, 'BYBIT', { userId: 'u0_0' });
      expect(await process.cache.get(ref)).toMatchObject({ hit: true });
    }
  });

  it('is projected, verified and rebuilt through, and nothing of it stays behind', async () => {
    const world = await givenWorld();
    closing({ close: () => letGo(world.databaseUrl) });
    const worker = await world.process({ databaseUrl: shared.through(world.databaseUrl) });
    const writer = await world.process({ projection: 'worker' });
    const projector = await worker.projector();
    const stop = new AbortController();
    const running = projector.run({ signal: stop.signal });

    await world.connector(writer, 'BINGX').initialize();
    await writer.flush();

    await eventually(async () =>
      expect(await world.sql('SELECT user_id FROM connector_state_cache')).toEqual([{ user_id: 'user123' }]),
    );
    stop.abort();
    await running;
    expect(await projector.verify()).toMatchObject({ equal: true });
    await world.sql('UPDATE cache_usage SET hits = hits + 1');
    expect(await projector.verify()).toMatchObject({ equal: false });
    const rebuilt = await Promise.all([projector.rebuild(), projector.rebuild()]);
    expect(rebuilt.some(({ differing }) => (differing.cache_usage ?? 0) > 0)).toBe(true);
    // Neither a lock, nor a table, nor a setting is left on the pooler's connections.
    expect(await world.sql(`SELECT FROM pg_locks WHERE locktype = 'advisory'`)).toEqual([]);
    expect(await world.sql(`SELECT FROM pg_class WHERE relname LIKE 'rebuilt%'`)).toEqual([]);
    const pooled = new pg.Client({ connectionString: shared.through(world.databaseUrl) });
    await pooled.connect();
    const { rows } = await pooled.query(
      `SELECT current_setting('idle_in_transaction_session_timeout') AS idle`,
    );
    await pooled.end();
    expect(rows).toEqual([{ idle: '0' }]);
    expect(await (await writer.projector()).verify()).toMatchObject({ equal: true });
  });
});
