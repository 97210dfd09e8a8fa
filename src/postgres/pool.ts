/**
 * Connection pools.
 *
 * A pooled connection that breaks while idle emits `error` on the pool; without a listener that would end
 * the process, and the next query says the same thing anyway, so it is logged and forgotten.
 */
import type { Logger } from '../base/logging.js';
import { type BoundedPool, createBoundedPool } from './bounded-pool.js';
import { onLostStatements } from './statement-names.js';

export { describeDatabaseError, toDatabaseError } from './database-error.js';

export interface PoolSettings {
  readonly connectionString: string;
  readonly max: number;
  readonly log: Logger;
  readonly applicationName?: string;
  /** A statement that takes longer is ended, on the server too. Default {@link QUERY_TIMEOUT_MS}. */
  readonly queryTimeoutMs?: number;
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
  queryTimeoutMs = QUERY_TIMEOUT_MS,
}: PoolSettings): BoundedPool {
  // No start-up option but the name: a pooler refuses those it does not know. See transactions.ts for what
  // statements rely on.
  const pool = createBoundedPool({
    connectionString,
    max,
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: queryTimeoutMs,
    // Also where the timer could not run: see bounded-pool.ts.
    idleTimeoutMillis: 30_000,
    allowExitOnIdle: true,
    keepAlive: true,
    // A network forgets what says nothing for some minutes; and of one that is gone the next statement would not hear.
    keepAliveInitialDelayMillis: 10_000,
    // Who borrows a connection may send on before it has been answered (see projector/session.ts); who awaits each
    // statement notices nothing.
    pipeline: true,
  });
  pool.on('error', error => log.debug({ error: error.message }, 'an idle database connection was lost'));
  // Between being handed out and being listened to by who asked for it a connection may break as well, and an error
  // that nobody hears would end the process. Whoever holds it meets the error in its next query.
  pool.on('connect', client => client.on('error', () => undefined));
  onLostStatements(pool, () =>
    log.info(
      {},
      'a pooler does not keep prepared statements: going on without them (NAMED_STATEMENTS=false saves the attempt)',
    ),
  );
  return pool;
}
