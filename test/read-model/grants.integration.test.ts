import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pg } from '../../src/postgres/driver.js';
import { grantPrivileges } from '../../src/read-model/grants.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

// Roles belong to the whole server, which other test files share. The names need quoting on purpose.
const suffix = randomBytes(4).toString('hex');
const FUNCTIONS = `Functions "${suffix}"`;
const WORKER = `worker-${suffix}`;
const OWNER = null;

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
  for (const role of [FUNCTIONS, WORKER]) {
    await as(OWNER, `CREATE ROLE ${pg.escapeIdentifier(role)} LOGIN PASSWORD 'test'`);
  }
  // Rights from an earlier day, which must not survive.
  await as(OWNER, `GRANT UPDATE, DELETE, TRUNCATE ON connector_event TO ${pg.escapeIdentifier(FUNCTIONS)}`);
  await as(OWNER, `GRANT DELETE ON connector_event_kept TO ${pg.escapeIdentifier(WORKER)}`);
  await grantPrivileges(database.url, { functionsRole: FUNCTIONS, workerRole: WORKER });
});

afterAll(async () => {
  for (const role of [FUNCTIONS, WORKER].map(name => pg.escapeIdentifier(name))) {
    await as(OWNER, `DROP OWNED BY ${role}`);
    await as(OWNER, `DROP ROLE ${role}`);
  }
  await database.drop();
});

