/** Trained models in the table `usage_model`: every version stays, with its training window and its back-test. */
import type { Pool } from 'pg';
import { epochMs } from '../read-model/lookup.js';
import type { Backtest } from './backtest.js';
import { isUsageModel, type UsageModel } from './learned.js';

export interface KeptModel {
  readonly version: number;
  /** Epoch milliseconds, the database's clock. */
  readonly trainedAtMs: number;
  readonly model: UsageModel;
  /** On uses after its training window, `learned` being this model. */
  readonly backtest: Backtest;
  /** The policy that won that by the margin; `none` where nobody did. */
  readonly winner: string;
}

interface Row {
  readonly version: number;
  readonly trainedAtMs: number;
  readonly winner: string;
  readonly model: unknown;
  readonly backtest: Backtest;
}

const COLUMNS = `version, ${epochMs('trained_at')} AS "trainedAtMs", winner, model, backtest`;

/** @returns its version. @throws whatever `pg` throws */
export async function keepModel(pool: Pool, model: UsageModel, backtest: Backtest): Promise<number> {
  const { rows } = await pool.query<{ version: number }>(
    `INSERT INTO usage_model (trained_from, trained_until, ttl_ms, winner, model, backtest)
     VALUES (to_timestamp($1::float8 / 1000), to_timestamp($2::float8 / 1000), $3, $4, $5, $6) RETURNING version`,
    [
      model.fromMs,
      model.untilMs,
      model.ttlMs,
      backtest.winner,
      JSON.stringify(model),
      JSON.stringify(backtest),
    ],
  );
  return (rows[0] as { version: number }).version;
}

/**
 * @param version `undefined`: the latest
 * @returns undefined where there is none, or none that this release can read
 * @throws whatever `pg` throws
 */
export async function keptModel(pool: Pool, version?: number): Promise<KeptModel | undefined> {
  const { rows } = await pool.query<Row>(
    `SELECT ${COLUMNS} FROM usage_model WHERE $1::integer IS NULL OR version = $1 ORDER BY version DESC LIMIT 1`,
    [version ?? null],
  );
  const [row] = rows;
  return row && isUsageModel(row.model) ? { ...row, model: row.model } : undefined;
}
