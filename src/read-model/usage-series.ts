/** How the cache did over time: hits, misses, syncs and failures, from the hourly counts. */
import type { Pool } from 'pg';
import type { Environment, Exchange } from '../events/connector.js';

export interface UsageQuery {
  readonly fromMs: number;
  readonly untilMs: number;
  /** Of whole hours. */
  readonly bucketMs: number;
  readonly exchange?: Exchange | undefined;
  readonly environment?: Environment | undefined;
  readonly scope?: string | undefined;
  /** A machine's name. */
  readonly host?: string | undefined;
  /** A line a machine; otherwise all together. */
  readonly byHost: boolean;
  readonly limit: number;
}

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

/** @throws whatever `pg` throws */
export async function usageSeries(pool: Pool, query: UsageQuery): Promise<UsageBucket[]> {
  const { fromMs, untilMs, bucketMs, byHost, limit } = query;
  const { exchange = null, environment = null, scope = null, host = null } = query;
  const from = Math.floor(fromMs / bucketMs) * bucketMs;
  const values = [from, untilMs, bucketMs, exchange, environment, scope, host, byHost, limit];
  const { rows } = await pool.query<UsageBucket>(SQL, values);
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
   WHERE hour >= to_timestamp($1::float8 / 1000) AND hour <= to_timestamp($2::float8 / 1000)
     AND ($4::text IS NULL OR exchange = $4) AND ($5::text IS NULL OR environment = $5)
     AND ($6::text IS NULL OR scope = $6) AND ($7::text IS NULL OR machine = $7)
   GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5 LIMIT $9`;
