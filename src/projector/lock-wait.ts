/**
 * Waiting for a lock of ours that another session has. The wait has an end where somebody wants one, can be given up at
 * any moment, and says who is waited for.
 *
 *   leading     the standby is blocked in the database, so that it takes over the moment the leader's connection ends;
 *               for some seconds at a time, between which it looks who the leader is. It says so when it is another
 *   rebuilding  asked for again and again within the rebuild's transaction, which an error would end
 */
import type { ClientBase } from 'pg';
import { ConnectorStateError } from '../base/errors.js';
import { DatabaseError } from '../postgres/database-error.js';
import { advisoryLockHolders, describeHolders, tableLockHolders } from '../read-model/lock-holders.js';
import type { ProjectorContext } from './context.js';
import { LOCK, LOCK_FOR_SESSION, TRY_LOCK_FOR_REBUILD } from './lock.js';
import type { OwnSession } from './own-connection.js';
import { overItsConnection, QueryFailure, type Session, withPooledSession } from './session.js';

export interface WaitOptions {
  /** Give up after so many milliseconds. Default: never. */
  readonly waitMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Of a leader for a lock at a time: of the standby's wait, of a page behind somebody who has locked the tables. */
export const LEADER_LOCK_TIMEOUT_MS = 5_000;
/** Of a rebuild for the checkpoints and tables, when it switches. */
export const SWITCH_LOCK_TIMEOUT_MS = 60_000;

const SET_LOCK_TIMEOUT = `SELECT set_config('lock_timeout', $1, false)`;
const LOCK_NOT_AVAILABLE = '55P03';
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 500;
/** Long enough that two who start together do not tell of each other. */
const TELL_AFTER_MS = 1_000;

/** Somebody else has what was asked for, and the time for it is over. */
export const isLockTaken = (error: unknown): boolean =>
  error instanceof QueryFailure && error.sqlState === LOCK_NOT_AVAILABLE;

/**
 * The projector's lock, for as long as the session lives.
 * @throws ConnectorStateError `DATABASE_UNAVAILABLE` after `waitMs`, naming the leader
 */
export async function waitToLead(
  context: ProjectorContext,
  session: OwnSession,
  { waitMs = Number.POSITIVE_INFINITY }: WaitOptions,
): Promise<void> {
  const { nowMs, log } = context;
  const startedMs = nowMs();
  let told: string | undefined;
  for (;;) {
    const leftMs = startedMs + waitMs - nowMs();
    const sliceMs = Math.max(1, Math.min(LEADER_LOCK_TIMEOUT_MS, Math.ceil(leftMs)));
    await session.query(SET_LOCK_TIMEOUT, [String(sliceMs)]);
    try {
      await session.query(LOCK_FOR_SESSION);
      await session.query(SET_LOCK_TIMEOUT, [String(LEADER_LOCK_TIMEOUT_MS)]);
      return;
    } catch (error) {
      if (!isLockTaken(error)) throw error;
    }
    const holders = await leadersNow(session);
    const pids = holders.map(({ pid }) => pid).join();
    if (nowMs() - startedMs >= waitMs) {
      throw gaveUp(
        `the projector's lock is held by ${describeHolders(holders)}`,
        nowMs() - startedMs,
        'start again',
      );
    }
    if (pids === told) continue;
    told = pids;
    log.warn(
      {},
      `standing by: the projector's lock is held by ${describeHolders(holders)}; this process takes over when that ends`,
    );
  }
}

/**
 * The lock that rebuilds queue for, for the length of the transaction.
 * @throws ConnectorStateError `DATABASE_UNAVAILABLE` after `waitMs`, naming the holder
 */
export async function waitToRebuild(
  context: ProjectorContext,
  session: OwnSession,
  { waitMs = Number.POSITIVE_INFINITY, signal }: WaitOptions,
): Promise<void> {
  const { nowMs, sleep, log } = context;
  const startedMs = nowMs();
  let pauseMs = FIRST_PAUSE_MS;
  let hasTold = false;
  for (;;) {
    signal?.throwIfAborted();
    const [row] = await session.query(TRY_LOCK_FOR_REBUILD);
    if (row?.[0] === 't') return;
    const waitedMs = nowMs() - startedMs;
    const isOver = waitedMs >= waitMs;
    if (isOver || (!hasTold && waitedMs >= TELL_AFTER_MS)) {
      const who = `another rebuild is at work: ${describeHolders(await overItsConnection(advisoryLockHolders(session.client, LOCK.rebuild)))}`;
      if (isOver) throw gaveUp(who, waitedMs, 'rebuild again');
      log.warn({}, `waiting: ${who}`);
      hasTold = true;
    }
    await sleep(Math.min(pauseMs, waitMs - waitedMs), signal);
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
}

const leadersNow = ({ client }: { readonly client: ClientBase }) =>
  overItsConnection(advisoryLockHolders(client, LOCK.projector));

/** Who has our tables or the projector's lock now, as half a sentence; `undefined` where nobody does. */
export async function holdersNow({ pool, namedStatements }: ProjectorContext): Promise<string | undefined> {
  return withPooledSession(pool, namedStatements, async (_: Session, client) => {
    const leaders = await leadersNow({ client });
    const holders = leaders.length > 0 ? leaders : await overItsConnection(tableLockHolders(client));
    return holders.length === 0 ? undefined : describeHolders(holders);
  });
}

/** What a wait for tables or checkpoints that timed out becomes: who has them. */
export async function tablesInUse({ client }: Pick<OwnSession, 'client'>): Promise<DatabaseError> {
  return new DatabaseError(
    'busy',
    `the read tables are in use by ${describeHolders(await overItsConnection(tableLockHolders(client)))}: let it finish, or end it with pg_terminate_backend`,
  );
}

function gaveUp(who: string, waitedMs: number, then: string): ConnectorStateError {
  return new ConnectorStateError(
    'DATABASE_UNAVAILABLE',
    `${who}, for longer than the ${Math.round(waitedMs / 1_000)} s that were waited: let it finish, or end it with pg_terminate_backend, and ${then}`,
  );
}
