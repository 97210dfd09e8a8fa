/**
 * What our statements rely on, said in a way that every pooler lets through.
 *
 * A database, a role or another client of the same pooler may have set any isolation level, `read only`, few digits for
 * floats, or timeouts. Start-up options could override them, but PgBouncer refuses those it does not know; SET for the
 * session stays on a server connection that a transaction pooler gives to somebody else next. What is said inside a
 * transaction holds for exactly that, behind any of them, and costs nothing when it travels in BEGIN's own message.
 *
 * So a transaction of ours begins with {@link BEGIN}. A statement alone (an append: one call of one SQL function) runs
 * under the server's defaults, which is one round trip; where these do not do, the function or the server says so
 * before anything is stored, and the statement is sent again between BEGIN and COMMIT, as are all that follow.
 */
import type { ClientBase, Pool } from 'pg';
import { reasonOf } from './database-error.js';

const OPENING = 'BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE';

/**
 * One message, one round trip. Floats come with all their digits, or a fold would not find what it wrote, and NULL in an
 * array is null and no text.
 */
export const BEGIN = `${OPENING}; SET LOCAL extra_float_digits = 1; SET LOCAL array_nulls = on`;

/** For what takes as long as it takes; its waits for locks are bounded by who asks for them. */
export const UNBOUNDED = `SELECT set_config(name, '0', true) FROM pg_settings WHERE name IN ('statement_timeout',
  'lock_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')`;

/**
 * Who is frozen in the middle of a transaction (a function whose response has been sent) keeps its locks, and all others
 * wait, until it thaws; a server notices one that is gone for good after two hours. So the server ends what is silent for
 * longer than whoever began it ever is between two statements.
 */
export const endsAfterSilence = (ms: number): string =>
  `SET LOCAL idle_in_transaction_session_timeout = ${ms}`;

/** For whom nothing lies between two statements. */
const AT_ONCE_MS = 10_000;

const needBegin = new WeakSet<object>();

/** Whether the server's defaults were found not to do; all users of a pool learn from each other. */
export const needsTransactions = (pool: Pool): boolean => needBegin.has(pool);

/**
 * @returns whether the statement must be sent again in a transaction: nothing of it was executed. Once that is what
 *   was refused, it is a refusal.
 */
export function learnFrom(pool: Pool, error: unknown): boolean {
  const reason = reasonOf(error);
  if (needBegin.has(pool) || (reason !== 'isolation' && reason !== 'read-only')) return false;
  needBegin.add(pool);
  return true;
}

/** @throws what the statement, BEGIN or COMMIT threw; the transaction is over then */
export async function inTransaction<T>(client: ClientBase, run: () => Promise<T>): Promise<T> {
  try {
    await client.query(`${OPENING}; ${endsAfterSilence(AT_ONCE_MS)}`);
    const result = await run();
    const { command } = await client.query('COMMIT');
    // The server answers a COMMIT behind a failure with ROLLBACK and no error.
    if (command !== 'COMMIT') throw new Error(`the transaction ended with ${command}, not COMMIT`);
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}
