/** The shared clocks of the exchanges' own hosts in the figures that a monitor wants, by the database's clock. */
import type { Pool } from 'pg';
import { inflate } from '../clock/offset.js';
import { DEFAULT_SCOPE } from '../events/connector.js';
import { type EstimateColumns, estimateInRow } from './clock-queries.js';
import { CLOCK_ID, epochMs } from './lookup.js';

export interface ClockOfExchange {
  readonly exchange: string;
  readonly environment: string;
  /** Exchange minus database, now. */
  readonly offsetMs: number;
  /** The offset's error is at most this, now. */
  readonly uncertaintyMs: number;
  readonly ratePpm: number;
  readonly rateBoundPpm: number;
  /** Below 0: it has ended. */
  readonly expiresInMs: number;
  readonly epoch: number;
  readonly isContested: boolean;
}

interface Row extends EstimateColumns {
  readonly exchange: string;
  readonly environment: string;
  readonly epoch: number;
  readonly nowMs: number;
  readonly expiresAtMs: number;
  readonly isContested: boolean;
}

const SQL = `
  WITH reference AS MATERIALIZED (SELECT ${CLOCK_ID} AS id, ${epochMs('clock_timestamp()')} AS now)
  SELECT x.exchange, x.environment, x.epoch::float8 AS epoch, r.now AS "nowMs",
         ${epochMs('x.expires_at')} AS "expiresAtMs", x.time_offset AS "offsetMs", x.uncertainty_ms AS "uncertaintyMs",
         ${epochMs('x.measured_at')} AS "measuredAtMs", x.rate_ppm AS "ratePpm", x.rate_bound_ppm AS "rateBoundPpm",
         x.contested_since IS NOT NULL AS "isContested"
    FROM exchange_clock x JOIN reference r ON x.reference_clock = r.id
   WHERE x.scope = '${DEFAULT_SCOPE}' AND x.is_valid`;

const DEAD_LETTERS =
  'SELECT count(*)::float8 AS count FROM projection_dead_letter WHERE dismissed_at IS NULL';

/** @throws whatever `pg` throws */
export async function clocksOfExchanges(pool: Pool): Promise<ClockOfExchange[]> {
  const { rows } = await pool.query<Row>(SQL);
  return rows.map(({ exchange, environment, epoch, nowMs, expiresAtMs, isContested, ...row }) => {
    const { offsetMs, uncertaintyMs } = inflate(estimateInRow(row), nowMs);
    const { ratePpm, rateBoundPpm } = row;
    const expiresInMs = expiresAtMs - nowMs;
    return {
      exchange,
      environment,
      offsetMs,
      uncertaintyMs,
      ratePpm,
      rateBoundPpm,
      expiresInMs,
      epoch,
      isContested,
    };
  });
}

/** @throws whatever `pg` throws */
export async function countDeadLetters(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(DEAD_LETTERS);
  return rows[0]?.count ?? 0;
}
