/**
 * The first connection of a process: opened, and at once asked all that is to be known before anything else. One wait
 * behind the connection's own, for a statement and a rehearsal that are sent together.
 *
 * The rehearsal is a lookup that finds nothing. The first of a process and connection takes several times as long as
 * any other (the server reads its catalogues and plans the statement, this process compiles the code), so it happens
 * here, where platforms allow a function most time, and not when a connector waits for it.
 */
import type { Pool } from 'pg';
import type { HostClock } from '../clock/host-clock.js';
import { statementNames } from '../postgres/statement-names.js';
import { type LookupKey, lookupOver } from './lookup.js';
import { isMigrated } from './schema-version.js';

const REHEARSAL_DEADLINE_MS = 1_000;

export const NOBODY: LookupKey = { cacheKey: '', exchange: 'BYBIT', environment: 'MAINNET' };

/**
 * @returns whether the tables are those of this release
 * @throws whatever `pg` throws
 */
export async function openFirstConnection(
  pool: Pool,
  { clock, namedStatements }: { readonly clock: HostClock; readonly namedStatements: boolean },
): Promise<boolean> {
  const client = await pool.connect();
  // A connection that breaks rejects its query and emits `error` too, which would end the process unheard.
  const heard = () => undefined;
  client.on('error', heard);
  let isSound = false;
  try {
    const migrated = isMigrated(client);
    // A table that somebody has locked must not hold this connection: it may be the only one.
    const signal = AbortSignal.timeout(REHEARSAL_DEADLINE_MS);
    const options = {
      now: () => clock.now(),
      wall: () => clock.wall(),
      signal,
    };
    // Whatever is wrong, the first true lookup meets it too, and says so.
    const rehearsed = lookupOver(client, [NOBODY], statementNames(pool, namedStatements), options).catch(
      () => undefined,
    );
    const answer = await migrated;
    await rehearsed;
    isSound = !signal.aborted;
    return answer;
  } finally {
    client.release(!isSound);
    client.off('error', heard);
  }
}
