/** How the cache did over time: hits, misses, syncs and failures, from the hourly counts. */
import type { Pool } from 'pg';
import { OF_MACHINE, parametersOf, rowsAsked, type SeriesQuery } from './series-query.js';

export interface UsageBucket {
  readonly startMs: number;
  readonly exchange: string;
  readonly environment: string;
  readonly scope: string;
  /** The machine that recorded it; null where all are counted together. */
  readonly host: string | null;
  readonly hits: number;
  readonly staleHits: number;
  /** Lookups that led to a sync. */
  readonly misses: number;
  /** hits / (hits + misses); null where nothing was looked up. */
  readonly hitRate: number | null;
  readonly hitsMemory: number;
  readonly hitsRedis: number;
  readonly hitsPostgres: number;
  readonly hitsExchangeClock: number;
  readonly syncs: number;
  readonly syncFailures: number;
  /** Refused for the timestamp, the clock being wrong. */
  readonly timestampRefusals: number;
  /** Refused for anything else. */
  readonly otherRefusals: number;
  /** Refused for lateness, the clock being right. */
  readonly lateRequests: number;
  readonly unreachable: number;
  readonly invalidations: number;
}

/**
 * @param query buckets of whole hours
 * @throws whatever `pg` throws
 */
export async function usageSeries(pool: Pool, query: SeriesQuery): Promise<UsageBucket[]> {
  const { rows } = await pool.query<UsageBucket>(SQL, parametersOf(query));
  return rows;
}

const sum = (column: string, filter?: string) =>
  `coalesce(sum(${column})${filter ? ` FILTER (WHERE ${filter})` : ''}, 0)::float8`;
const refused = (filter: string) => sum('auth_failures', filter);

const SQL = `
  SELECT floor(extract(epoch FROM hour) * 1000 / $3::float8) * $3::float8 AS "startMs", exchange, environment, scope,
         CASE WHEN $8::boolean THEN machine END AS host,
         ${sum('hits')} AS hits, ${sum('stale_hits')} AS "staleHits", ${sum('misses')} AS misses,
         (sum(hits) / nullif(sum(hits) + sum(misses), 0))::float8 AS "hitRate",
         ${sum('hits', `tier = 'memory'`)} AS "hitsMemory", ${sum('hits', `tier = 'redis'`)} AS "hitsRedis",
         ${sum('hits', `tier = 'postgres'`)} AS "hitsPostgres", ${sum('hits', `tier = 'exchange-clock'`)} AS "hitsExchangeClock",
         ${sum('syncs')} AS syncs, ${sum('sync_failures')} AS "syncFailures",
         ${refused(`failure_class = 'timestamp'`)} AS "timestampRefusals",
         ${refused(`failure_class <> 'timestamp'`)} AS "otherRefusals",
         ${sum('late_requests')} AS "lateRequests", ${sum('unreachable')} AS unreachable,
         ${sum('invalidations')} AS invalidations
    FROM cache_usage
   WHERE ${rowsAsked('hour')} AND ${OF_MACHINE}
   GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5 LIMIT $9`;
