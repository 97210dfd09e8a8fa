/**
 * Gives roles the least they need, so that what runs in a function can neither rewrite history nor the read
 * tables.
 *
 * - A *functions role* appends and looks up: it may call the functions that append to the log and to the outbox
 *   (which run as their owner, so that nobody else writes there) and read everything.
 * - A *worker role* projects and relays: it may write the read tables, checkpoints and dead letters as well, make
 *   partitions and let forgotten hits go through the functions that do so as their owner, and take from the outbox what it forwarded.
 *   It reads the keys of the HTTP API, as `serve` does, and notes when one was used; it makes and revokes none.
 *   Functions that catch up the projections themselves, without a worker, need this role.
 *
 * Both measure how far a read replica's clock is from the primary's, and note it.
 *
 * Neither may import events, for who imports says when something was recorded.
 *
 * Nobody gets UPDATE, DELETE or TRUNCATE on events, and what a role had of it is taken away. Migrations change
 * the schema, so they run as the owner. Roles themselves, with their passwords, are made by
 * whoever runs the server.
 */
import type { Client } from 'pg';
import { ConnectorStateError, InvalidInputError } from '../base/errors.js';
import { pg } from '../postgres/driver.js';
import { BEGIN } from '../postgres/transactions.js';
import { describeDatabase, withConnection } from './connection.js';
import { TENANTS } from './row-security.js';

export interface PrivilegeRoles {
  /** An existing role: append and read. */
  readonly functionsRole?: string;
  /** An existing role: append, read and project. */
  readonly workerRole?: string;
}

export const EVENT_TABLES = [
  'connector_event',
  'connector_event_kept',
  'connector_event_hits',
  'connector_stream',
];
export const OUTBOX = 'connector_outbox';
/** Measured by whoever uses a read replica. */
export const REPLICA_LINK = 'connector_replica_link';
/** Of the HTTP API: hashes, which no function has any business with. */
export const API_KEYS = 'connector_api_key';
/** Trained forecasts. */
export const USAGE_MODELS = 'usage_model';
/** Without the partitions, which are read through their parent; with the table that tells the schema's version. */
export const READABLE = [
  'connector_event',
  'connector_stream',
  OUTBOX,
  USAGE_MODELS,
  'connector_state_migration',
];
export const READ_TABLES = [
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
/** Those that functions append with, with the types of their parameters. */
export const APPEND_FUNCTIONS = [
  'connector_event_append(jsonb, jsonb, integer)',
  'connector_event_append_together(uuid[], text[], text[], integer[], text, bigint[], text[], text[], text[], integer)',
  'connector_outbox_add(jsonb, boolean, integer)',
];
/** Drops only what is recorded as forgotten. */
const FORGET_FUNCTION = 'connector_event_forget_hits(integer)';
export const PARTITION_FUNCTION = 'connector_state_ensure_drift_partition(timestamptz)';

/**
 * Grants in one transaction: all or nothing. Safe to repeat.
 *
 * @param databaseUrl as the owner of the tables
 * @throws ConnectorStateError `INVALID_INPUT` when a role does not exist, `DATABASE_NOT_MIGRATED` when the
 *   tables do not, `DATABASE_UNAVAILABLE` when the database cannot be reached or the login owns nothing there
 */
export function grantPrivileges(databaseUrl: string, roles: PrivilegeRoles): Promise<void> {
  return withConnection(databaseUrl, 'connector-state grant', async client => {
    await client.query(BEGIN);
    try {
      if (roles.functionsRole !== undefined) await grant(client, roles.functionsRole, []);
      if (roles.workerRole !== undefined) await grant(client, roles.workerRole, WORKER_GRANTS);
      await client.query('COMMIT');
    } catch (error) {
      // The connection is closed next; should it be broken already, the rollback has happened.
      await client.query('ROLLBACK').catch(() => {});
      throw explain(error, databaseUrl);
    }
  });
}

const WORKER_GRANTS = [
  `GRANT INSERT, UPDATE, DELETE ON ${READ_TABLES.join(', ')} TO`,
  `GRANT UPDATE, DELETE ON ${OUTBOX} TO`,
  `GRANT SELECT, UPDATE (last_used_at) ON ${API_KEYS} TO`,
  `GRANT EXECUTE ON FUNCTION ${PARTITION_FUNCTION} TO`,
  `GRANT EXECUTE ON FUNCTION ${FORGET_FUNCTION} TO`,
];

async function grant(client: Client, role: string, more: readonly string[]): Promise<void> {
  await assertRole(client, role);
  await assertNoTenant(client, role);
  const schema = await schemaOf(client);
  const quoted = pg.escapeIdentifier(role);
  // A role may hold more from an earlier day, on the tables or on the partitions under them.
  await client.query(
    `REVOKE ALL ON ${[...EVENT_TABLES, OUTBOX, API_KEYS, REPLICA_LINK, ...READ_TABLES].join(', ')} FROM ${quoted}`,
  );
  await client.query(`REVOKE ALL ON SEQUENCE connector_event_position FROM ${quoted}`);
  const statements = [
    `GRANT USAGE ON SCHEMA ${schema} TO`,
    `GRANT SELECT ON ${[...READABLE, ...READ_TABLES].join(', ')} TO`,
    `GRANT SELECT, INSERT, UPDATE, DELETE ON ${REPLICA_LINK} TO`,
    `GRANT EXECUTE ON FUNCTION ${APPEND_FUNCTIONS.join(', ')} TO`,
    ...more,
  ];
  for (const statement of statements) await client.query(`${statement} ${quoted}`);
}

/** Where the tables are made and found, quoted. */
export async function schemaOf(client: Client): Promise<string> {
  const { rows } = await client.query<{ schema: string | null }>('SELECT current_schema() AS schema');
  return pg.escapeIdentifier(rows[0]?.schema ?? 'public');
}

async function assertRole(client: Client, role: string): Promise<void> {
  const { rows } = await client.query<{ superuser: boolean }>(
    'SELECT rolsuper AS superuser FROM pg_roles WHERE rolname = $1',
    [role],
  );
  const [found] = rows;
  if (found === undefined) {
    throw new InvalidInputError(
      `role ${JSON.stringify(role)} does not exist: create it first, for example CREATE ROLE … LOGIN PASSWORD …`,
    );
  }
  if (found.superuser) {
    throw new InvalidInputError(
      `role ${JSON.stringify(role)} is a superuser, whom no grant can limit: give a role of its own`,
    );
  }
}

/** The rights of these roles are more than a tenant's. */
async function assertNoTenant(client: Client, role: string): Promise<void> {
  const { rowCount } = await client.query(`SELECT FROM ${TENANTS} WHERE login = $1`, [role]);
  if (rowCount === 0) return;
  throw new InvalidInputError(
    `role ${JSON.stringify(role)} is bound to one user, as a tenant's login: \`connector-state tenants unbind\` it first, or give another role`,
  );
}

const MISSING_TABLE = '42P01';
const MISSING_FUNCTION = '42883';

function explain(error: unknown, databaseUrl: string): unknown {
  const { code, message } = error as { code?: string; message: string };
  if (code !== MISSING_TABLE && code !== MISSING_FUNCTION) return error;
  return new ConnectorStateError(
    'DATABASE_NOT_MIGRATED',
    `${describeDatabase(databaseUrl)} lacks connector-state's tables (${message}): run \`connector-state migrate\` first.`,
    { cause: error },
  );
}
