/** What only PostgreSQL can do, and what only it can do wrong. The rest is in the contract. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import { pg } from '../../src/postgres/driver.js';
import { follow, idsOf, readToHead } from '../contract/harness.js';
import { sampleConnector } from '../contract/sample-events.js';
import { createTestDatabase } from '../support/database.js';
import {
  APPEND_SQL,
  createPostgresHarness,
  type PostgresHarness,
  toSqlEvents,
  until,
} from './postgres-harness.js';

/** Of pg_stat_activity. */
const WAITING = `wait_event_type = 'Lock'`;

let harness: PostgresHarness;
beforeAll(async () => {
  harness = await createPostgresHarness();
});
afterAll(async () => {
  await harness.close();
});

describe('a log that was restored without its sequence', () => {
  it.each([
    ['as made', 'RESTART'],
    ['in the middle', 'RESTART WITH 3'],
  ])('goes on behind its last event (%s)', async (_, restart) => {
    const restored = await createPostgresHarness();
    try {
      const { store, pool } = restored.openWith();
      const [a, b] = [sampleConnector(), sampleConnector()];
      // Hits lie in a partition of their own, whose positions are no conflict for others.
      for (let n = 0; n < 4; n++) await store.append([a.hit(), a.fact()]);
      const last = await store.head();
      await pool.query(`ALTER SEQUENCE connector_event_position ${restart}`);

      const alone = await store.append([b.fact()], { expectedVersions: { [b.stateStream]: 'no-stream' } });
      const together = await store.append([b.fact(), b.hit()]);

      for (const { position } of [alone, together]) {
        expect(store.compare(position, last)).toBeGreaterThan(0);
      }
      const { rows } = await pool.query(
        'SELECT count(*)::integer AS events, count(DISTINCT position)::integer AS positions FROM connector_event',
      );
      expect(rows).toEqual([{ events: 11, positions: 11 }]);
    } finally {
      await restored.close();
    }
  });
});

describe('atomicity over many streams', () => {
  it('stores nothing in any stream when one is not at its expected version', async () => {
    const { store } = harness.openWith();
    const [a, b] = [sampleConnector(), sampleConnector()];
    await store.append([b.fact()]);
    const head = await store.head();

    await expect(
      store.append([a.fact(), b.fact(), a.hit()], {
        expectedVersions: {
          [a.stateStream]: 'no-stream',
          [b.stateStream]: 'no-stream',
          [a.hitsStream]: 'any',
        },
      }),
    ).rejects.toMatchObject({
      code: 'VERSION_CONFLICT',
      stream: b.stateStream,
      expected: 'no-stream',
      actual: 1,
    });

    expect(await store.head()).toBe(head);
    expect(await store.readStream(a.stateStream)).toEqual([]);
    expect((await store.append([a.fact()])).events[0]?.version).toBe(1);
    await store.close();
  });
});

describe('the look for an event that may be there', () => {
  /** What the functions ask, as migration 71 made it, planned while the log is empty. */
  const planOf = async (name: string) => {
    const client = await harness.connect();
    const { rows } = await client.query('SELECT prosrc FROM pg_proc WHERE proname = $1', [name]);
    const condition = /p\.event_id = i\.id AND hashtext.* 'connector_state_hits-'\)/.exec(
      rows[0].prosrc,
    )?.[0];
    await client.query('SET enable_seqscan = off');
    const explained = await client.query(
      `EXPLAIN SELECT FROM unnest(ARRAY[gen_random_uuid()], ARRAY['a']) AS i(id, stream), LATERAL
        (SELECT p.version FROM connector_event p WHERE ${condition} LIMIT 1) old`,
    );
    return explained.rows.map(row => row['QUERY PLAN'] as string).join('\n');
  };

  it.each(['connector_event_append', 'connector_event_import'])('goes by its id: %s', async name => {
    const plan = await planOf(name);

    expect(plan).toMatch(/Index Scan using connector_event_\w+_event_id_/);
    expect(plan).not.toMatch(/Seq Scan|stream_version/);
  });
});

