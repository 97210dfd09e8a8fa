/**
 * One database connection as the projector uses it: rows come back as the text PostgreSQL sent (the row codec
 * knows the columns; pg's own type parsers would turn a time into a Date and lose a bigint), and a failed
 * statement says what kind of failure it was.
 *
 * Statements are named, so that each is planned once a connection. Some transaction poolers lose named statements
 * between transactions (postgres/statement-names.ts): there what failed for it is done again without names.
 */
import type { ClientBase, Pool } from 'pg';
import { describeDatabaseError, isTransientReason, reasonOf } from '../postgres/database-error.js';
import { sendsOn, sendTogether } from '../postgres/send-together.js';
import { type StatementNames, statementNames } from '../postgres/statement-names.js';
import { BEGIN } from '../postgres/transactions.js';

export type Cells = readonly (string | null)[];

export interface Session {
  /** `name` must stand for this very text. */
  query(text: string, values?: readonly unknown[], name?: string): Promise<readonly Cells[]>;
  /** @throws QueryFailure also where the server answers a COMMIT with ROLLBACK: something before it had failed */
  commit(): Promise<void>;
}

/** A statement or a connection failed. `sqlState` is undefined when the connection itself was the trouble. */
export class QueryFailure extends Error {
  readonly sqlState: string | undefined;

  constructor(cause: unknown) {
    const { code, message } = describeDatabaseError(cause);
    super(message, { cause });
    this.name = 'QueryFailure';
    this.sqlState = code !== undefined && /^(?=.*\d)[0-9A-Z]{5}$/.test(code) ? code : undefined;
  }

  /** A value the database would not take (class 22), or a constraint (class 23): the fault of an event. */
  get isAboutData(): boolean {
    return this.sqlState !== undefined && /^2[23]/.test(this.sqlState);
  }

  /** Lost connections, shutdowns, shortages, deadlocks, timeouts: the same may succeed later. */
  get isTransient(): boolean {
    return isTransientReason(reasonOf(this.cause)) || reasonOf(this.cause) === 'pooler';
  }
}

const AS_TEXT = { getTypeParser: () => (text: string) => text };

/**
 * Statements run one after the other in the order of the calls, so callers may overlap: while the server runs
 * one projection's statement the next projection is folded. Over a connection in pg's pipeline mode, as those of
 * our pools are, each is sent at once, so that statements whose calls wait for no answer cost one round trip together.
 */
export function createSession(client: ClientBase, names: StatementNames): Session {
  const goesOn = sendsOn(client);
  const run = async (text: string, values?: readonly unknown[], wanted?: string) => {
    const name = wanted === undefined ? undefined : names.nameOf(wanted, text);
    const query = () =>
      client.query<(string | null)[]>({
        text,
        rowMode: 'array',
        types: AS_TEXT as never,
        ...(values && { values: [...values] }),
        ...(name !== undefined && { name }),
      });
    try {
      return await (goesOn ? sendTogether(client, query) : query());
    } catch (error) {
      throw new QueryFailure(error);
    }
  };

  let last: Promise<unknown> = Promise.resolve();
  const inTurn: typeof run = (...statement) => {
    // pg would queue them as well, and calls that a mistake.
    const next = () => run(...statement);
    const result = last.then(next, next);
    last = result;
    return result;
  };
  const send = goesOn ? run : inTurn;
  return {
    query: async (text, values, name) => (await send(text, values, name)).rows,
    commit: async () => {
      const { command } = await send('COMMIT');
      if (command !== 'COMMIT') throw new QueryFailure(new Error('the transaction was rolled back'));
    },
  };
}

/** Of statements that are sent past a session over its connection. @throws QueryFailure */
export const overItsConnection = <T>(asked: Promise<T>): Promise<T> =>
  asked.catch(error => {
    throw new QueryFailure(error);
  });

/**
 * Runs `work` between BEGIN and COMMIT. READ COMMITTED
 * whatever the database's default: what is read after waiting for a lock must be what the lock's holder left. A failure
 * undoes it and is passed on; when undoing fails too the connection is gone, and the transaction with it.
 */
export async function atomically<T>(session: Session, work: () => Promise<T>): Promise<T> {
  await session.query(BEGIN);
  try {
    const result = await work();
    await session.commit();
    return result;
  } catch (error) {
    await session.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/** The same for a part of a transaction that is open already. */
export async function partly<T>(session: Session, work: () => Promise<T>): Promise<T> {
  await session.query('SAVEPOINT page');
  try {
    const result = await work();
    await session.query('RELEASE SAVEPOINT page');
    return result;
  } catch (error) {
    await session.query('ROLLBACK TO SAVEPOINT page').catch(() => undefined);
    throw error;
  }
}

/**
 * Borrows a connection. One that failed is not given back but closed, for what state it is in nobody knows.
 *
 * @param work done again, over another connection, when a pooler lost a prepared statement of it: what it did in a
 *   transaction was undone by that
 */
export async function withPooledSession<T>(
  pool: Pool,
  namedStatements: boolean,
  work: (session: Session, client: ClientBase) => Promise<T>,
): Promise<T> {
  const names = statementNames(pool, namedStatements);
  try {
    return await borrowing(pool, names, work);
  } catch (error) {
    if (!(error instanceof QueryFailure && names.lost(error.cause))) throw error;
    return borrowing(pool, names, work);
  }
}

async function borrowing<T>(
  pool: Pool,
  names: StatementNames,
  work: (session: Session, client: ClientBase) => Promise<T>,
): Promise<T> {
  const client = await pool.connect().catch(error => {
    throw new QueryFailure(error);
  });
  // A borrowed connection that breaks emits `error` as well as failing the query that was under way.
  const ignore = () => undefined;
  client.on('error', ignore);
  let failure: unknown;
  try {
    return await work(createSession(client, names), client);
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    client.release(failure instanceof QueryFailure);
    client.off('error', ignore);
  }
}
