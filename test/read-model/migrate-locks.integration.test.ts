/** Locks that others hold in the way of a migration: the wait has an end, names the holder, and can be given up. */
import { afterEach, describe, expect, it } from '@jest/globals';
import type { Client } from 'pg';
import { createConnectorState } from '../../src/composition/connector-state.js';
import { pg } from '../../src/postgres/driver.js';
import { migrate, pendingMigrations } from '../../src/read-model/migrate.js';
import { migrations } from '../../src/read-model/migrations/index.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { keptLog } from '../support/log.js';
import { spawnNode } from '../support/run.js';
import { eventually } from '../support/world.js';

const LOCK = 'SELECT pg_advisory_lock(7305812)';

let database: TestDatabase | undefined;
let holder: Client | undefined;

afterEach(async () => {
  await holder?.end();
  holder = undefined;
  await database?.drop();
  database = undefined;
});

async function givenHolder(options: { migrated?: boolean; sql: string }): Promise<string> {
  database = await createTestDatabase({ migrated: options.migrated ?? false });
  holder = new pg.Client({ connectionString: database.url, application_name: 'somebody else' });
  await holder.connect();
  await holder.query(options.sql);
  return database.url;
}

const pidOf = (client: Client | undefined) => (client as unknown as { processID: number }).processID;

describe('migrate behind another session', () => {
  it('ends with the holder of the migration lock: pid, application and user', async () => {
    const url = await givenHolder({ sql: LOCK });

    const failure = await migrate(url, { waitMs: 30 }).catch((error: unknown) => error);

    expect(failure).toMatchObject({ code: 'DATABASE_UNAVAILABLE', reason: 'busy' });
    expect((failure as Error).message).toMatch(
      new RegExp(
        `held by pid ${pidOf(holder)} \\(somebody else, user \\w+, idle, for \\d+ s\\).*migrate again`,
      ),
    );
  });

  it('goes on when the lock is free, having said whom it waits for', async () => {
    const url = await givenHolder({ sql: LOCK });
    const said: string[] = [];

    const migrated = migrate(url, { log: message => said.push(message) });
    await eventually(async () =>
      expect(said).toEqual([expect.stringMatching(/^waiting: the migration lock of .* \(somebody else/)]),
    );
    await holder?.query('SELECT pg_advisory_unlock_all()');

    expect((await migrated).applied).toHaveLength(migrations.length);
  });

  it('names who has a table that a migration changes', async () => {
    const url = await givenHolder({ migrated: true, sql: 'SELECT 1' });
    await holder?.query(`DELETE FROM connector_state_migration WHERE name = 'StaleHits1764000000007'`);
    await holder?.query('ALTER TABLE cache_usage DROP COLUMN stale_hits');
    await holder?.query('BEGIN; SELECT FROM cache_usage');

    const failure = await migrate(url, { waitMs: 100 }).catch((error: unknown) => error);

    expect((failure as Error).message).toMatch(
      new RegExp(`tables .* are in use by pid ${pidOf(holder)} \\(somebody else`),
    );
    await holder?.query('COMMIT');
    expect(await migrate(url)).toEqual({ applied: ['StaleHits1764000000007'], remade: [] });
  });

  it('waits for nobody when there is nothing to do', async () => {
    const url = await givenHolder({ migrated: true, sql: LOCK });

    expect(await migrate(url, { waitMs: 0 })).toEqual({ applied: [], remade: [] });
  });

  it('is given up by the caller at once, also in the middle of a statement', async () => {
    const url = await givenHolder({ sql: LOCK });
    const giveUp = new AbortController();
    const reason = new Error('enough');

    const migrated = migrate(url, { signal: giveUp.signal });
    giveUp.abort(reason);

    await expect(migrated).rejects.toBe(reason);
    await eventually(async () => {
      const rows = await holder?.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'connector-state%'`,
      );
      expect(rows?.rowCount).toBe(0);
    });
    expect(await pendingMigrations(url)).toHaveLength(migrations.length);
  });

  it('as a command obeys SIGTERM, and leaves nothing behind', async () => {
    const url = await givenHolder({ sql: LOCK });
    const child = spawnNode(['dist/lib/connector-state.js', 'migrate'], {
      env: { DATABASE_URL: url, NODE_OPTIONS: undefined },
    });
    await child.waitForLine(/waiting: the migration lock/);

    child.process.kill('SIGTERM');

    expect(await child.ended).toMatchObject({ code: 130, signal: null });
  });
});

describe('createConnectorState behind another session', () => {
  it('starts without the database, and says who holds it', async () => {
    const url = await givenHolder({ sql: LOCK });
    const log = keptLog();

    const state = await createConnectorState({ databaseUrl: url, logger: log });
    await state.ready();

    expect(JSON.stringify(log.lines)).toMatch(/starting without the database/);
    expect(JSON.stringify(log.lines)).toMatch(/held by pid \d+ \(somebody else/);
    // What it needs the tables for goes on as soon as the lock is free.
    await holder?.query('SELECT pg_advisory_unlock_all()');
    expect(await (await state.projector()).catchUp()).toMatchObject({ caughtUp: true });
    await state.close();
  });
});