describe('transactions that commit late', () => {
  it.each(['COMMIT', 'ROLLBACK'])('are never overtaken: others wait for the %s', async outcome => {
    const { store } = harness.openWith();
    const connector = sampleConnector();
    const [late, next] = [connector.fact(), connector.fact()];
    const start = await store.head();
    const slow = await harness.connect();
    await slow.query('BEGIN');
    await slow.query(APPEND_SQL, [toSqlEvents([late])]);

    const appending = store.append([next]);
    await until(async () => (await harness.countConnections(WAITING)) > 0);
    const seenMeanwhile = await store.readAll({ after: start, limit: 10 });
    await slow.query(outcome);
    await appending;

    expect(seenMeanwhile).toEqual([]);
    expect(idsOf(await store.readAll({ after: start, limit: 10 }))).toEqual(
      idsOf(outcome === 'COMMIT' ? [late, next] : [next]),
    );
    await slow.end();
    await store.close();
  });

  it('cannot make two installations in one database wait for each other', async () => {
    const database = await createTestDatabase({ migrated: false });
    const admin = new pg.Client({ connectionString: database.url });
    await admin.connect();
    const { EventStore1764000000001 } = await import(
      '../../src/read-model/migrations/1764000000001-event-store.js'
    );
    const { AppendTogether1764000000017 } = await import(
      '../../src/read-model/migrations/1764000000017-append-together.js'
    );
    for (const schema of ['one', 'two']) {
      await admin.query(`CREATE SCHEMA ${schema}`);
      await admin.query(`SET search_path = ${schema}`);
      const runner = { query: (sql: string) => admin.query(sql) } as never;
      await new EventStore1764000000001().up(runner);
      await new AppendTogether1764000000017().up(runner);
    }
    const connector = sampleConnector();
    await admin.query('SET search_path = one; BEGIN');
    await admin.query(APPEND_SQL, [toSqlEvents([connector.fact()])]);

    const pool = new pg.Pool({ connectionString: database.url, options: '-c search_path=two' });
    const store = createPostgresEventStore({ pool });
    const { events } = await store.append([connector.fact()]);

    expect(events[0]).toMatchObject({ version: 1, isNew: true });
    await store.close();
    await pool.end();
    await admin.end();
    await database.drop();
  });
});

describe('deadlines', () => {
  it('gives an append up when another holds the lock, on the server too, and takes its retry', async () => {
    const { store, pool } = harness.openWith({ appendTimeoutMs: 1_000 });
    const connector = sampleConnector();
    const event = connector.fact();
    const stuck = await harness.connect();
    await stuck.query('BEGIN');
    await stuck.query(APPEND_SQL, [toSqlEvents([connector.fact()])]);

    await expect(store.append([event])).rejects.toMatchObject({
      code: 'EVENT_STORE_FAILED',
      message: expect.stringContaining('retry with the same event ids'),
    });

    await until(async () => (await harness.countConnections(WAITING)) === 0);
    expect(pool.waitingCount).toBe(0);
    await stuck.query('ROLLBACK');
    await stuck.end();
    expect((await store.append([event])).events[0]).toMatchObject({ version: 1, isNew: true });
    await store.close();
  });

  it('leaves at once when the signal aborts, and destroys the connection that was waiting', async () => {
    const { store, pool } = harness.openWith();
    const connector = sampleConnector();
    const stuck = await harness.connect();
    await stuck.query('BEGIN');
    await stuck.query(APPEND_SQL, [toSqlEvents([connector.fact()])]);
    const stop = new AbortController();

    const appending = store.append([connector.fact()], { signal: stop.signal });
    await until(async () => (await harness.countConnections(WAITING)) > 0);
    stop.abort();

    await expect(appending).rejects.toMatchObject({ code: 'EVENT_STORE_FAILED' });
    expect(pool.totalCount).toBe(0);
    await stuck.query('ROLLBACK');
    await stuck.end();
    await store.close();
  });

  it('gives up waiting for a connection, and leaks none', async () => {
    const { store, pool } = harness.openWith({ max: 1, appendTimeoutMs: 1_000 });
    const taken = await pool.connect();

    await expect(store.append([sampleConnector().fact()])).rejects.toThrow(/within 1000 ms/);

    taken.release();
    await store.append([sampleConnector().fact()]);
    expect([pool.totalCount, pool.idleCount, pool.waitingCount]).toEqual([1, 1, 0]);
    await store.close();
  });

  it('keeps the connection of an append that was refused', async () => {
    const { store, pool } = harness.openWith({ max: 1 });
    const connector = sampleConnector();
    await store.append([connector.fact()]);
    let removed = 0;
    pool.on('remove', () => removed++);

    await expect(
      store.append([connector.fact()], { expectedVersions: { [connector.stateStream]: 0 } }),
    ).rejects.toMatchObject({ code: 'VERSION_CONFLICT' });

    expect([pool.totalCount, pool.idleCount, removed]).toEqual([1, 1, 0]);
    await store.close();
  });
});

