/**
 * The shared clocks as they are now, for people and monitors: those that lookups use, which are the ones seen against
 * the clock of the server that answers. Those of servers that were failed over from stay in the table as history; so do
 * those of other hosts than the exchange's own that nobody has measured since yesterday, as each test server leaves one.
 */
import type { Pool } from 'pg';
import { inflate, type OffsetEstimate } from '../clock/offset.js';
import type { Distrusted } from '../clock/witness.js';
import { type ConnectorRef, DEFAULT_SCOPE, type Environment, type Exchange } from '../events/connector.js';
import { CLOCK_ID, epochMs } from './lookup.js';

export interface SharedClockSummary {
  readonly exchange: Exchange;
  readonly environment: Environment;
  /** `default`: the exchange's own host. */
  readonly scope: string;
  /** Exchange minus the database's clock, now, milliseconds. */
  readonly offsetMs: number;
  /** The offset's error is at most this, milliseconds. */
  readonly uncertaintyMs: number;
  /** Counts the steps of the exchange's clock, from 1. */
  readonly epoch: number;
  /** Of this epoch. */
  readonly samples: number;
  /** Condemned and not measured since: nobody uses it. */
  readonly isValid: boolean;
  /** Nothing has extended it: it is used only while its error is within the exchange's window. */
  readonly hasEnded: boolean;
  /** A host contradicts it, and no other has decided yet. */
  readonly contested: ContestSummary | null;
  /** Whom an operator does not believe about it. */
  readonly distrusted: readonly Distrusted[];
}

export interface ContestSummary {
  /** How long it has been going on, milliseconds. */
  readonly forMs: number;
  /** `host:` and the name of the machine that contradicts. */
  readonly rivalHost: string;
  /** What the rival says minus what was believed, now, milliseconds; `null` after a refusal that told no time. */
  readonly apartMs: number | null;
}

/** What a row says of an offset, as these queries name the columns. */
export interface EstimateColumns {
  readonly offsetMs: number;
  readonly uncertaintyMs: number;
  readonly measuredAtMs: number;
  readonly ratePpm: number;
  readonly rateBoundPpm: number;
}

export function estimateInRow(row: EstimateColumns): OffsetEstimate {
  const { offsetMs, uncertaintyMs, measuredAtMs: atMs, ratePpm, rateBoundPpm: boundPpm } = row;
  return { offsetMs, uncertaintyMs, atMs, rate: { ratePpm, boundPpm } };
}

interface Row
  extends EstimateColumns,
    Pick<SharedClockSummary, 'exchange' | 'environment' | 'scope' | 'epoch' | 'samples' | 'isValid'> {
  readonly nowMs: number;
  readonly expiresAtMs: number;
  readonly contestedSinceMs: number | null;
  readonly rivalHost: string | null;
  readonly rivalOffsetMs: number | null;
  readonly rivalAtMs: number | null;
  readonly memory: string;
}

const SQL = `
  WITH reference AS MATERIALIZED (SELECT ${CLOCK_ID} AS id, ${epochMs('clock_timestamp()')} AS now)
  SELECT x.exchange, x.environment, x.scope, x.epoch::float8 AS epoch, x.sample_count::float8 AS samples, x.is_valid AS "isValid",
         r.now AS "nowMs", ${epochMs('x.expires_at')} AS "expiresAtMs",
         x.time_offset AS "offsetMs", x.uncertainty_ms AS "uncertaintyMs",
         ${epochMs('x.measured_at')} AS "measuredAtMs", x.rate_ppm AS "ratePpm", x.rate_bound_ppm AS "rateBoundPpm",
         x.rival_host AS "rivalHost", ${epochMs('x.contested_since')} AS "contestedSinceMs",
         x.rival_offset AS "rivalOffsetMs", ${epochMs('x.rival_measured_at')} AS "rivalAtMs", x.memory
    FROM exchange_clock x JOIN reference r ON x.reference_clock = r.id
   WHERE x.scope = '${DEFAULT_SCOPE}' OR x.expires_at > clock_timestamp() - interval '1 day'
   ORDER BY x.exchange, x.environment, x.scope <> '${DEFAULT_SCOPE}', x.scope`;

