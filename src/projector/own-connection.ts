/**
 * A connection of one's own, for what must live and die with it: the lock of `run`, the transaction of a rebuild with
 * its temporary tables. It watches for its own loss, because a lock that is gone without anybody noticing is worse
 * than none, and it can be told to stop in the middle of a statement: closing the socket is not enough, a server that
 * waits for a lock or sorts a million rows would not notice before it is done. What has not stopped a moment after the
 * server was told is cut: a network that forgot the connection answers nothing for a quarter of an hour.
 *
 *   withDedicatedSession   the session itself is relied on, so it must be the server's own
 *   withOwnTransaction     one transaction is all that is relied on, so any pooler will do
 */
import { once } from 'node:events';
import type { Client, ClientBase } from 'pg';
import { type DriverClient, requestCancel } from '../postgres/cancel.js';
import { findPooling } from '../postgres/pooler.js';
import { statementNames } from '../postgres/statement-names.js';
import { endsAfterSilence, UNBOUNDED } from '../postgres/transactions.js';
import type { ProjectorContext } from './context.js';
import { type Began, cutWhenForgotten } from './forgotten-session.js';
import { atomically, createSession, overItsConnection, QueryFailure, type Session } from './session.js';

export interface OwnSession extends Session {
  /** Aborted when the connection is lost. */
  readonly lost: AbortSignal;
  readonly client: ClientBase;
}

/** What must live with a session cannot: a pooler gives each transaction another one. */
export class SharedSession extends Error {}

const CANCEL_TIMEOUT_MS = 2_000;
/** A server that is there has ended the statement by then, and closed the connection that said goodbye. */
const END_MS = 1_000;
/** Between two statements lies a page that is read from the log, at most. */
const FROZEN_MS = 60_000;

/** @throws SharedSession behind a transaction pooler; else as {@link withOwnTransaction} */
export function withDedicatedSession<T>(
  context: ProjectorContext,
  signal: AbortSignal | undefined,
  lockTimeoutMs: number,
  work: (session: OwnSession) => Promise<T>,
): Promise<T> {
  return withOwnConnection(context, signal, async session => {
    return watched(session, context.silentMs, 'backend_start', async begun => {
      // Before anything is set for the session, which may be somebody else's next.
      const pooling = await overItsConnection(findPooling(session.client, () => context.pool.connect()));
      if (pooling === 'transaction') throw new SharedSession('this pooler shares its sessions');
      // Waiting for the next event is this connection's normal state, not a runaway. Of a leader whose machine is gone the
      // server notices by its own probes, which it would make after two hours.
      await session.query(`SELECT set_config('statement_timeout', '0', false),
        set_config('lock_timeout', '${lockTimeoutMs}', false), set_config('idle_session_timeout', '0', false),
        set_config('idle_in_transaction_session_timeout', '0', false),
        set_config('default_transaction_isolation', 'read committed', false),
        set_config('default_transaction_read_only', 'off', false), set_config('extra_float_digits', '1', false),
        set_config('array_nulls', 'on', false),
        set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),
        set_config('tcp_keepalives_count', '4', false)`);
      await begun();
      return work(session);
    });
  });
}

/**
 * Until `begun` nothing is asked that waits for anybody: on a connection that is silent for so long nobody will answer. From
 * then on the server is asked ({@link cutWhenForgotten}).
 */
async function watched<T>(
  session: OwnSession,
  silentMs: number,
  what: Began,
  run: (begun: () => Promise<void>) => Promise<T>,
): Promise<T> {
  const cutting = setTimeout(() => cut(session.client), silentMs);
  let leave = () => clearTimeout(cutting);
  try {
    return await run(async () => {
      const end = await cutWhenForgotten(session, silentMs, what);
      leave();
      leave = end;
    });
  } finally {
    leave();
  }
}

const cut = (client: ClientBase) => (client as DriverClient).connection.stream.destroy();

/**
 * One transaction, as long as it takes. It is committed when `work` resolves; when `signal` is aborted `work` fails at
 * once, and nothing of it is left.
 * @param work done again when a pooler lost a prepared statement of it: what it did was undone by that
 * @throws QueryFailure, what `work` throws, the signal's reason
 */
export async function withOwnTransaction<T>(
  context: ProjectorContext,
  signal: AbortSignal | undefined,
  isolation: 'READ COMMITTED' | 'REPEATABLE READ',
  work: (session: OwnSession) => Promise<T>,
): Promise<T> {
  const attempt = () =>
    withOwnConnection(context, signal, session =>
      watched(session, context.silentMs, 'xact_start', begun =>
        atomically(session, async () => {
          if (isolation !== 'READ COMMITTED')
            await session.query(`SET TRANSACTION ISOLATION LEVEL ${isolation}`);
          await session.query(UNBOUNDED);
          await session.query(endsAfterSilence(FROZEN_MS));
          await begun();
          const result = await work(session);
          signal?.throwIfAborted();
          return result;
        }),
      ),
    );
  const names = statementNames(context.pool, context.namedStatements);
  try {
    return await attempt();
  } catch (error) {
    if (!(error instanceof QueryFailure && names.lost(error.cause))) throw error;
    return attempt();
  }
}

async function withOwnConnection<T>(
  context: ProjectorContext,
  signal: AbortSignal | undefined,
  work: (session: OwnSession) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const client = context.createClient();
  const lost = new AbortController();
  const lose = (error?: Error) =>
    lost.abort(new QueryFailure(error ?? new Error('the connection to the database was lost')));
  client.on('error', lose);
  client.on('end', () => lose());
  const driver = client as unknown as DriverClient;
  // Nobody may hear of the request; or it finds no statement under way, and the next begins behind it.
  const stop = async () => {
    await requestCancel(driver, CANCEL_TIMEOUT_MS);
    setTimeout(() => cut(client), END_MS).unref();
  };
  signal?.addEventListener('abort', stop, { once: true });
  try {
    await client.connect().catch(error => {
      throw new QueryFailure(error);
    });
    const session = createSession(client, statementNames(context.pool, context.namedStatements));
    return await work({ ...session, lost: lost.signal, client });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
    const cutting = setTimeout(() => cut(client), END_MS);
    await goodbye(client, lost.signal, lose);
    clearTimeout(cutting);
  }
}

async function goodbye(client: Client, lost: AbortSignal, lose: (error: Error) => void): Promise<void> {
  if (lost.aborted) return;
  const ended = once(lost, 'abort');
  await client.end().catch(lose);
  await ended;
}
