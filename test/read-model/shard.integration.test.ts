/** The table of states, split by hash and made one again, under a projector, lookups, rebuilds, clean-ups and TypeORM. */
import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { connectorStateCache } from '../../projections/index.js';
import { cacheKeyOf } from '../../src/events/connector.js';
import { pg } from '../../src/postgres/driver.js';
import { ConnectorStateCache, entities } from '../../src/read-model/entities/index.js';
import { grantPrivileges } from '../../src/read-model/grants.js';
import { lookup } from '../../src/read-model/lookup.js';
import { readShape, shard } from '../../src/read-model/shard.js';
import { createHarness, type Harness, liveAndExpected } from '../projector/harness.js';
import { cleaned, connector, hit, MINUTE_MS, synced, T0 } from '../support/facts.js';
import { eventually } from '../support/world.js';

let harness: Harness;
beforeEach(async () => {
  harness = await createHarness();
});
afterEach(() => harness.close());

const history = (from: number, n = 60) =>
  Array.from({ length: n }, (_, i) =>
    i % 3 === 2
      ? hit({ userId: `user${(from + i) % 25}` })
      : synced({ userId: `user${(from + i) % 25}`, measuredAt: T0 + from + i, offsetMs: i / 7 }),
  );

/** What tells one table from another: columns, indexes, constraints, rights. */
async function definition(): Promise<unknown> {
  const { rows } = await harness.pool.query<{ about: unknown }>(
    `SELECT jsonb_build_object(
       'columns', (SELECT jsonb_agg(jsonb_build_array(a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attcollation,
          pg_get_expr(d.adbin, d.adrelid)) ORDER BY a.attnum)
          FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
         WHERE a.attrelid = c.oid AND a.attnum > 0),
       'indexes', (SELECT jsonb_agg(jsonb_build_array(x.relname, regexp_replace(pg_get_indexdef(x.oid), ' ON (ONLY )?', ' ON ')) ORDER BY x.relname)
          FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = c.oid),
       'constraints', (SELECT jsonb_agg(jsonb_build_array(k.conname, pg_get_constraintdef(k.oid)) ORDER BY k.conname)
          FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype IN ('p', 'u')),
       'rights', (SELECT jsonb_agg(a::text ORDER BY a::text) FROM unnest(c.relacl) a),
       'options', c.reloptions, 'owner', c.relowner) AS about
     FROM pg_class c WHERE c.oid = 'connector_state_cache'::regclass`,
  );
  return rows[0]?.about;
}

const uniqueIndexesWithout = async (column: string) => {
  const { rows } = await harness.pool.query(
    `SELECT x.relname FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
      WHERE i.indrelid = 'connector_state_cache'::regclass AND i.indisunique AND NOT EXISTS (
        SELECT FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) AND a.attname = $1)`,
    [column],
  );
  return rows;
};

