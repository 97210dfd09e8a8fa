/**
 * `connector_state_cache` in one table, or hash-partitioned by `cache_key`, and from one to the other while lookups go on.
 *
 * It is the one read table that grows with the number of connectors. The shape is the operator's, not the schema's: nothing
 * else asks which it is, and migrations, projections and rebuilds write to it by its name.
 *
 *   lock the checkpoints ──► copy ──► indexes ──► lock the table, put the copy in its place ──► commit
 *   (projectors wait)        (lookups read the old one)  (lookups wait, for milliseconds)
 *
 * In one transaction, so that whatever happens on the way leaves the table as it was. The order of locks is the projector's
 * (projector/lock.ts). The last lock is asked for a fraction of a second at a time: while it is queued for, every lookup
 * queues behind it.
 *
 * A unique index of a partitioned table must have the partition key in it, hence the primary key of two columns. That is
 * also what Citus asks of a table that is distributed by `cache_key`.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from 'pg';
import { ConnectorStateError, InvalidInputError } from '../base/errors.js';
import { BEGIN, inTransaction, UNBOUNDED } from '../postgres/transactions.js';
import { withConnection } from './connection.js';
import { describeHolders, tableLockHolders } from './lock-holders.js';
import { GUARD, policiesOf } from './row-security.js';

const TABLE = 'connector_state_cache';
const COPY = 'connector_state_cache_copy';
const KEY = 'cache_key';
/** As the migrations made it. */
const STORAGE = 'WITH (fillfactor = 90)';
export const MAX_PARTITIONS = 1_024;

const LOCK_NOT_AVAILABLE = '55P03';
const TABLE_WAIT_MS = 200;
const PAUSE_MS = 500;

export interface ShardOptions {
  /** Told of each step. */
  readonly log?: (message: string) => void;
  /** How long to wait for other sessions' locks, in milliseconds. Default 60 000. */
  readonly waitMs?: number;
  /** Gives up and changes nothing. */
  readonly signal?: AbortSignal;
}

/** 1: one table. */
export interface Shape {
  readonly partitions: number;
}

/** @throws ConnectorStateError `DATABASE_NOT_MIGRATED`, `DATABASE_UNAVAILABLE` */
export const readShape = (databaseUrl: string, signal?: AbortSignal): Promise<Shape> =>
  withConnection(databaseUrl, 'connector-state shard', shapeOf, signal);

/**
 * @param databaseUrl as the owner of the table
 * @param partitions 1–1024; 1 makes it one table again
 * @returns what it was before
 * @throws InvalidInputError; ConnectorStateError `DATABASE_NOT_MIGRATED`, `DATABASE_UNAVAILABLE`, also when the locks were
 *   not to be had
 */
export async function shard(
  databaseUrl: string,
  partitions: number,
  options: ShardOptions = {},
): Promise<Shape> {
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > MAX_PARTITIONS) {
    throw new InvalidInputError(
      `partitions must be a whole number from 1 (one table) to ${MAX_PARTITIONS}, got ${partitions}`,
    );
  }
  const work = (client: Client) => reshape(client, partitions, options);
  return withConnection(databaseUrl, 'connector-state shard', work, options.signal);
}

async function shapeOf(client: Client): Promise<Shape> {
  const { rows } = await client.query<{ kind: string; partitions: number }>(
    `SELECT c.relkind AS kind, (SELECT count(*)::integer FROM pg_inherits WHERE inhparent = c.oid) AS partitions
       FROM pg_class c WHERE c.oid = to_regclass('${TABLE}')`,
  );
  const [found] = rows;
  if (!found) {
    throw new ConnectorStateError(
      'DATABASE_NOT_MIGRATED',
      `there is no table ${TABLE}: run \`connector-state migrate\` first`,
    );
  }
  return { partitions: found.kind === 'p' ? found.partitions : 1 };
}

