/**
 * A connection of one's own, for what must live and die with a connection: the lock of `run`, the temporary
 * tables of `rebuild`. It watches for its own loss, because a lock that is gone without anybody noticing is
 * worse than none, and it can be told to stop in the middle of a statement: closing the socket is not enough,
 * a server that waits for a lock or sorts a million rows would not notice before it is done.
 */
import { once } from 'node:events';
import { DatabaseError } from '../postgres/database-error.js';
import { findPooling } from '../postgres/pooler.js';
import { statementNames } from '../postgres/statement-names.js';
import type { ProjectorContext } from './context.js';
import { createSession, QueryFailure, type Session } from './session.js';

export interface DedicatedSession extends Session {
  /** Aborted when the connection is lost. */
  readonly lost: AbortSignal;
}

/** What must live with a connection cannot: a pooler gives each transaction another one. */
export class SharedSession extends DatabaseError {
  constructor() {
    super(
      'pooler',
      'DATABASE_URL leads through a pooler that gives each transaction another session, and this needs one of its own: give it the address of the server itself, or of a pooler in session mode',
    );
  }
}

/** The connection is closed when `work` ends, however it ends; when `signal` is aborted `work` fails at once. */
export async function withDedicatedSession<T>(
  context: ProjectorContext,
  signal: AbortSignal | undefined,
  work: (session: DedicatedSession) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const client = context.createClient();
  const lost = new AbortController();
  const lose = (error?: Error) =>
    lost.abort(new QueryFailure(error ?? new Error('the connection to the database was lost')));
  client.on('error', lose);
  client.on('end', () => lose());
  try {
    await client.connect().catch(error => {
      throw new QueryFailure(error);
    });
    // Before anything is set for the session, which may be somebody else's next.
    if ((await findPooling(client, () => context.pool.connect())) === 'transaction')
      throw new SharedSession();
    const session = createSession(client, statementNames(context.pool, context.namedStatements));
    // Waiting for a lock, or for the next event, is this connection's normal state, not a runaway.
    await session.query(`SELECT set_config('statement_timeout', '0', false),
      set_config('lock_timeout', '0', false), set_config('idle_session_timeout', '0', false),
      set_config('idle_in_transaction_session_timeout', '0', false),
      set_config('default_transaction_isolation', 'read committed', false),
      set_config('default_transaction_read_only', 'off', false), set_config('extra_float_digits', '1', false)`);
    const [pid] = await session.query('SELECT pg_backend_pid()');
    const cancel = () => {
      context.pool
        .query('SELECT pg_cancel_backend($1)', [Number(pid?.[0])])
        .catch(error => context.log.debug({ error: error.message }, 'a statement could not be cancelled'));
    };
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      return await work({ ...session, lost: lost.signal });
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    await close();
  }

  async function close(): Promise<void> {
    if (lost.signal.aborted) return;
    const ended = once(lost.signal, 'abort');
    await client.end().catch(lose);
    await ended;
  }
}
