/** Single measurements, thinned to as many as can be drawn: every so manieth of a range, the same each time. */
import type { Pool } from 'pg';
import { SANDBOXES } from '../clock/machine.js';
import { analyse } from './analysis.js';
import { epochMs } from './lookup.js';

export interface SampleQuery {
  /** Epoch ms, by the reference clock. */
  readonly fromMs: number;
  readonly untilMs: number;
  readonly exchange?: string | undefined;
  readonly environment?: string | undefined;
  readonly scope?: string | undefined;
  /** A machine's name: `host` without the process. */
  readonly machine?: string | undefined;
  readonly limit: number;
}

export interface DrawnSample {
  readonly exchange: string;
  readonly environment: string;
  readonly scope: string;
  readonly atMs: number;
  /** Exchange minus reference clock, as this sample alone says, milliseconds. */
  readonly offsetMs: number;
  readonly uncertaintyMs: number;
  readonly roundTripMs: number;
  /** Who measured. */
  readonly machine: string;
  /** `''` where the event does not say. */
  readonly source: string;
  readonly trigger: string;
}

/** As machineOf() in src/clock/machine.ts. */
const MACHINE = `CASE WHEN host ~ '^(host:)?169\\.254\\.' THEN '${SANDBOXES}'
                      ELSE split_part(regexp_replace(host, '^host:', ''), '/', 1) END`;

/**
 * Of a longer range only a part is read, the last: a year of samples is a hundred million, and a picture of single samples
 * says nothing then. What the answer covers is in `fromMs`.
 */
const MOST_READ = 50_000;

export interface RoundTrips {
  readonly total: number;
  /** `null`: there are none. */
  readonly roundTripMedianMs: number | null;
  readonly roundTripP99Ms: number | null;
}

/** How long the last samples of a range took, {@link MOST_READ} at most. @throws whatever `pg` throws */
export async function roundTrips(pool: Pool, fromMs: number, untilMs: number): Promise<RoundTrips> {
  const { rows } = await analyse(pool, client =>
    client.query<{ total: number; q: [number, number] | null }>(
      `SELECT count(*)::float8 AS total, percentile_disc(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY round_trip_ms) AS q
       FROM (SELECT round_trip_ms FROM drift_sample
              WHERE sampled_at >= to_timestamp($1::float8 / 1000) AND sampled_at < to_timestamp($2::float8 / 1000)
              ORDER BY sampled_at DESC LIMIT ${MOST_READ}) AS read`,
      [fromMs, untilMs],
    ),
  );
  const { total = 0, q } = rows[0] ?? {};
  return { total, roundTripMedianMs: q?.[0] ?? null, roundTripP99Ms: q?.[1] ?? null };
}

/** `total`: how many there are from `fromMs` on, more than are listed; round trips are of all of them. */
export interface DrawnSamples extends RoundTrips {
  /** The first moment that the samples cover. */
  readonly fromMs: number;
  /** In the order of time. */
  readonly samples: readonly DrawnSample[];
}

/** @throws whatever `pg` throws */
export async function drawnSamples(pool: Pool, query: SampleQuery): Promise<DrawnSamples> {
  const { fromMs, untilMs, exchange, environment, scope, machine, limit } = query;
  const { rows } = await analyse(pool, client =>
    client.query<DrawnSample & { total: number; firstMs: number; median: number; p99: number }>(
      `WITH read AS MATERIALIZED (
       SELECT exchange, environment, scope, sampled_at, sync_id, offset_ms, uncertainty_ms, round_trip_ms, host, source, sync_trigger
         FROM drift_sample
        WHERE sampled_at >= to_timestamp($1::float8 / 1000) AND sampled_at < to_timestamp($2::float8 / 1000)
          AND ($3::text IS NULL OR exchange = $3) AND ($4::text IS NULL OR environment = $4)
          AND ($5::text IS NULL OR scope = $5)
          AND ($6::text IS NULL OR ${MACHINE} = $6)
        ORDER BY sampled_at DESC, sync_id DESC LIMIT ${MOST_READ}),
     numbered AS (SELECT *, row_number() OVER (ORDER BY sampled_at, sync_id) AS n, count(*) OVER () AS total,
                         min(sampled_at) OVER () AS first_at FROM read),
     trips AS (SELECT percentile_disc(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY round_trip_ms) AS q FROM read)
     SELECT exchange, environment, scope, ${epochMs('sampled_at')} AS "atMs", offset_ms AS "offsetMs",
            uncertainty_ms AS "uncertaintyMs", round_trip_ms AS "roundTripMs", ${MACHINE} AS machine, source, sync_trigger AS trigger,
            total::float8 AS total, ${epochMs('first_at')} AS "firstMs", q[1] AS median, q[2] AS p99
       FROM numbered, trips WHERE n % greatest(1, ceil(total / $7::float8)::bigint) = 0
      ORDER BY sampled_at, sync_id`,
      [fromMs, untilMs, exchange ?? null, environment ?? null, scope ?? null, machine ?? null, limit],
    ),
  );
  const total = rows[0]?.total ?? 0;
  const coveredFromMs = total < MOST_READ ? fromMs : (rows[0]?.firstMs ?? fromMs);
  const samples = rows.map(({ total: _, firstMs: __, median: ___, p99: ____, ...sample }) => sample);
  const [first] = rows;
  return {
    fromMs: coveredFromMs,
    total,
    roundTripMedianMs: first?.median ?? null,
    roundTripP99Ms: first?.p99 ?? null,
    samples,
  };
}
