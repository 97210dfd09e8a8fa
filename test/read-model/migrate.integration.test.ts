import { afterEach, describe, expect, it } from '@jest/globals';
import { ConnectorStateError } from '../../src/base/errors.js';
import { pg } from '../../src/postgres/driver.js';
import { migrate, pendingMigrations } from '../../src/read-model/migrate.js';
import { migrations } from '../../src/read-model/migrations/index.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { runNode } from '../support/run.js';

const ALL = migrations.map(migration => migration.name);

let database: TestDatabase | undefined;

afterEach(async () => {
  await database?.drop();
  database = undefined;
});

async function emptyDatabase(): Promise<string> {
  database = await createTestDatabase({ migrated: false });
  return database.url;
}

async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

const TABLES = `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1`;

describe('migrate', () => {
  it('gives an empty database every table, and says what it applied', async () => {
    const url = await emptyDatabase();
    const said: string[] = [];

    expect(await pendingMigrations(url)).toEqual(ALL);
    expect(await migrate(url, { log: message => said.push(message) })).toEqual({ applied: ALL, remade: [] });

    expect(said).toEqual(ALL.map(name => `applied migration ${name}`));
    expect(await pendingMigrations(url)).toEqual([]);
    const tables = (await query(url, TABLES)).map(row => row.table_name);
    expect(tables).toEqual(
      expect.arrayContaining([
        'cache_usage',
        'clock_usage_forecast',
        'connector_event',
        'connector_state_cache',
        'connector_state_migration',
        'connector_stream',
        'drift_sample',
        'exchange_clock',
        'projection_checkpoint',
        'projection_dead_letter',
        'shadow_outcome',
        'usage_forecast',
      ]),
    );
  });

  it('does nothing the second time', async () => {
    const url = await emptyDatabase();
    await migrate(url);
    const before = await query(url, TABLES);

    expect(await migrate(url)).toEqual({ applied: [], remade: [] });

    expect(await query(url, TABLES)).toEqual(before);
  });

  it('applies each migration once when four callers start together', async () => {
    const url = await emptyDatabase();

    const results = await Promise.all(Array.from({ length: 4 }, () => migrate(url)));

    // Whoever has the lock applies the next: the four take turns, and the table tells the order.
    expect(results.flatMap(result => result.applied).sort()).toEqual([...ALL].sort());
    const recorded = await query(url, 'SELECT name FROM connector_state_migration ORDER BY id');
    expect(recorded.map(row => row.name)).toEqual(ALL);
  });

  it('applies each migration once when two processes start together', async () => {
    const url = await emptyDatabase();
    const script = `
      const { migrate } = await import('./dist/src/read-model/migrate.js');
      process.stdout.write(JSON.stringify(await migrate(process.env.DATABASE_URL)));`;
    const start = () =>
      runNode(['--input-type=module', '--eval', script], {
        env: { DATABASE_URL: url, NODE_OPTIONS: undefined },
      });

    const results = await Promise.all([start(), start()]);

    expect(results.map(({ code, stderr }) => ({ code, stderr }))).toEqual([
      { code: 0, stderr: '' },
      { code: 0, stderr: '' },
    ]);
    expect(results.flatMap(({ stdout }) => JSON.parse(stdout).applied).sort()).toEqual([...ALL].sort());
  });

  it('leaves nothing behind when a migration fails, and succeeds once the cause is gone', async () => {
    const url = await emptyDatabase();
    await query(url, 'CREATE TABLE connector_state_cache (in_the_way integer)');

    await expect(migrate(url)).rejects.toMatchObject({
      code: 'DATABASE_NOT_MIGRATED',
      message: expect.stringMatching(
        /connector_state_cache.*already exists.*remove the cause and migrate again/,
      ),
    });
    // The migration before it stands: each is a transaction of its own.
    expect(await pendingMigrations(url)).toEqual(ALL.slice(1));

    await query(url, 'DROP TABLE connector_state_cache');
    expect(await migrate(url)).toEqual({ applied: ALL.slice(1), remade: [] });
  });

  it('refuses a database that a newer version migrated', async () => {
    const url = await emptyDatabase();
    await migrate(url);
    await query(
      url,
      `INSERT INTO connector_state_migration (timestamp, name) VALUES (9999999999999, 'Future9999999999999')`,
    );

    const refusal = await migrate(url).catch((error: unknown) => error);

    expect(refusal).toMatchObject({
      code: 'DATABASE_NOT_MIGRATED',
      message: expect.stringMatching(/newer version.*Future9999999999999.*Update connector-state/),
    });
  });
});

describe('migrate, when the database does not let it', () => {
  async function failure(url: string): Promise<ConnectorStateError> {
    const error = await migrate(url).then(
      () => new Error('migrated'),
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(ConnectorStateError);
    return error as ConnectorStateError;
  }

  it('names host and port of one that is not there, and no password', async () => {
    const error = await failure('postgresql://someone:s3cret-canary@127.0.0.1:1/missing');

    expect(error.code).toBe('DATABASE_UNAVAILABLE');
    expect(error.message).toContain('127.0.0.1:1');
    expect(error.message).toContain('ECONNREFUSED');
    expect(error.message).toContain('DATABASE_URL');
    expect(JSON.stringify(error) + error.stack).not.toContain('s3cret-canary');
  });

  it('says so when the login is refused', async () => {
    const url = new URL(await emptyDatabase());
    url.password = 's3cret-canary';

    const error = await failure(url.href);

    expect(error.message).toMatch(/refuses the login: check the user and the password/);
    expect(error.message).not.toContain('s3cret-canary');
  });

  it('says so when the database does not exist', async () => {
    const url = new URL(await emptyDatabase());
    url.pathname = '/no_such_database';

    expect((await failure(url.href)).message).toMatch(/no_such_database .*does not exist: create it/);
  });

  it('says which right is missing', async () => {
    const owner = await emptyDatabase();
    const role = `guest_${new URL(owner).pathname.slice(1)}`;
    await query(owner, `CREATE ROLE ${role} LOGIN PASSWORD 'guest'`);
    try {
      const url = new URL(owner);
      url.username = role;
      url.password = 'guest';

      const error = await failure(url.href);

      expect(error).toMatchObject({ code: 'DATABASE_REFUSED', reason: 'missing-right' });
      expect(error.message).toMatch(/permission denied for schema public.*role that owns the tables/);
    } finally {
      await query(owner, `DROP ROLE ${role}`);
    }
  });
});
