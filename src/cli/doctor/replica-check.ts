/** Whether each server of `DATABASE_REPLICA_URL` is a replica, of this database, and linked to its clock. */
import type { Pool } from 'pg';
import { withDeadline } from '../../base/deadline.js';
import type { Logger } from '../../base/logging.js';
import { replicaUrls, type Settings } from '../../composition/settings.js';
import { destroyPool } from '../../postgres/bounded-pool.js';
import { describeDatabaseError } from '../../postgres/database-error.js';
import { createPool } from '../../postgres/pool.js';
import { describeDatabase } from '../../read-model/connection.js';
import { NOBODY } from '../../read-model/first-connection.js';
import { lookup } from '../../read-model/lookup.js';
import { type Check, ok, warn } from './check.js';

const DEADLINE_MS = 5_000;
const GOODBYE_MS = 500;
const NAME = 'replica';
const UNTIL_THEN = 'until then the primary answers';

/** @param primary of `DATABASE_URL` */
export function checkReplicas(primary: Pool, settings: Settings, log: Logger): Promise<Check[]> {
  return Promise.all(
    replicaUrls(settings.databaseReplicaUrl).map(async url => {
      const pool = createPool({ connectionString: url, max: 1, log });
      try {
        return await examine(primary, pool, url, settings);
      } catch (error) {
        const problem = `${describeDatabase(url)}: ${describeDatabaseError(error).message}`;
        return warn(NAME, problem, `start it, or correct DATABASE_REPLICA_URL; ${UNTIL_THEN}`);
      } finally {
        await withDeadline(pool.end(), GOODBYE_MS, () => destroyPool(pool));
      }
    }),
  );
}

async function examine(
  primary: Pool,
  pool: Pool,
  url: string,
  { namedStatements }: Settings,
): Promise<Check> {
  const ask = (of: Pool, more: { onReplica?: true } = {}) =>
    lookup(of, [NOBODY], {
      namedStatements,
      now: () => performance.now(),
      wall: () => performance.now(),
      signal: AbortSignal.timeout(DEADLINE_MS),
      ...more,
    });
  const where = describeDatabase(url);
  const [{ clockId, sample }, { replica, clockId: itself }] = await Promise.all([
    ask(primary),
    ask(pool, { onReplica: true }),
  ]);
  if (!replica?.isStandby) {
    const why = itself === clockId ? 'is the primary itself' : 'is no replica: it was promoted, perhaps';
    return warn(NAME, `${where} ${why}`, `name a streaming replica of DATABASE_URL; ${UNTIL_THEN}`);
  }
  const cluster = (id: string) => id.split(':')[1];
  if (cluster(itself) !== cluster(clockId)) {
    return warn(
      NAME,
      `${where} is a replica of another database`,
      `correct DATABASE_REPLICA_URL; ${UNTIL_THEN}`,
    );
  }
  const { link, renewedAtMs } = replica;
  if (!link) return ok(NAME, `${where} answers; its clock is not linked yet: who asks it first does that`);
  const agoS = Math.max(0, (sample.serverTimeMs - renewedAtMs) / 1_000);
  return ok(
    NAME,
    `${where} answers; its clock is linked to ${link.clockId} within ${link.uncertaintyMs.toFixed(1)} ms, it had come to where the primary was ${agoS.toFixed(0)} s ago`,
  );
}
