/**
 * The first connection of a process: opened, and at once asked all that is to be known before anything else, without a
 * wait for the answers. Whoever looks something up meanwhile sends it behind them over the same connection, so a cold
 * process's first lookup is answered one wait after the connection is there.
 *
 * What is asked: whether the tables are there, and a rehearsal, a lookup that finds nothing. The first of a process and
 * connection takes several times as long as any other (the server reads its catalogues and plans the statement, this
 * process compiles the code), so it is under way while whoever opens has other things to do.
 *
 *   connected ──► asked, rides taken ──all answered──► back in the pool, no rides any more
 *                        └──── an answer nobody waits for any more ──► cut: what is under way is ended on the server
 */
import type { Pool } from 'pg';
import type { Ending } from '../base/deadline.js';
import type { HostClock } from '../clock/host-clock.js';
import { type StatementNames, statementNames } from '../postgres/statement-names.js';
import { isServerError, type LookupKey, type LookupReply, lookupOver } from './lookup.js';
import { isMigrated } from './schema-version.js';

const REHEARSAL_DEADLINE_MS = 1_000;

export const NOBODY: LookupKey = { cacheKey: '', exchange: 'BYBIT', environment: 'MAINNET' };

/** The rehearsal's name may fail to come into being, which is no loss of names: who rides behind it does without. */
const NAMELESS: StatementNames = { nameOf: () => undefined, lost: () => false, areLost: true };

export interface FirstConnection {
  /** Whether the tables are those of this release. @throws whatever `pg` throws */
  readonly isMigrated: Promise<boolean>;
  /** A lookup that goes along; `undefined` once the connection has been given back. Rejects as `lookup()` does. */
  ride(keys: readonly LookupKey[], signal: Ending): Promise<LookupReply> | undefined;
}

/**
 * Resolves when it is connected, and has sent its questions.
 *
 * @throws whatever `pg` throws
 */
export async function openFirstConnection(
  pool: Pool,
  { clock, namedStatements }: { readonly clock: HostClock; readonly namedStatements: boolean },
): Promise<FirstConnection> {
  const client = await pool.connect();
  // A connection that breaks rejects its queries and emits `error` too, which would end the process unheard.
  const heard = () => undefined;
  client.on('error', heard);
  let isBack = false;
  let underWay = 0;
  const giveBack = (isSound: boolean) => {
    if (isBack) return;
    isBack = true;
    client.release(!isSound);
    client.off('error', heard);
  };
  const untilAnswered = async <T>(asked: Promise<T>, signal?: Ending): Promise<T> => {
    underWay++;
    try {
      return await asked;
    } catch (error) {
      // Nobody waits for the answer, and the server may be at it for long; or there will be none.
      if (signal?.aborted || !isServerError(error as Error)) giveBack(false);
      throw error;
    } finally {
      if (--underWay === 0) giveBack(true);
    }
  };
  const look = (keys: readonly LookupKey[], names: StatementNames, signal: Ending) =>
    untilAnswered(
      lookupOver(client, keys, names, { now: () => clock.now(), wall: () => clock.wall(), signal }),
      signal,
    );

  const migrated = untilAnswered(isMigrated(client));
  migrated.catch(() => undefined);
  // A table that somebody has locked must not hold this connection: it may be the only one. Whatever is wrong, the
  // first true lookup meets it too, and says so.
  const signal = AbortSignal.timeout(REHEARSAL_DEADLINE_MS);
  look([NOBODY], statementNames(pool, namedStatements), signal).catch(() => undefined);
  return {
    isMigrated: migrated,
    ride: (keys, itsSignal) => (isBack ? undefined : look(keys, NAMELESS, itsSignal)),
  };
}