async function reshape(client: Client, partitions: number, options: ShardOptions): Promise<Shape> {
  const { log = () => undefined, waitMs = 60_000, signal } = options;
  const endMs = performance.now() + waitMs;
  await client.query(BEGIN);
  try {
    await client.query(UNBOUNDED);
    await client.query(`SET LOCAL lock_timeout = ${Math.max(1, Math.ceil(waitMs))}`);
    await client
      .query('SELECT FROM projection_checkpoint ORDER BY projection FOR UPDATE')
      .catch(error => explainLock(error, 'projection_checkpoint', client));
    const before = await shapeOf(client);
    if (before.partitions === partitions) {
      await client.query('ROLLBACK');
      return before;
    }
    log(
      `copying into ${partitions === 1 ? 'one table' : `${partitions} partitions`}; projections wait, lookups go on`,
    );
    const indexes = await copy(client, partitions);
    await lockTable(client, endMs, signal);
    await putInPlace(client, indexes);
    await client.query('COMMIT');
    await inTransaction(client, () => client.query(`ANALYZE ${TABLE}`));
    return before;
  } catch (error) {
    // The connection is closed next; should it be broken already, the rollback has happened.
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

interface CopiedIndex {
  readonly name: string;
  /** Until it is put in place: names of indexes are a schema's own. */
  readonly copy: string;
}

/** @returns the indexes by their names and those of their copies */
async function copy(client: Client, partitions: number): Promise<CopiedIndex[]> {
  const isSplit = partitions > 1;
  const shape = isSplit ? `PARTITION BY HASH (${KEY})` : STORAGE;
  await client.query(`CREATE TABLE ${COPY} (LIKE ${TABLE} INCLUDING DEFAULTS INCLUDING COMMENTS) ${shape}`);
  for (let n = 0; isSplit && n < partitions; n++) {
    const name = `${TABLE}_${n}_of_${partitions}`;
    const values = `FOR VALUES WITH (MODULUS ${partitions}, REMAINDER ${n})`;
    await client.query(`CREATE TABLE ${name} PARTITION OF ${COPY} ${values} ${STORAGE}`);
  }
  await client.query(`INSERT INTO ${COPY} SELECT * FROM ${TABLE}`);
  const { rows } = await client.query<{ name: string; definition: string; constraint: string | null }>(
    `SELECT x.relname AS name, pg_get_indexdef(x.oid) AS definition,
            (SELECT pg_get_constraintdef(k.oid) FROM pg_constraint k WHERE k.conindid = x.oid AND k.conrelid = i.indrelid) AS constraint
       FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
      WHERE i.indrelid = '${TABLE}'::regclass ORDER BY x.relname`,
  );
  const copied: CopiedIndex[] = [];
  for (const [n, { name, definition, constraint }] of rows.entries()) {
    const index = { name, copy: `${COPY}_${n}` };
    if (constraint?.startsWith('PRIMARY KEY')) {
      const columns = isSplit ? `id, ${KEY}` : 'id';
      await client.query(`ALTER TABLE ${COPY} ADD CONSTRAINT ${index.copy} PRIMARY KEY (${columns})`);
    } else if (constraint) {
      await client.query(`ALTER TABLE ${COPY} ADD CONSTRAINT ${index.copy} ${constraint}`);
    } else {
      const made = /^CREATE (UNIQUE )?INDEX .*? ON (?:ONLY )?\S+ (USING .*)$/s.exec(definition);
      if (!made) throw new Error(`an index that is not understood: ${definition}`);
      await client.query(`CREATE ${made[1] ?? ''}INDEX ${index.copy} ON ${COPY} ${made[2]}`);
    }
    copied.push(index);
  }
  await copyGrants(client);
  for (const statement of await policiesOf(client, TABLE, COPY)) await client.query(statement);
  return copied;
}

/** Of the owner they come by themselves. */
async function copyGrants(client: Client): Promise<void> {
  const { rows } = await client.query<{ statement: string }>(
    `SELECT format('GRANT %s ON ${COPY} TO %s%s', a.privilege_type,
              CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
              CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) AS statement
       FROM pg_class c, aclexplode(c.relacl) a
      WHERE c.oid = '${TABLE}'::regclass AND a.grantee <> c.relowner`,
  );
  for (const { statement } of rows) await client.query(statement);
  const { rows: owners } = await client.query<{ statement: string }>(
    `SELECT format('ALTER TABLE ${COPY} OWNER TO %I', pg_get_userbyid(relowner)) AS statement
       FROM pg_class WHERE oid = '${TABLE}'::regclass AND relowner <> (SELECT relowner FROM pg_class WHERE oid = '${COPY}'::regclass)`,
  );
  for (const { statement } of owners) await client.query(statement);
}

async function lockTable(client: Client, endMs: number, signal: AbortSignal | undefined): Promise<void> {
  await client.query(`SET LOCAL lock_timeout = ${TABLE_WAIT_MS}`);
  for (;;) {
    signal?.throwIfAborted();
    await client.query('SAVEPOINT before_lock');
    try {
      await client.query(`LOCK TABLE ${TABLE} IN ACCESS EXCLUSIVE MODE`);
      return;
    } catch (error) {
      await client.query('ROLLBACK TO SAVEPOINT before_lock');
      if (performance.now() >= endMs) await explainLock(error, TABLE, client);
      if ((error as { code?: unknown }).code !== LOCK_NOT_AVAILABLE) throw error;
    }
    await pause(PAUSE_MS, undefined, { ...(signal && { signal }) });
  }
}

async function putInPlace(client: Client, indexes: readonly CopiedIndex[]): Promise<void> {
  // As late as this, for the table may have been given row-level security meanwhile.
  await client.query(GUARD);
  await client.query(`DROP TABLE ${TABLE}`);
  await client.query(`ALTER TABLE ${COPY} RENAME TO ${TABLE}`);
  for (const { name, copy: copied } of indexes) await client.query(`ALTER INDEX ${copied} RENAME TO ${name}`);
}

async function explainLock(error: unknown, table: string, client: Client): Promise<never> {
  if ((error as { code?: unknown }).code !== LOCK_NOT_AVAILABLE) throw error;
  await client.query('ROLLBACK').catch(() => undefined);
  const holders = describeHolders(await tableLockHolders(client).catch(() => []));
  throw new ConnectorStateError(
    'DATABASE_UNAVAILABLE',
    `${table} is locked by ${holders}, and nothing was changed: run it again, or with a longer --wait`,
    { cause: error },
  );
}
