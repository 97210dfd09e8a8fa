/**
 * Brings a database's tables to what this version needs: forward only, each migration in a transaction of
 * its own.
 *
 * Safe to run twice and from many processes at once: an advisory lock, held by a connection of its own for
 * as long as the migrations run, lets one at a time look at what is pending. It must be taken before that
 * look: two that look first would both find everything pending. If the process dies, the lock goes with its
 * connection. (A lock of the session, so give a direct connection, not one through a transaction pooler.)
 */
import type { Client } from 'pg';
import { ConnectorStateError, isConnectorStateError } from '../errors.js';
import { describeDatabaseError } from '../postgres/pool.js';
import { describeDatabase, explainDatabaseError, withConnection } from './connection.js';
import { createDataSource, MIGRATIONS_TABLE } from './data-source.js';
import { migrations } from './migrations/index.js';

/** Any number that nothing else uses as an advisory lock in the same database. */
const MIGRATION_LOCK = 7_305_812;

/** By the name each gives itself, as TypeORM records it: a bundler may have shortened its class's. */
const KNOWN_MIGRATIONS = migrations.map(Migration => new Migration().name ?? Migration.name);

export interface MigrateOptions {
  /** Told of each migration applied. */
  readonly log?: (message: string) => void;
}

/**
 * Applies what is pending.
 *
 * @returns the names of the migrations applied, in order; empty when there was nothing to do
 * @throws ConnectorStateError `DATABASE_UNAVAILABLE` when it cannot be reached or the role may not create
 *   tables; `DATABASE_NOT_MIGRATED` when the database is of a newer version than this code, or a migration
 *   failed (it left nothing behind)
 */
export function migrate(databaseUrl: string, options: MigrateOptions = {}): Promise<{ applied: string[] }> {
  return withConnection(databaseUrl, 'connector-state migrate', async client => {
    await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await assertNotNewer(client, databaseUrl);
    const dataSource = createDataSource(databaseUrl, 'connector-state migrate');
    try {
      await dataSource.initialize();
      const applied = (await dataSource.runMigrations()).map(migration => migration.name);
      for (const name of applied) options.log?.(`applied migration ${name}`);
      return { applied };
    } catch (error) {
      throw explainFailure(error, databaseUrl);
    } finally {
      if (dataSource.isInitialized) await dataSource.destroy();
    }
  });
}

/**
 * What `migrate` would apply.
 *
 * @throws as {@link migrate}
 */
export function pendingMigrations(databaseUrl: string): Promise<string[]> {
  return withConnection(databaseUrl, 'connector-state migrate', async client => {
    await assertNotNewer(client, databaseUrl);
    const applied = await appliedMigrations(client);
    return KNOWN_MIGRATIONS.filter(name => !applied.includes(name));
  });
}

function explainFailure(error: unknown, databaseUrl: string): unknown {
  const explained = explainDatabaseError(error, databaseUrl);
  if (isConnectorStateError(explained)) return explained;
  return new ConnectorStateError(
    'DATABASE_NOT_MIGRATED',
    `migrating ${describeDatabase(databaseUrl)} failed: ${describeDatabaseError(error).message}. What was applied ` +
      'before stands, the failed step left nothing: remove the cause and migrate again.',
    { cause: error },
  );
}

async function assertNotNewer(client: Client, databaseUrl: string): Promise<void> {
  const unknown = (await appliedMigrations(client)).filter(name => !KNOWN_MIGRATIONS.includes(name));
  if (unknown.length === 0) return;
  throw new ConnectorStateError(
    'DATABASE_NOT_MIGRATED',
    `${describeDatabase(databaseUrl)} was migrated by a newer version of connector-state: this one does not ` +
      `know ${unknown.join(', ')}. Update connector-state; migrations are never undone.`,
  );
}

async function appliedMigrations(client: Client): Promise<string[]> {
  const { rows: tables } = await client.query<{ name: string | null }>('SELECT to_regclass($1) AS name', [
    MIGRATIONS_TABLE,
  ]);
  if (tables[0]?.name == null) return [];
  const { rows } = await client.query<{ name: string }>(`SELECT name FROM ${MIGRATIONS_TABLE} ORDER BY id`);
  return rows.map(row => row.name);
}
