/**
 * Brings a database's tables to what this version needs: forward only, each migration in a transaction of
 * its own.
 *
 * Safe to run twice and from many processes at once: each transaction first takes an advisory lock, and then looks at
 * what is pending. In this order: two that look first would both find everything pending. The lock is the
 * transaction's, so it works through a transaction pooler, and whatever happens to the process it does not stay
 * behind. It is asked for again and again, not queued for, so that the wait has an end, can be given up at any
 * moment, and can say meanwhile who holds it. The same goes for tables that somebody else has locked.
 *
 * The migrations are TypeORM's; running them takes one connection and `query`, and no TypeORM, whose import costs
 * more than all of them, and whose pool would be a second connection.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'pg';
import type { QueryRunner } from 'typeorm';
import { ConnectorStateError } from '../base/errors.js';
import { DatabaseError, describeDatabaseError } from '../postgres/database-error.js';
import { BEGIN, UNBOUNDED } from '../postgres/transactions.js';
import { describeDatabase, explainDatabaseError, withConnection } from './connection.js';
import { advisoryLockHolders, describeHolders, tableLockHolders } from './lock-holders.js';
import { migrations } from './migrations/index.js';
import { missingTables, remake } from './remake.js';
import { checkVersion } from './server-version.js';

/** Any number that nothing else uses as an advisory lock in the same database. */
const MIGRATION_LOCK = 7_305_812;

/** Where TypeORM keeps the names of the migrations applied. */
export const MIGRATIONS_TABLE = 'connector_state_migration';

/** As TypeORM makes it. */
const CREATE_MIGRATIONS_TABLE = `CREATE TABLE IF NOT EXISTS ${MIGRATIONS_TABLE}
  (id serial PRIMARY KEY, "timestamp" bigint NOT NULL, name character varying NOT NULL)`;

/** By the name each gives itself, as TypeORM records it: a bundler may have shortened its class's. */
const KNOWN_MIGRATIONS = migrations.map(Migration => {
  const migration = new Migration();
  return { name: migration.name ?? Migration.name, migration };
});

const DEFAULT_WAIT_MS = 60_000;
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 500;
/** A statement that waits for a table lets nobody else at that table; so it does not wait long at a time. */
const TABLE_WAIT_MS = 2_000;
/** Long enough that two who start together do not tell of each other. */
const TELL_AFTER_MS = 1_000;

export interface MigrateOptions {
  /** Told of each migration applied, and of what is waited for. */
  readonly log?: (message: string) => void;
  /** How long to wait for other sessions' locks, in milliseconds. Default 60 000. */
  readonly waitMs?: number;
  /** Gives up: what was applied stands, the step under way leaves nothing. */
  readonly signal?: AbortSignal;
}

export interface Migrated {
  /** The names of the migrations applied, in order. */
  readonly applied: string[];
  /** Tables that had been made and were missing: they are there again, empty; see remake.ts. */
  readonly remade: string[];
}

/**
 * Applies what is pending, and makes anew what is missing of what was made.
 *
 * @returns both empty when there was nothing to do
 * @throws ConnectorStateError `DATABASE_UNAVAILABLE` when it cannot be reached, or somebody else's lock is in the way
 *   for longer than `waitMs`; `DATABASE_REFUSED` when the role may not create tables, or the server is too old;
 *   `DATABASE_NOT_MIGRATED` when the database is of a newer version than this code, or a migration failed (it left
 *   nothing behind); the signal's reason
 */
