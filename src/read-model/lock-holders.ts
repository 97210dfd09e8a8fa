/** Who holds what we wait for, as a sentence for whoever can do something about it. */
import type { ClientBase } from 'pg';

export interface LockHolder {
  readonly pid: number;
  readonly application: string;
  readonly user: string;
  readonly state: string;
  /** Of its transaction, or of its connection where it has none open; seconds. */
  readonly seconds: number;
}

const HOLDER = `a.pid, coalesce(nullif(a.application_name, ''), 'no name') AS application,
  coalesce(a.usename, 'another user') AS "user", coalesce(a.state, 'state not shown') AS state,
  coalesce(extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.backend_start)), 0)::float8 AS seconds`;

/** Of pg_advisory_lock(bigint), or of pg_advisory_lock(a table's oid, integer). */
export type AdvisoryKey = number | { readonly table: string; readonly number: number };

/** In this database. */
export async function advisoryLockHolders(client: ClientBase, key: AdvisoryKey): Promise<LockHolder[]> {
  const [matches, values] =
    typeof key === 'number'
      ? [
          `l.objsubid = 1 AND l.classid::bigint = $1::bigint >> 32 AND l.objid::bigint = $1::bigint & 4294967295`,
          [key],
        ]
      : [
          'l.objsubid = 2 AND l.classid = $1::regclass::oid AND l.objid::bigint = $2',
          [key.table, key.number],
        ];
  const { rows } = await client.query<LockHolder>(
    `SELECT ${HOLDER} FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
      WHERE l.locktype = 'advisory' AND l.granted AND l.pid <> pg_backend_pid()
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND ${matches}
      ORDER BY a.pid`,
    values,
  );
  return rows;
}

/** Sessions with an open transaction that holds a lock on one of our tables, and those that wait for them. */
export async function tableLockHolders(client: ClientBase): Promise<LockHolder[]> {
  const { rows } = await client.query<LockHolder>(
    `SELECT DISTINCT ON (a.pid) ${HOLDER} FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
      WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid()
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND l.relation IN (SELECT c.oid FROM pg_class c WHERE c.relkind IN ('r', 'p')
          AND c.relname ~ '^(connector_|exchange_clock|drift_|cache_usage|shadow_outcome|usage_|clock_usage_|projection_)')
      ORDER BY a.pid`,
  );
  return rows;
}

export const describeHolders = (holders: readonly LockHolder[]): string =>
  holders.length === 0
    ? 'a session that this role is not shown'
    : holders
        .map(
          ({ pid, application, user, state, seconds }) =>
            `pid ${pid} (${application}, user ${user}, ${state}, for ${Math.round(seconds)} s)`,
        )
        .join(', ');