describe('failures', () => {
  it('says what to do when the tables are missing', async () => {
    const database = await createTestDatabase({ migrated: false });
    const pool = new pg.Pool({ connectionString: database.url });
    const store = createPostgresEventStore({ pool });
    const missing = {
      code: 'DATABASE_NOT_MIGRATED',
      message: expect.stringContaining('connector-state migrate'),
    };

    await expect(store.append([sampleConnector().fact()])).rejects.toMatchObject(missing);
    await expect(store.head()).rejects.toMatchObject(missing);
    await expect(follow(store, { after: undefined }, () => true)).rejects.toMatchObject(missing);

    await store.close();
    await pool.end();
    await database.drop();
  });

  it('names the errno and never the connection string when the server cannot be reached', async () => {
    const pool = new pg.Pool({ connectionString: 'postgres://someone:canary-secret@127.0.0.1:1/nothing' });
    const store = createPostgresEventStore({ pool });

    const error = await store.append([sampleConnector().fact()]).catch((reason: unknown) => reason);

    expect(error).toMatchObject({
      code: 'EVENT_STORE_FAILED',
      message: expect.stringContaining('ECONNREFUSED'),
    });
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('canary-secret');
    await expect(follow(store, { after: undefined }, () => true)).rejects.toThrow(/ECONNREFUSED/);
    await store.close();
    await pool.end();
  });

  it('appends at its own isolation level where the default would not show it duplicates', async () => {
    const pool = new pg.Pool({
      connectionString: harness.url,
      options: '-c default_transaction_isolation=serializable',
    });
    const store = createPostgresEventStore({ pool });

    const fact = sampleConnector().fact();
    expect(await store.append([fact])).toMatchObject({ events: [{ isNew: true }] });
    expect(await store.append([fact])).toMatchObject({ events: [{ isNew: false }] });
    // Alone, the function refuses: this is where that is learned from.
    await expect(pool.query(`SELECT connector_event_append('[]', NULL, 1000)`)).rejects.toThrow(
      /needs the isolation level/,
    );

    await store.close();
    await pool.end();
  });

  it.each([
    ['pollIntervalMs', 0],
    ['appendTimeoutMs', -1],
    ['pollIntervalMs', 2 ** 31],
  ])('refuses %s %p', (name, value) => {
    expect(() => harness.openWith({ [name]: value })).toThrow(name);
  });
});

describe('statements', () => {
  it.each([true, false])('work with named statements: %p', async useNamedStatements => {
    const { store, pool } = harness.openWith({ max: 1, useNamedStatements });
    const connector = sampleConnector();
    for (let round = 0; round < 3; round++) await store.append([connector.fact()]);
    await store.readStream(connector.stateStream);

    const { rows } = await pool.query('SELECT name FROM pg_prepared_statements ORDER BY name');

    // Behind each name, a digest of its text.
    expect(rows.map(({ name }) => name.replace(/_[0-9a-f]{12}$/, ''))).toEqual(
      useNamedStatements ? ['connector_state_append_together', 'connector_state_read_forwards'] : [],
    );
    await store.close();
  });

  it("do not depend on the application's type parsers", async () => {
    const { store, pool } = harness.openWith({ max: 1 });
    const connector = sampleConnector();
    await store.append([connector.fact()]);
    pg.types.setTypeParser(pg.types.builtins.INT8, () => 'spoiled');
    pg.types.setTypeParser(pg.types.builtins.JSONB, () => 'spoiled');
    try {
      expect(await store.readStream(connector.stateStream)).toMatchObject([{ decoded: 'known', version: 1 }]);
    } finally {
      pg.types.setTypeParser(pg.types.builtins.INT8, String);
      pg.types.setTypeParser(pg.types.builtins.JSONB, JSON.parse);
    }
    await store.close();
    expect(pool.totalCount).toBe(1);
  });
});

describe('big logs', () => {
  it('compare positions beyond 2^53 exactly', async () => {
    const { store } = harness.openWith();
    const client = await harness.connect();
    const { rows } = await client.query('SELECT last_value FROM connector_event_position');
    await client.query('SELECT setval($1, $2)', ['connector_event_position', '9007199254740992']);
    const connector = sampleConnector();
    const before = await store.head();

    const { events, position } = await store.append([connector.fact(), connector.fact()]);

    expect(position).toBe('pg/9007199254740994');
    const stored = await readToHead(store, before);
    expect(idsOf(stored)).toEqual(idsOf(events));
    expect(stored.map(event => event.position)).toEqual(['pg/9007199254740993', 'pg/9007199254740994']);
    expect(store.compare(stored[0]?.position, position)).toBeLessThan(0);
    expect(idsOf(await store.readAll({ after: stored[0]?.position, limit: 9 }))).toEqual([events[1]?.id]);
    expect(rows).toHaveLength(1);
    await client.end();
    await store.close();
  });
});
