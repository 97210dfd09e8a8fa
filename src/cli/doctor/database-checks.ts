/** What the database says of itself: reachable, its tables, whose clock it is. */
import type { Pool } from 'pg';
import { isConnectorStateError } from '../../base/errors.js';
import { systemClock } from '../../clock/host-clock.js';
import { linkFromSample } from '../../clock/reference.js';
import { MAX_OFFSET_MS } from '../../events/catalogue.js';
import { describeDatabaseError, reasonOf, remedyOf, remedyOfState } from '../../postgres/database-error.js';
import { toDatabaseError } from '../../postgres/pool.js';
import { sharedClocks } from '../../read-model/clock-queries.js';
import { describeDatabase, describeFaultOfUrl } from '../../read-model/connection.js';
import { lookup } from '../../read-model/lookup.js';
import { pendingMigrations } from '../../read-model/migrate.js';
import { migrations } from '../../read-model/migrations/index.js';
import { versionProblem } from '../../read-model/server-version.js';
import { aheadOf } from '../quantities.js';
import { describeContest, describeDistrust, nameOfClock } from '../shared-clock-text.js';
import { type Check, fail, ok, warn } from './check.js';

const CLOCK_DEADLINE_MS = 5_000;
/** Harmless to us, who measure it, and a sign that nobody keeps this host's time. */
const LARGE_OFFSET_MS = 1_000;

export async function checkDatabase(url: string, pool: Pool): Promise<Check> {
  try {
    const startedMs = performance.now();
    const { rows } = await pool.query<{ version: string; number: number }>(
      `SELECT current_setting('server_version') AS version, current_setting('server_version_num')::integer AS number`,
    );
    const { version = '', number = 0 } = rows[0] ?? {};
    const tookMs = Math.round(performance.now() - startedMs);
    const said = `${describeDatabase(url)} answers in ${tookMs} ms, PostgreSQL ${version}`;
    const problem = versionProblem(number);
    if (!problem) return ok('database', said);
    return problem.tooOld
      ? fail('database', `${said}, which ${problem.text}`, 'upgrade the server')
      : warn('database', `${said}, which ${problem.text}`, 'look whether there is a newer connector-state');
  } catch (error) {
    const fault = describeFaultOfUrl(error, url, 'DATABASE_URL');
    return {
      ...fail(
        'database',
        fault ?? toDatabaseError(error).message,
        fault ? 'correct DATABASE_URL' : 'start the server, or correct DATABASE_URL',
      ),
      cause: fault ? 'settings' : 'unreachable',
    };
  }
}

/** @param setting whose database it is */
export async function checkTables(name: string, url: string): Promise<Check> {
  try {
    const pending = await pendingMigrations(url);
    return pending.length === 0
      ? ok(name, 'up to date')
      : fail(
          name,
          `missing: ${pending.join(', ')}`,
          pending.length < migrations.length
            ? 'run `connector-state migrate`'
            : 'run `connector-state migrate`; if that was done, the search_path of this role must name the tables’ schema, and the role have USAGE of it',
        );
  } catch (error) {
    return fail(name, (error as Error).message, remedyOfTables(error));
  }
}

/** The message says what is the matter; this, what to do about it. */
function remedyOfTables(error: unknown): string {
  if (isConnectorStateError(error, 'DATABASE_NOT_MIGRATED')) {
    return 'use the release that migrated it last, or a newer one';
  }
  const cause = (error as Error).cause ?? error;
  switch (reasonOf(error)) {
    case 'missing-right':
      return 'as the owner of the tables: `connector-state migrate --functions-role <this role>`, or `--worker-role`';
    case 'busy':
      return (
        remedyOfState(describeDatabaseError(cause).code) ??
        'see who holds what in pg_stat_activity, and try again'
      );
    case 'unreachable':
      return 'it answered a moment ago: try again, and look into the server’s log';
    default:
      return remedyOf(cause);
  }
}

export async function checkClock(pool: Pool, namedStatements: boolean): Promise<Check> {
  const { clockId, sample } = await lookup(
    pool,
    [{ cacheKey: '', exchange: 'BYBIT', environment: 'MAINNET' }],
    {
      namedStatements,
      now: () => systemClock.now(),
      wall: () => systemClock.wall(),
      signal: AbortSignal.timeout(CLOCK_DEADLINE_MS),
    },
  );
  const { offsetMs, uncertaintyMs } = linkFromSample(clockId, sample);
  const said = `${clockId}; it is ${aheadOf(offsetMs, uncertaintyMs)} this host`;
  if (clockId.includes(':standby-')) {
    return warn(
      'clock',
      `${said}; a standby answers`,
      'point DATABASE_URL at the primary: offsets are kept against its clock',
    );
  }
  if (Math.abs(offsetMs) > MAX_OFFSET_MS) {
    return warn(
      'clock',
      said,
      'set the one that is wrong (NTP): where it is the database’s, no offset is kept against it, and each machine measures for itself',
    );
  }
  return Math.abs(offsetMs) - uncertaintyMs > LARGE_OFFSET_MS
    ? warn('clock', said, 'it does no harm here, but let something keep one of the two clocks (NTP)')
    : ok('clock', said);
}

/** In a deployment at work the next init of another machine decides; see docs/operations.md. */
const LONG_CONTEST_MS = 10 * 60_000;

/** The clocks that all connectors share: one that a single machine contradicts for long is no use to anybody. */
export async function checkSharedClocks(pool: Pool): Promise<Check> {
  const clocks = await sharedClocks(pool);
  const contests = clocks.flatMap(({ contested, ...clock }) =>
    contested ? [{ ...contested, said: `${nameOfClock(clock)} is ${describeContest(contested)}` }] : [],
  );
  const said = [
    `${clocks.length} known`,
    ...(contests.length === 0 ? ['none contested'] : contests.map(contest => contest.said)),
    ...clocks
      .filter(({ distrusted }) => distrusted.length > 0)
      .map(clock => `${nameOfClock(clock)}: ${describeDistrust(clock)}`),
  ].join('; ');
  return contests.some(({ forMs }) => forMs > LONG_CONTEST_MS)
    ? warn(
        'shared clocks',
        said,
        'see whether that host lies, `connector-state drift --since 24h --by host`; an init on another machine decides, or `connector-state distrust --host`',
      )
    : ok('shared clocks', said);
}
