/**
 * Which clocks connectors go by, from the read tables; and one warm-up at a time among all instances on the database.
 *
 * The lock is the transaction's, so that it works through a pooler and ends with a process that dies: the next in the queue
 * takes over, and finds warm what was done by then.
 */
import { ConnectorStateError } from '../base/errors.js';
import { silentLogger } from '../base/logging.js';
import type { ConnectorRef } from '../events/connector.js';
import { createPool, toDatabaseError } from '../postgres/pool.js';
import { connectorOfEachClock } from '../read-model/clock-queries.js';

const LOCK = `SELECT pg_advisory_xact_lock(1668507762, 'exchange_clock'::regclass::oid::integer)`;
/** What a warm-up takes that is held up by time-outs of the exchanges. */
const MAX_WAIT_MS = 120_000;
const LOCK_NOT_AVAILABLE = '55P03';

/** One connector of each clock. @throws ConnectorStateError `DATABASE_UNAVAILABLE` */
export async function knownConnectors(databaseUrl: string, userId?: string): Promise<ConnectorRef[]> {
  const pool = poolOf(databaseUrl);
  try {
    return await connectorOfEachClock(pool, userId);
  } catch (error) {
    throw toDatabaseError(error);
  } finally {
    await pool.end();
  }
}

/** Waits for those who are at it. @throws ConnectorStateError `DATABASE_UNAVAILABLE`; what the work throws */
export async function inTurn<T>(databaseUrl: string, work: () => Promise<T>): Promise<T> {
  const pool = poolOf(databaseUrl);
  try {
    const client = await pool.connect().catch(error => {
      throw toDatabaseError(error);
    });
    try {
      try {
        await client.query('BEGIN');
        await client.query(
          `SELECT set_config('lock_timeout', '${MAX_WAIT_MS}', true), set_config('statement_timeout', '0', true),
                  set_config('idle_in_transaction_session_timeout', '0', true)`,
        );
        await client.query(LOCK);
      } catch (error) {
        if ((error as { code?: unknown }).code !== LOCK_NOT_AVAILABLE) throw toDatabaseError(error);
        throw new ConnectorStateError(
          'DATABASE_UNAVAILABLE',
          `another instance has been warming for ${MAX_WAIT_MS / 1_000} s: look whether it is stuck, or try again later`,
        );
      }
      return await work();
    } finally {
      // The work is done, or not, whatever became of the lock.
      await client.query('ROLLBACK').catch(() => undefined);
      client.release();
    }
  } finally {
    await pool.end();
  }
}

const poolOf = (connectionString: string) =>
  createPool({ connectionString, max: 1, log: silentLogger, queryTimeoutMs: MAX_WAIT_MS + 10_000 });