async function as(role: string | null, text: string): Promise<Record<string, unknown>[]> {
  const url = new URL(database.url);
  if (role !== null) {
    url.username = encodeURIComponent(role);
    url.password = 'test';
  }
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

function append(): string {
  const event = {
    id: randomUUID(),
    stream: 'connector_state-a_b',
    type: 'Test',
    schema_version: 1,
    data: {},
    occurred_at: 1_700_000_000_000,
    host: 'test',
  };
  return `SELECT is_new FROM connector_event_append('${JSON.stringify([event])}', NULL, 5000)`;
}

const READABLE = [
  'connector_event',
  'connector_stream',
  'connector_state_cache',
  'exchange_clock',
  'drift_sample',
  'drift_hourly',
  'cache_usage',
  'shadow_outcome',
  'usage_forecast',
  'clock_usage_forecast',
  'projection_checkpoint',
  'projection_dead_letter',
  'usage_model',
  'connector_state_migration',
];
const READ_TABLES = [
  'connector_state_cache',
  'exchange_clock',
  'drift_sample',
  'drift_hourly',
  'cache_usage',
  'shadow_outcome',
  'usage_forecast',
  'clock_usage_forecast',
  'projection_checkpoint',
  'projection_dead_letter',
];
const EVENT_TABLES = ['connector_event', 'connector_event_kept', 'connector_event_hits', 'connector_stream'];

const denied = { code: '42501' };

/** Updates that touch no row still need the right. */
const update = (table: string) =>
  `UPDATE ${table} SET ${table === 'connector_stream' ? 'version' : 'stream'} = NULL WHERE false`;

describe.each([
  ['a functions role', FUNCTIONS],
  ['a worker role', WORKER],
])('%s', (_, role) => {
  it('appends events through the function', async () => {
    expect(await as(role, append())).toEqual([{ is_new: true }]);
  });

  it.each(READABLE)('reads %s', async table => {
    await as(role, `SELECT * FROM ${table} LIMIT 1`);
  });

  it.each(EVENT_TABLES)('can neither write, change, remove nor empty %s', async table => {
    await expect(as(role, update(table))).rejects.toMatchObject(denied);
    await expect(as(role, `DELETE FROM ${table} WHERE false`)).rejects.toMatchObject(denied);
    await expect(as(role, `TRUNCATE ${table}`)).rejects.toMatchObject(denied);
    await expect(as(role, `INSERT INTO ${table} DEFAULT VALUES`)).rejects.toMatchObject(denied);
  });

  it('can neither switch off what guards the events nor move their positions', async () => {
    await expect(as(role, 'ALTER TABLE connector_event DISABLE TRIGGER ALL')).rejects.toMatchObject(denied);
    await expect(as(role, 'DROP TABLE connector_event')).rejects.toMatchObject(denied);
    await expect(as(role, `SELECT setval('connector_event_position', 1)`)).rejects.toMatchObject(denied);
    await expect(as(role, 'CREATE TABLE mine ()')).rejects.toMatchObject(denied);
  });
});

describe('a functions role', () => {
  it.each(READ_TABLES)('cannot write %s', async table => {
    await expect(as(FUNCTIONS, `INSERT INTO ${table} DEFAULT VALUES`)).rejects.toMatchObject(denied);
    await expect(as(FUNCTIONS, `DELETE FROM ${table}`)).rejects.toMatchObject(denied);
  });

  it('cannot drop hits, forgotten or not', async () => {
    await expect(as(FUNCTIONS, 'SELECT connector_event_forget_hits(1000)')).rejects.toMatchObject(denied);
  });

  it('cannot make partitions', async () => {
    const make = `SELECT connector_state_ensure_drift_partition('2026-03-05Z')`;

    await expect(as(FUNCTIONS, make)).rejects.toMatchObject(denied);
  });
});

describe('a worker role', () => {
  it('writes, changes and removes rows of the read tables', async () => {
    const written = await as(
      WORKER,
      `INSERT INTO projection_checkpoint (projection, version, events, updated_at) VALUES ('p', 1, 0, now())
       ON CONFLICT (projection) DO UPDATE SET events = 1 RETURNING projection`,
    );
    expect(written).toEqual([{ projection: 'p' }]);
    await as(WORKER, `UPDATE projection_checkpoint SET events = 2 WHERE projection = 'p'`);
    for (const table of READ_TABLES) await as(WORKER, `DELETE FROM ${table}`);
  });

  it('drops what is recorded as forgotten, which is nothing here', async () => {
    expect(await as(WORKER, 'SELECT connector_event_forget_hits(1000)::int AS gone')).toEqual([{ gone: 0 }]);
  });

  it('makes the partition that a new month’s samples need, and fills it', async () => {
    await as(WORKER, `SELECT connector_state_ensure_drift_partition('2026-03-05Z')`);

    await as(
      WORKER,
      `INSERT INTO drift_sample VALUES (gen_random_uuid(), '2026-03-05Z', 'a_b', 'BYBIT', 'MAINNET', 'db', 'host',
         gen_random_uuid(), 'absent', 1, 1, 1, 1, 'pg/1')`,
    );
    expect(await as(WORKER, 'SELECT cache_key FROM drift_sample')).toEqual([{ cache_key: 'a_b' }]);
  });
});

describe('grantPrivileges', () => {
  it('may be repeated', async () => {
    await grantPrivileges(database.url, { functionsRole: FUNCTIONS, workerRole: WORKER });

    expect(await as(FUNCTIONS, append())).toEqual([{ is_new: true }]);
  });

  it('grants nothing when one of the roles does not exist', async () => {
    const rights = `SELECT has_table_privilege('connector_event', 'SELECT') AS may`;
    await as(OWNER, `REVOKE SELECT ON connector_event FROM ${pg.escapeIdentifier(FUNCTIONS)}`);

    const both = grantPrivileges(database.url, {
      functionsRole: FUNCTIONS,
      workerRole: 'nobody; DROP TABLE x',
    });

    await expect(both).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringMatching(/"nobody; DROP TABLE x" does not exist: create it first/),
    });
    expect(await as(FUNCTIONS, rights)).toEqual([{ may: false }]);
    await grantPrivileges(database.url, { functionsRole: FUNCTIONS });
  });

  it('refuses a superuser, whom it could not limit', async () => {
    await expect(grantPrivileges(database.url, { functionsRole: 'postgres' })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining('superuser'),
    });
  });

  it('says so when the tables are not there yet', async () => {
    const empty = await createTestDatabase({ migrated: false });

    await expect(grantPrivileges(empty.url, { functionsRole: FUNCTIONS })).rejects.toMatchObject({
      code: 'DATABASE_NOT_MIGRATED',
      message: expect.stringContaining('connector-state migrate'),
    });
    await empty.drop();
  });
});
