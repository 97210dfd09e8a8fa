/** The read model's cold queries: statistics, the current sync of a connector, what a clean-up would remove. */
import type { Pool } from 'pg';
import type { Environment, Exchange } from '../events/connector.js';
import { epochMs } from './lookup.js';

export interface StateCounts {
  readonly total: number;
  readonly valid: number;
  readonly expired: number;
  /** Condemned and not yet replaced. */
  readonly invalid: number;
  readonly byExchange: Readonly<Partial<Record<Exchange, number>>>;
}

export interface UsageCounts {
  readonly totalHits: number;
  /** Of the hits: with something past its end, or in doubt, that was still good enough for the exchange's window. */
  readonly staleHits: number;
  readonly totalMisses: number;
  readonly hitsByTier: Readonly<Record<string, number>>;
  readonly syncs: number;
  readonly syncFailures: number;
  /** Signed requests that the exchange refused, except for lateness. */
  readonly authFailures: number;
  /** Refused because they came too late, while the clock was right. */
  readonly lateRequests: number;
  /** Signed requests that nobody, or not the exchange, answered. */
  readonly unreachable: number;
  readonly invalidations: number;
}

export async function countStates(pool: Pool): Promise<StateCounts> {
  const { rows } = await pool.query<{
    exchange: Exchange;
    total: string;
    valid: string;
    expired: string;
    invalid: string;
  }>(`
    SELECT exchange, count(*) AS total,
           count(*) FILTER (WHERE is_valid AND expires_at > clock_timestamp()) AS valid,
           count(*) FILTER (WHERE expires_at <= clock_timestamp()) AS expired,
           count(*) FILTER (WHERE NOT is_valid) AS invalid
      FROM connector_state_cache GROUP BY exchange ORDER BY exchange`);
  const sum = (of: (row: (typeof rows)[number]) => string) => rows.reduce((n, row) => n + Number(of(row)), 0);
  return {
    total: sum(row => row.total),
    valid: sum(row => row.valid),
    expired: sum(row => row.expired),
    invalid: sum(row => row.invalid),
    byExchange: Object.fromEntries(rows.map(row => [row.exchange, Number(row.total)])),
  };
}

export async function countUsage(pool: Pool): Promise<UsageCounts> {
  const { rows } = await pool.query<Record<string, string>>(`
    SELECT tier, sum(hits) AS hits, sum(stale_hits) AS stale_hits, sum(misses) AS misses, sum(syncs) AS syncs,
           sum(sync_failures) AS sync_failures, sum(invalidations) AS invalidations, sum(auth_failures) AS auth_failures,
           sum(late_requests) AS late_requests, sum(unreachable) AS unreachable
      FROM cache_usage GROUP BY tier ORDER BY tier`);
  const sum = (column: string) => rows.reduce((n, row) => n + Number(row[column]), 0);
  return {
    totalHits: sum('hits'),
    staleHits: sum('stale_hits'),
    totalMisses: sum('misses'),
    hitsByTier: Object.fromEntries(rows.filter(row => row.tier).map(row => [row.tier, Number(row.hits)])),
    syncs: sum('syncs'),
    syncFailures: sum('sync_failures'),
    authFailures: sum('auth_failures'),
    lateRequests: sum('late_requests'),
    unreachable: sum('unreachable'),
    invalidations: sum('invalidations'),
  };
}

export interface LateRequests {
  readonly exchange: Exchange;
  readonly environment: Environment;
  /** Refused for lateness alone: the clock was right. */
  readonly requests: number;
}

/** Since the hour in which `fromMs` (the database's clock) lies; exchanges without any are left out. */
export async function lateRequestsSince(pool: Pool, fromMs: number): Promise<LateRequests[]> {
  const { rows } = await pool.query<LateRequests>(
    `SELECT exchange, environment, sum(late_requests)::float8 AS requests FROM cache_usage
      WHERE late_requests > 0 AND hour >= date_trunc('hour', to_timestamp($1::float8 / 1000))
      GROUP BY exchange, environment ORDER BY exchange, environment`,
    [fromMs],
  );
  return rows;
}

/**
 * It goes into a fact: no float, which a server with few `extra_float_digits` would round. Times in rows are whole, and null
 * here where somebody wrote an infinite one.
 */
const wholeMs = (column: string) =>
  `CASE WHEN isfinite(${column}) THEN round(extract(epoch FROM ${column}) * 1000)::bigint END`;