describe('the table of states in partitions', () => {
  it('is what a rebuild makes of the log, projected into before, while and after, and back again', async () => {
    const projector = harness.projector({ pageSize: 7 });
    await harness.append(...history(0));
    await projector.catchUp();

    expect(await shard(harness.url, 8)).toEqual({ partitions: 1 });
    expect(await readShape(harness.url)).toEqual({ partitions: 8 });
    await harness.append(...history(10), cleaned({ cutoff: T0 + MINUTE_MS }), ...history(30));
    await projector.catchUp();
    expect(await projector.verify()).toMatchObject({ equal: true });
    let [live, expected] = [
      await harness.rows(connectorStateCache),
      await harness.expectedRows(connectorStateCache),
    ];
    expect(live).toHaveLength(25);
    expect(live).toEqual(expected);

    await harness.pool.query(`UPDATE connector_state_cache SET time_offset = 7 WHERE user_id = 'user3'`);
    const { differing } = await projector.rebuild();
    expect(differing).toMatchObject({ connector_state_cache: 1 });
    expect(await readShape(harness.url)).toEqual({ partitions: 8 });

    expect(await shard(harness.url, 3)).toEqual({ partitions: 8 });
    expect(await shard(harness.url, 3)).toEqual({ partitions: 3 });
    expect(await shard(harness.url, 1)).toEqual({ partitions: 3 });
    await harness.append(...history(40));
    await projector.catchUp();
    [live, expected] = [
      await harness.rows(connectorStateCache),
      await harness.expectedRows(connectorStateCache),
    ];
    expect(live).toEqual(expected);
    expect(await projector.verify()).toMatchObject({ equal: true });
    expect((await liveAndExpected(harness)).live).toBeDefined();
  });

  it('comes back as it was, rights and names included; in between every unique index has the key in it', async () => {
    const role = `reader_${Math.random().toString(36).slice(2, 10)}`;
    await harness.pool.query(`CREATE ROLE ${role}`);
    try {
      await grantPrivileges(harness.url, { workerRole: role });
      const before = await definition();
      // A row that is made by nobody's id alone.
      expect(await uniqueIndexesWithout('cache_key')).toEqual([{ relname: 'connector_state_cache_pkey' }]);
      await shard(harness.url, 16);
      expect(await uniqueIndexesWithout('cache_key')).toEqual([]);
      expect(await definition()).toMatchObject({
        columns: (before as { columns: unknown }).columns,
        rights: (before as { rights: unknown }).rights,
      });
      await shard(harness.url, 1);
      expect(await definition()).toEqual(before);
    } finally {
      await harness.pool.query(`DROP OWNED BY ${role}`);
      await harness.pool.query(`DROP ROLE ${role}`);
    }
  });

  it('lets lookups go on that were prepared before, and finds every row by each', async () => {
    await harness.append(...history(0));
    await harness.projector().catchUp();
    const keys = Array.from({ length: 25 }, (_, n) => ({
      cacheKey: cacheKeyOf({ ...connector, userId: `user${n}` }),
      exchange: 'BYBIT',
      environment: 'MAINNET',
    })) as readonly { cacheKey: string; exchange: 'BYBIT'; environment: 'MAINNET' }[];
    let isDone = false;
    let answers = 0;
    const ask = async () => {
      const found = await lookup(harness.pool, keys, {
        namedStatements: true,
        now: () => performance.now(),
        wall: () => performance.now(),
        signal: AbortSignal.timeout(60_000),
      });
      expect(found.rows.filter(({ state }) => state === undefined)).toEqual([]);
      answers++;
    };
    const asking = [1, 2].map(async () => {
      while (!isDone) await ask();
    });
    await ask();
    for (const partitions of [4, 5, 1]) {
      await shard(harness.url, partitions);
      await ask();
    }
    isDone = true;
    await Promise.all(asking);
    expect(answers).toBeGreaterThan(4);
  });

  it.each([
    // After its snapshot, which the first of these takes: before anything of the table is looked at, and in the middle.
    ['before it has looked at the table', 'readStream'],
    ['while it folds', 'countAfter'],
  ])('is compared as it is by who verifies and began before the switch (%s)', async (_, moment) => {
    await harness.append(...history(0));
    await harness.projector().catchUp();
    let switched: Promise<unknown> | undefined;
    const store = new Proxy(harness.store, {
      get(target, name) {
        const value = Reflect.get(target, name, target);
        if (name !== moment || switched) return typeof value === 'function' ? value.bind(target) : value;
        return async (...args: unknown[]) => {
          switched ??= shard(harness.url, 4);
          await switched;
          return (value as (...given: unknown[]) => unknown).apply(target, args);
        };
      },
    });
    expect(await harness.projector({ store }).verify()).toMatchObject({ equal: true });
    expect(await switched).toEqual({ partitions: 1 });
    await harness.pool.query(`UPDATE connector_state_cache SET time_offset = 7 WHERE user_id = 'user3'`);
    const { tables } = await harness.projector().verify();
    expect(tables).toContainEqual(expect.objectContaining({ name: 'connector_state_cache', differing: 1 }));
  });

  it('is read and written through TypeORM as before', async () => {
    await shard(harness.url, 4);
    await harness.append(...history(0));
    await harness.projector().catchUp();
    const source = await new DataSource({
      type: 'postgres',
      url: harness.url,
      driver: pg,
      entities: [...entities],
    }).initialize();
    try {
      const states = source.getRepository(ConnectorStateCache);
      const [first] = await states.find({ where: { userId: 'user3' } });
      expect(first).toMatchObject({ exchange: 'BYBIT' });
      await states.remove(first as ConnectorStateCache);
      expect(await states.countBy({ userId: 'user3' })).toBe(0);
    } finally {
      await source.destroy();
    }
  });

  it('leaves everything as it was when somebody has the locks, and says who', async () => {
    await harness.append(...history(0));
    await harness.projector().catchUp();
    const before = await definition();
    for (const statement of [
      'SELECT FROM projection_checkpoint FOR UPDATE',
      'SELECT FROM connector_state_cache',
    ]) {
      await harness.asAnother(async other => {
        await other.query(`BEGIN; ${statement}`);
        await expect(shard(harness.url, 4, { waitMs: 1 })).rejects.toMatchObject({
          code: 'DATABASE_UNAVAILABLE',
          message: expect.stringMatching(/is locked by pid \d+ .* nothing was changed/),
        });
        await other.query('ROLLBACK');
      });
    }
    expect(await definition()).toEqual(before);
    await expect(shard(harness.url, 0)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    await expect(shard(harness.url, 1_025)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });

  it.each(['serializable', 'repeatable read'])(
    'is made in a database of writers whose default is %s and read only, while one of them moves on',
    async isolation => {
      await harness.append(...history(0));
      await harness.projector().catchUp();
      const name = new URL(harness.url).pathname.slice(1);
      await harness.pool.query(`ALTER DATABASE ${name} SET default_transaction_isolation = '${isolation}'`);
      await harness.pool.query(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
      await harness.asAnother(async writer => {
        await writer.query('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE');
        await writer.query('UPDATE projection_checkpoint SET updated_at = updated_at');
        const sharded = shard(harness.url, 4);
        // Not asked by the writer: a transaction sees one picture of what others do.
        await eventually(async () => {
          const { rows } = await harness.pool.query(
            `SELECT FROM pg_stat_activity WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0`,
          );
          return rows.length > 0;
        });
        await writer.query('COMMIT');
        expect(await sharded).toEqual({ partitions: 1 });
      });
      expect(await readShape(harness.url)).toEqual({ partitions: 4 });
      await grantPrivileges(harness.url, {});
    },
  );

  it('is what Citus asks for in docs/operations/citus.sql, as far as can be seen without Citus', async () => {
    // In place of Citus, which notes what it is asked to distribute and by what.
    await harness.pool.query(`
      CREATE TABLE asked (kind text, name text, by text);
      CREATE FUNCTION create_distributed_table(t regclass, c text) RETURNS void LANGUAGE sql AS $$ INSERT INTO asked VALUES ('distributed', t::text, c) $$;
      CREATE FUNCTION create_reference_table(t regclass) RETURNS void LANGUAGE sql AS $$ INSERT INTO asked VALUES ('reference', t::text, NULL) $$;
      CREATE FUNCTION citus_add_local_table_to_metadata(t regclass) RETURNS void LANGUAGE sql AS $$ INSERT INTO asked VALUES ('local', t::text, NULL) $$;`);
    await harness.pool.query(await readFile('docs/operations/citus.sql', 'utf8'));
    const { rows } = await harness.pool.query<{ name: string; by: string }>(
      `SELECT name, by FROM asked WHERE kind = 'distributed'`,
    );
    expect(rows).toEqual([{ name: 'connector_state_cache', by: 'cache_key' }]);
    expect(await uniqueIndexesWithout('cache_key')).toEqual([]);
    const reference = await harness.pool.query(
      `SELECT FROM asked WHERE (kind, name) = ('reference', 'exchange_clock')`,
    );
    expect(reference.rowCount).toBe(1);

    // Projections upsert by what is left of the key.
    await harness.append(...history(0));
    const projector = harness.projector();
    await projector.catchUp();
    expect(await projector.verify()).toMatchObject({ equal: true });
  });

  it('needs the tables', async () => {
    const empty = await createHarness({ migrated: false });
    await expect(readShape(empty.url)).rejects.toMatchObject({ code: 'DATABASE_NOT_MIGRATED' });
    await empty.close();
  });
});