export function migrate(databaseUrl: string, options: MigrateOptions = {}): Promise<Migrated> {
  const { log = () => undefined, signal } = options;
  return withConnection(
    databaseUrl,
    'connector-state migrate',
    async client => {
      await assertVersion(client, databaseUrl, log);
      // Who has nothing to do waits for nobody.
      const isPending = pendingAfter(await knownApplied(client, databaseUrl)).length > 0;
      const isWhole = isPending || (await missingTables(client, databaseUrl)).length === 0;
      if (!isPending && isWhole) return { applied: [], remade: [] };
      await assertSchema(client, databaseUrl);
      const applied: string[] = [];
      const waiting = createWait(client, databaseUrl, options);
      for (;;) {
        const outcome = await attempt(client, databaseUrl);
        if (outcome.status === 'done') return { applied, remade: outcome.remade };
        if (outcome.status === 'applied') {
          applied.push(outcome.name);
          log(`applied migration ${outcome.name}`);
          waiting.over();
        } else {
          await waiting.pause(outcome.status);
        }
      }
    },
    signal,
  );
}

/**
 * What `migrate` would apply, or of what it applied would make anew.
 *
 * @throws as {@link migrate}
 */
export function pendingMigrations(databaseUrl: string): Promise<string[]> {
  return withConnection(databaseUrl, 'connector-state migrate', async client => {
    const pending = pendingAfter(await knownApplied(client, databaseUrl));
    if (pending.length > 0) return pending.map(({ name }) => name);
    return missingTables(client, databaseUrl);
  });
}

type Outcome =
  | { status: 'locked' | 'table-locked' }
  | { status: 'done'; remade: string[] }
  | { status: 'applied'; name: string };

/** The next migration, in one transaction; behind the last what is missing of what they made. */
async function attempt(client: Client, databaseUrl: string): Promise<Outcome> {
  let isFirst = false;
  await client.query(BEGIN);
  try {
    const { rows } = await client.query<{ held: boolean }>('SELECT pg_try_advisory_xact_lock($1) AS held', [
      MIGRATION_LOCK,
    ]);
    if (!rows[0]?.held) {
      await client.query('ROLLBACK');
      return { status: 'locked' };
    }
    const [next] = pendingAfter(await knownApplied(client, databaseUrl));
    isFirst = next === KNOWN_MIGRATIONS[0];
    await client.query(UNBOUNDED);
    await client.query(`SELECT set_config('lock_timeout', $1, true)`, [`${TABLE_WAIT_MS}ms`]);
    if (!next) {
      const remade = await missingTables(client, databaseUrl);
      if (remade.length > 0) await remake(client, remade, () => applyAll(client));
      await client.query('COMMIT');
      return { status: 'done', remade };
    }
    await client.query(CREATE_MIGRATIONS_TABLE);
    await next.migration.up(runnerOver(client));
    await client.query(`INSERT INTO ${MIGRATIONS_TABLE} ("timestamp", name) VALUES ($1, $2)`, [
      Number(next.name.slice(-TIMESTAMP_DIGITS)),
      next.name,
    ]);
    await client.query('COMMIT');
    return { status: 'applied', name: next.name };
  } catch (error) {
    // Should the connection be broken, the rollback has happened.
    await client.query('ROLLBACK').catch(() => undefined);
    if ((error as { code?: unknown }).code === LOCK_NOT_AVAILABLE) return { status: 'table-locked' };
    throw explainFailure(error, databaseUrl, isFirst);
  }
}

async function applyAll(client: Client): Promise<void> {
  for (const { migration } of KNOWN_MIGRATIONS) await migration.up(runnerOver(client));
}

const LOCK_NOT_AVAILABLE = '55P03';
const DUPLICATE_TABLE = '42P07';
const TIMESTAMP_DIGITS = 13;

const pendingAfter = (applied: readonly string[]) =>
  KNOWN_MIGRATIONS.filter(({ name }) => !applied.includes(name));

/** All that a migration of ours asks of TypeORM. */
const runnerOver = (client: Client): QueryRunner =>
  ({
    query: async (text: string, values?: unknown[]) => (await client.query(text, values)).rows,
  }) as unknown as QueryRunner;