/** @throws whatever `pg` throws */
export async function sharedClocks(pool: Pool): Promise<SharedClockSummary[]> {
  const { rows } = await pool.query<Row>(SQL);
  return rows.map(row => {
    const { offsetMs, uncertaintyMs } = inflate(estimateInRow(row), row.nowMs);
    const { exchange, environment, scope, epoch, samples, isValid } = row;
    const hasEnded = row.expiresAtMs <= row.nowMs;
    const place = { exchange, environment, scope };
    const clock = { ...place, offsetMs, uncertaintyMs, epoch, samples, isValid, hasEnded };
    return { ...clock, contested: contestOf(row, offsetMs), distrusted: refusedIn(row.memory) };
  });
}

/** A clock as others may sign by it. */
export interface UsableClock
  extends Pick<SharedClockSummary, 'exchange' | 'environment' | 'scope' | 'epoch'> {
  /** Exchange minus the database's clock, now. */
  readonly estimate: OffsetEstimate;
  /** Neither condemned nor contradicted by somebody. */
  readonly isValid: boolean;
}

/** @throws whatever `pg` throws */
export async function usableClocks(pool: Pool): Promise<UsableClock[]> {
  const { rows } = await pool.query<Row>(SQL);
  return rows.map(row => {
    const { exchange, environment, scope, epoch, nowMs, contestedSinceMs } = row;
    const isValid = row.isValid && contestedSinceMs === null;
    return { exchange, environment, scope, epoch, estimate: inflate(estimateInRow(row), nowMs), isValid };
  });
}

/** Written by anybody who may write the table: what is no list of names says nothing. */
function refusedIn(memory: string): Distrusted[] {
  try {
    const { refused } = JSON.parse(memory) as { refused?: Distrusted[] };
    return (refused ?? []).filter(({ host }) => typeof host === 'string');
  } catch {
    return [];
  }
}

/**
 * One connector of each clock that anybody's (or this user's) connectors go by: who was looked after last.
 * @throws whatever `pg` throws
 */
export async function connectorOfEachClock(pool: Pool, userId?: string): Promise<ConnectorRef[]> {
  const { rows } = await pool.query<ConnectorRef>(
    `SELECT DISTINCT ON (exchange, environment, scope)
            user_id AS "userId", credential_id AS "credentialId", exchange, environment, scope
       FROM connector_state_cache WHERE $1::text IS NULL OR user_id = $1
      ORDER BY exchange, environment, scope, updated_at DESC`,
    [userId ?? null],
  );
  return rows;
}

export interface ClockPlace {
  readonly exchange: Exchange;
  readonly environment: Environment;
  readonly scope: string;
  readonly referenceClock: string;
}

/** Every shared clock there is a row of, those of servers that were failed over from included. */
export async function knownClocks(pool: Pool): Promise<ClockPlace[]> {
  const { rows } = await pool.query<ClockPlace>(
    `SELECT exchange, environment, scope, reference_clock AS "referenceClock" FROM exchange_clock
     ORDER BY exchange, environment, scope, reference_clock`,
  );
  return rows;
}

/** Whom operators do not believe about any clock; each once. */
export async function distrustedHosts(pool: Pool): Promise<Distrusted[]> {
  const { rows } = await pool.query<{ memory: string }>(
    `SELECT memory FROM exchange_clock WHERE memory LIKE '%"refused"%'`,
  );
  const found = new Map<string, Distrusted>();
  for (const { host, login } of rows.flatMap(({ memory }) => refusedIn(memory))) {
    const one = login === undefined ? { host } : { host, login };
    found.set(JSON.stringify(one), one);
  }
  return [...found.values()];
}

function contestOf(row: Row, offsetMs: number): ContestSummary | null {
  const { contestedSinceMs, rivalHost, rivalOffsetMs, rivalAtMs, nowMs } = row;
  if (contestedSinceMs === null) return null;
  const says =
    rivalOffsetMs === null || rivalAtMs === null
      ? undefined
      : inflate({ offsetMs: rivalOffsetMs, uncertaintyMs: 0, atMs: rivalAtMs }, nowMs);
  return {
    forMs: Math.max(0, nowMs - contestedSinceMs),
    rivalHost: rivalHost ?? 'unknown',
    apartMs: says ? says.offsetMs - offsetMs : null,
  };
}
