/** Promise 15: however long the server takes, a pool has no more processes there than it may, and none after its end. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { Client, Pool } from 'pg';
import { silentLogger } from '../../src/base/logging.js';
import { createConnectorState } from '../../src/composition/connector-state.js';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import { createBoundedPool } from '../../src/postgres/bounded-pool.js';
import { pg } from '../../src/postgres/driver.js';
import { createPool } from '../../src/postgres/pool.js';
import { lookup } from '../../src/read-model/lookup.js';
import { createTestDatabase } from '../support/database.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { closing, eventually } from '../support/world.js';

const KEY = { cacheKey: 'a', exchange: 'BYBIT', environment: 'MAINNET' } as const;
const NOW = { now: () => performance.now(), wall: () => performance.now(), namedStatements: true };

let locker: Client | undefined;
let observer: Client | undefined;
let url = '';

async function givenLockedTables(...tables: string[]): Promise<void> {
  const database = await createTestDatabase();
  closing({ close: () => database.drop() });
  url = database.url;
  locker = await givenClient('locker');
  // Within a transaction the list of sessions does not change.
  observer = await givenClient('observer');
  await locker.query(`BEGIN; LOCK TABLE ${tables.join(', ')} IN ACCESS EXCLUSIVE MODE`);
}

async function givenClient(name: string): Promise<Client> {
  const client = new pg.Client({ connectionString: url, application_name: name });
  await client.connect();
  return closing(Object.assign(client, { close: () => client.end() }));
}

afterEach(() => {
  locker = undefined;
  observer = undefined;
});

async function backends(): Promise<number> {
  const result = await observer?.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'connector-state'`,
  );
  return result?.rows[0]?.n ?? -1;
}

const waiting = async () =>
  (
    await observer?.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    )
  )?.rowCount;

describe('lookups that nobody waits for any more', () => {
  it('are ended on the server, and give their place back only then', async () => {
    await givenLockedTables('connector_state_cache');
    const pool = createPool({ connectionString: url, max: 2, log: silentLogger });
    closing({ close: () => pool.end() });
    const seen: number[] = [];

    for (let n = 0; n < 12; n++) {
      const late = new AbortController();
      const answer = lookup(pool, [KEY], { ...NOW, signal: late.signal });
      await eventually(async () => expect(await waiting()).toBeGreaterThan(0));
      late.abort(new Error('late'));
      await expect(answer).rejects.toThrow('late');
      seen.push(await backends());
    }

    expect(Math.max(...seen)).toBeLessThanOrEqual(3);
    // The table is still locked, and nobody waits for it.
    await eventually(async () => expect(await waiting()).toBe(0));
    await locker?.query('COMMIT');
    expect(await lookup(pool, [KEY], { ...NOW, signal: new AbortController().signal })).toMatchObject({
      rows: [{ state: undefined }],
    });
  });

  it('leave nothing behind when the pool ends meanwhile', async () => {
    await givenLockedTables('connector_state_cache');
    const pool = createPool({ connectionString: url, max: 1, log: silentLogger });
    const late = new AbortController();
    const answer = lookup(pool, [KEY], { ...NOW, signal: late.signal });
    await eventually(async () => expect(await waiting()).toBe(1));

    late.abort(new Error('late'));
    await expect(answer).rejects.toThrow('late');
    await pool.end();

    await eventually(async () => expect(await backends()).toBe(0));
  });
});

it('nobody answers where a certificate file that the URL names is not there, and its end is not held up', async () => {
  const connectionString = 'postgres://a:b@127.0.0.1:1/x?sslrootcert=/nowhere/ca.pem';
  const pool = createPool({ connectionString, max: 1, log: silentLogger });
  expect(await pool.answers(1_000)).toBe(false);
  await pool.end();
});

it('an append or a read that was given up ends on the server as well', async () => {
  await givenLockedTables('connector_event', 'connector_stream');
  const pool: Pool = createPool({ connectionString: url, max: 1, log: silentLogger });
  closing({ close: () => pool.end() });
  const store = createPostgresEventStore({ pool });
  const seen: number[] = [];

  for (let n = 0; n < 3; n++) {
    const late = new AbortController();
    const read = store.subscribe({ after: undefined, signal: late.signal });
    const first = read[Symbol.asyncIterator]().next();
    await eventually(async () => expect(await waiting()).toBe(1));
    late.abort();
    await first.catch(() => undefined);
    seen.push(await backends());
  }

  expect(Math.max(...seen)).toBeLessThanOrEqual(2);
  await store.close();
});

it('a process whose lookups all run out of time never has more than its pool and one', async () => {
  await givenLockedTables('connector_state_cache');
  const state = await createConnectorState({
    databaseUrl: url,
    logger: silentLogger,
    poolSize: 1,
    memoryEntries: 0,
    lookupDeadlineMs: 20,
    breakerResetMs: 10,
  });
  const seen: number[] = [];

  for (let n = 0; n < 30; n++) {
    await state.cache.get({ userId: 'a', credentialId: 'c', exchange: 'BYBIT', environment: 'MAINNET' });
    seen.push(await backends());
  }
  await state.close();

  expect(Math.max(...seen)).toBeLessThanOrEqual(2);
  await eventually(async () => expect(await backends()).toBe(0));
});

describe('connections that a frozen function thaws with', () => {
  it.each([
    ['forgotten by the network', 'forget'],
    ['sound', 'forward'],
  ] as const)('%s are not handed out, and the pool stays as small', async (_, behaviour) => {
    const database = await createTestDatabase();
    closing({ close: () => database.drop() });
    url = database.url;
    observer = await givenClient('observer');
    const old = closing(await startTcpProxy(url));
    let wallMs = 0;
    const idle = { idleTimeoutMillis: 30_000, application_name: 'connector-state' };
    const pool = createBoundedPool(
      { connectionString: old.url, max: 2, pipeline: true, ...idle },
      () => wallMs,
    );
    pool.on('error', () => undefined);
    closing({ close: () => pool.end() });
    const pids = async () => {
      const clients = await Promise.all([pool.connect(), pool.connect()]);
      const answers = await Promise.all(
        clients.map(client => client.query('SELECT pg_backend_pid() AS pid')),
      );
      for (const client of clients) client.release();
      return answers.map(({ rows }) => rows[0]?.pid as number);
    };
    const before = await pids();
    expect(await pids()).toEqual(expect.arrayContaining(before));

    // What is there says nothing any more; whoever connects anew is heard.
    old.behave(behaviour);
    Object.assign(pool.options, { connectionString: url });
    wallMs = 600_000;
    const after = await pids();

    expect(after.filter(pid => before.includes(pid))).toEqual([]);
    expect(pool.totalCount).toBe(2);
    if (behaviour === 'forward') await eventually(async () => expect(await backends()).toBe(2));
  });
});

it('idle connections that end without a word hold up nobody who fails after them', async () => {
  const database = await createTestDatabase();
  closing({ close: () => database.drop() });
  const link = closing(await startTcpProxy(database.url));
  const pool = createPool({ connectionString: link.url, max: 2, log: silentLogger });
  closing({ close: () => pool.end() });
  const both = (sql: string) => Promise.allSettled([pool.query(sql), pool.query(sql)]);
  await both('SELECT');

  link.cut();
  await eventually(() => expect(pool.totalCount).toBe(0));
  await both('SELECT pg_terminate_backend(pg_backend_pid())');

  expect((await both('SELECT')).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
  expect(await pool.answers(5_000)).toBe(true);
});

it('a certificate file that is away for a moment fails who needs a connection then, and nobody after', async () => {
  const database = await createTestDatabase();
  closing({ close: () => database.drop() });
  const folder = await mkdtemp(join(tmpdir(), 'connector-state-'));
  closing({ close: () => rm(folder, { recursive: true }) });
  const file = join(folder, 'ca.pem');
  await writeFile(file, '');
  const url = new URL(database.url);
  url.searchParams.set('sslmode', 'disable');
  url.searchParams.set('sslrootcert', file);
  let wallMs = 0;
  const pool = createBoundedPool(
    { connectionString: url.href, max: 1, idleTimeoutMillis: 30_000 },
    () => wallMs,
  );
  closing({ close: () => pool.end() });
  await pool.query('SELECT');

  // It has idled for too long, and another cannot be made.
  wallMs = 600_000;
  await rm(file);
  await expect(pool.query('SELECT')).rejects.toMatchObject({ code: 'ENOENT' });
  await expect(pool.query('SELECT')).rejects.toMatchObject({ code: 'ENOENT' });

  await writeFile(file, '');
  expect(await pool.query('SELECT')).toMatchObject({ rowCount: 1 });
  expect(await pool.answers(5_000)).toBe(true);
  expect(pool.totalCount).toBe(1);
});