/** The wait for somebody else's lock: with pauses that grow, an end, and a word about who it is. */
function createWait(client: Client, databaseUrl: string, options: MigrateOptions) {
  const { log = () => undefined, waitMs = DEFAULT_WAIT_MS, signal } = options;
  let sinceMs: number | undefined;
  let pauseMs = FIRST_PAUSE_MS;
  let told = false;
  const who = async (what: 'locked' | 'table-locked') =>
    what === 'locked'
      ? `the migration lock of ${describeDatabase(databaseUrl)} is held by ${describeHolders(await advisoryLockHolders(client, MIGRATION_LOCK))}`
      : `tables of ${describeDatabase(databaseUrl)} are in use by ${describeHolders(await tableLockHolders(client))}`;
  return {
    over() {
      sinceMs = undefined;
      pauseMs = FIRST_PAUSE_MS;
      told = false;
    },
    async pause(what: 'locked' | 'table-locked') {
      sinceMs ??= performance.now() - (what === 'table-locked' ? TABLE_WAIT_MS : 0);
      const waitedMs = performance.now() - sinceMs;
      if (waitedMs >= waitMs) {
        throw new DatabaseError(
          'busy',
          `${await who(what)}, for longer than the ${Math.round(waitMs / 1_000)} s that were waited: let it finish, or end it with pg_terminate_backend, and migrate again.`,
        );
      }
      if (!told && waitedMs >= TELL_AFTER_MS) {
        told = true;
        log(`waiting: ${await who(what)}`);
      }
      await delay(Math.min(pauseMs, waitMs - waitedMs), undefined, signal && { signal });
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    },
  };
}

/** @param isFirst nothing has been applied, as far as the list says */
function explainFailure(error: unknown, databaseUrl: string, isFirst: boolean): unknown {
  const explained = explainDatabaseError(error, databaseUrl);
  if (explained instanceof ConnectorStateError) return explained;
  if (isFirst && (error as { code?: unknown }).code === DUPLICATE_TABLE) {
    return new ConnectorStateError(
      'DATABASE_NOT_MIGRATED',
      `migrating ${describeDatabase(databaseUrl)} failed: ${describeDatabaseError(error).message}, and ${MIGRATIONS_TABLE} does not say that a migration made it. Restore that table from a backup, or give connector-state a schema of its own (ALTER ROLE … SET search_path).`,
      { cause: error },
    );
  }
  return new ConnectorStateError(
    'DATABASE_NOT_MIGRATED',
    `migrating ${describeDatabase(databaseUrl)} failed: ${describeDatabaseError(error).message}. What was applied ` +
      'before stands, the failed step left nothing: remove the cause and migrate again.',
    { cause: error },
  );
}

async function assertVersion(client: Client, databaseUrl: string, log: (message: string) => void) {
  const { rows } = await client.query<{ version: string; number: number }>(
    `SELECT current_setting('server_version') AS version, current_setting('server_version_num')::integer AS number`,
  );
  const { version = '', number = 0 } = rows[0] ?? {};
  const warning = checkVersion(describeDatabase(databaseUrl), version, number);
  if (warning) log(warning);
}

/** Without a schema to make them in, the first CREATE would fail with a sentence that names no remedy. */
async function assertSchema(client: Client, databaseUrl: string): Promise<void> {
  const { rows } = await client.query<{ schema: string | null; path: string }>(
    `SELECT current_schema() AS schema, current_setting('search_path') AS path`,
  );
  const { schema, path } = rows[0] ?? {};
  if (schema === 'pg_catalog' || schema === 'information_schema') {
    throw new DatabaseError(
      'refused',
      `${describeDatabase(databaseUrl)} would have its tables made in ${schema}, which is the server's own: ALTER ROLE … SET search_path to a schema for them (it is ${path}).`,
    );
  }
  if (schema != null) return;
  throw new DatabaseError(
    'refused',
    `${describeDatabase(databaseUrl)} has none of the schemas in its search_path (${path}): create one, or ALTER ROLE … SET search_path.`,
  );
}

async function knownApplied(client: Client, databaseUrl: string): Promise<readonly string[]> {
  const applied = await appliedMigrations(client);
  const unknown = applied.filter(name => !KNOWN_MIGRATIONS.some(known => known.name === name));
  if (unknown.length === 0) return applied;
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