export interface CurrentSync {
  readonly exchange: string;
  readonly environment: string;
  readonly scope: string;
  readonly syncId: string;
  readonly measuredAtMs: number;
  readonly referenceClock: string;
}

/** What an invalidation without a named sync condemns; `undefined` when there is no row. */
export async function currentSync(pool: Pool, cacheKey: string): Promise<CurrentSync | undefined> {
  const { rows } = await pool.query<CurrentSync>(
    `SELECT exchange, environment, scope, sync_id AS "syncId", reference_clock AS "referenceClock",
            ${wholeMs('last_sync_time')} AS "measuredAtMs"
       FROM connector_state_cache WHERE cache_key = $1`,
    [cacheKey],
  );
  const [row] = rows;
  return row && { ...row, measuredAtMs: Number(row.measuredAtMs ?? Number.NaN) };
}

/** The database's time (epoch ms, whole) and how many states have ended by then. */
export async function countExpired(pool: Pool): Promise<{ cutoffMs: number; expired: number }> {
  const { rows } = await pool.query<{ cutoff: string; expired: string }>(`
    WITH now AS MATERIALIZED (SELECT date_trunc('milliseconds', clock_timestamp()) AS at)
    SELECT (extract(epoch FROM now.at) * 1000)::bigint AS cutoff,
           (SELECT count(*) FROM connector_state_cache WHERE expires_at < now.at) AS expired
      FROM now`);
  return { cutoffMs: Number(rows[0]?.cutoff), expired: Number(rows[0]?.expired) };
}

/** A connector's row and the exchange's clock that it belongs to, as the tables have them, for people to look at. */
export interface StateInDetail {
  readonly nowMs: number;
  readonly exchange: string;
  readonly environment: string;
  readonly scope: string;
  readonly offsetMs: number;
  readonly uncertaintyMs: number;
  readonly ratePpm: number;
  readonly rateBoundPpm: number;
  readonly referenceClock: string;
  readonly syncId: string;
  readonly basis: string;
  readonly measuredAtMs: number;
  readonly expiresAtMs: number;
  readonly isValid: boolean;
  readonly invalidReason: string | null;
  readonly clock: ClockInDetail | null;
}

export interface ClockInDetail {
  readonly offsetMs: number;
  readonly uncertaintyMs: number;
  readonly ratePpm: number;
  readonly rateBoundPpm: number;
  readonly measuredAtMs: number;
  readonly expiresAtMs: number;
  readonly isValid: boolean;
  readonly epoch: number;
  /** 0 in the first epoch, whose beginning is not known. */
  readonly epochStartedAtMs: number;
  readonly sampleCount: number;
  readonly contestedSinceMs: number | null;
  readonly rivalHost: string | null;
  readonly memory: string;
}

/** @returns `undefined` when there is no row */
export async function stateInDetail(pool: Pool, cacheKey: string): Promise<StateInDetail | undefined> {
  const { rows } = await pool.query<StateInDetail>(
    `SELECT ${epochMs('clock_timestamp()')} AS "nowMs", s.exchange, s.environment, s.scope, s.time_offset AS "offsetMs",
            s.uncertainty_ms AS "uncertaintyMs", s.rate_ppm AS "ratePpm", s.rate_bound_ppm AS "rateBoundPpm",
            s.reference_clock AS "referenceClock", s.sync_id AS "syncId", s.basis,
            ${epochMs('s.last_sync_time')} AS "measuredAtMs", ${epochMs('s.expires_at')} AS "expiresAtMs",
            s.is_valid AS "isValid", s.invalid_reason AS "invalidReason",
            CASE WHEN x.sync_id IS NOT NULL THEN json_build_object(
              'offsetMs', x.time_offset, 'uncertaintyMs', x.uncertainty_ms, 'ratePpm', x.rate_ppm,
              'rateBoundPpm', x.rate_bound_ppm, 'measuredAtMs', ${epochMs('x.measured_at')},
              'expiresAtMs', ${epochMs('x.expires_at')}, 'isValid', x.is_valid, 'epoch', x.epoch,
              'epochStartedAtMs', ${epochMs('x.epoch_started_at')}, 'sampleCount', x.sample_count,
              'contestedSinceMs', ${epochMs('x.contested_since')}, 'rivalHost', x.rival_host, 'memory', x.memory)
            END AS clock
       FROM connector_state_cache s
       LEFT JOIN exchange_clock x USING (exchange, environment, scope, reference_clock)
      WHERE s.cache_key = $1`,
    [cacheKey],
  );
  return rows[0];
}
