/**
 * Connection pools, and what a failure of the database is called.
 *
 * A pooled connection that breaks while idle emits `error` on the pool; without a listener that would end
 * the process, and the next query says the same thing anyway, so it is logged and forgotten.
 */
import type { Pool } from 'pg';
import { ConnectorStateError } from '../errors.js';
import type { Logger } from '../logging.js';
import { pg } from './driver.js';

export interface PoolSettings {
  readonly connectionString: string;
  readonly max: number;
  readonly log: Logger;
  readonly applicationName?: string;
}

const CONNECT_TIMEOUT_MS = 5_000;
/**
 * A network that swallows packets ends no connection for a quarter of an hour. Above anything a pooled statement
 * takes; what runs longer (migrations, rebuilds) has connections of its own.
 */
const QUERY_TIMEOUT_MS = 30_000;

export function createPool({
  connectionString,
  max,
  log,
  applicationName = 'connector-state',
}: PoolSettings): Pool {
  const pool = new pg.Pool({
    connectionString,
    max,
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    // A frozen function never runs its idle timers; the platform closes what it thaws too late.
    idleTimeoutMillis: 30_000,
    allowExitOnIdle: true,
    keepAlive: true,
    // Who borrows a connection may send on before it has been answered (see projector/session.ts); who awaits each
    // statement notices nothing.
    pipeline: true,
  });
  pool.on('error', error => log.debug({ error: error.message }, 'an idle database connection was lost'));
  // Between being handed out and being listened to by who asked for it a connection may break as well, and an error
  // that nobody hears would end the process. Whoever holds it meets the error in its next query.
  pool.on('connect', client => client.on('error', () => undefined));
  return pool;
}

const MISSING_TABLE = '42P01';
const MISSING_FUNCTION = '42883';
const MISSING_PRIVILEGE = '42501';

/** The database's errors in our terms. The message keeps the SQLSTATE or errno and never the connection string. */
export function toDatabaseError(error: unknown): ConnectorStateError {
  if (error instanceof ConnectorStateError) return error;
  const { code, message } = describeDatabaseError(error);
  if (code === MISSING_TABLE || code === MISSING_FUNCTION) {
    return new ConnectorStateError(
      'DATABASE_NOT_MIGRATED',
      `the database lacks connector-state's tables (${message}): run \`connector-state migrate\``,
    );
  }
  if (code === MISSING_PRIVILEGE) {
    return new ConnectorStateError(
      'DATABASE_UNAVAILABLE',
      `the database role lacks a privilege (${message}): grant it with \`connector-state migrate --functions-role\` or \`--worker-role\``,
    );
  }
  return new ConnectorStateError(
    'DATABASE_UNAVAILABLE',
    `the database cannot be used (${code ? `${code}: ` : ''}${message}): check DATABASE_URL and that the server runs`,
  );
}

/** Connecting to a name with several addresses fails with an AggregateError that has no message of its own. */
export function describeDatabaseError(error: unknown): { code: string | undefined; message: string } {
  if (error instanceof AggregateError && error.errors.length > 0)
    return describeDatabaseError(error.errors[0]);
  const code = (error as { code?: unknown })?.code;
  return {
    code: typeof code === 'string' ? code : undefined,
    message: error instanceof Error ? error.message : 'unknown error',
  };
}
