/**
 * Drift as a series: the samples of each clock in buckets of time, summed up by the database, so that what travels is a row a
 * bucket however many samples there are. Short buckets are made from the samples, those of whole hours from the roll-up.
 *
 * The rate of a bucket is the slope of the weighted regression of offset over time, put together from the hours' centred
 * sums: T. Chan, G. Golub, R. LeVeque, "Algorithms for computing the sample variance" (1983). Times are taken from the
 * bucket's start, or their squares would leave no digits for the slope.
 */
import type { Pool } from 'pg';
import { analyse } from './analysis.js';
import { OF_MACHINE, parametersOf, rowsAsked, type SeriesQuery } from './series-query.js';

export interface DriftBucket {
  readonly startMs: number;
  readonly exchange: string;
  readonly environment: string;
  readonly scope: string;
  readonly referenceClock: string;
  readonly host: string | null;
  readonly samples: number;
  readonly meanOffsetMs: number;
  readonly minOffsetMs: number;
  readonly maxOffsetMs: number;
  /** Of the best single sample. */
  readonly uncertaintyMs: number;
  /** Slope within the bucket; null where its samples are of one moment. */
  readonly ratePpm: number | null;
  readonly roundTripMinMs: number;
}

export const HOUR_MS = 3_600_000;

/** @throws whatever `pg` throws */
export async function driftSeries(pool: Pool, query: SeriesQuery): Promise<DriftBucket[]> {
  const text = query.bucketMs % HOUR_MS === 0 ? HOURS_SQL : SAMPLES_SQL;
  const { rows } = await analyse(pool, client => client.query<DriftBucket>(text, parametersOf(query)));
  return rows;
}

/** In floating point: `extract` counts in decimals, which for fifty thousand samples takes a third of the time. */
const epochMsOf = (time: string) => `date_part('epoch', ${time}) * 1000`;
const bucketOf = (time: string) => `floor(${epochMsOf(time)} / $3::float8) * $3::float8`;
/** As src/clock/machine.ts has it. */
const MACHINE = `CASE WHEN regexp_replace(host, '^host:', '') LIKE '169.254.%' THEN '169.254.*'
  ELSE split_part(regexp_replace(host, '^host:', ''), '/', 1) END`;
const KEY = `exchange, environment, scope, reference_clock AS "referenceClock", CASE WHEN $8::boolean THEN machine END AS host`;
const GROUPED = `GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6 LIMIT $9`;

const SAMPLES_SQL = `
  SELECT ${bucketOf('sampled_at')} AS "startMs", ${KEY}, count(*)::float8 AS samples,
         avg(offset_ms) AS "meanOffsetMs", min(offset_ms) AS "minOffsetMs", max(offset_ms) AS "maxOffsetMs",
         min(uncertainty_ms) AS "uncertaintyMs",
         regr_slope(offset_ms, ${epochMsOf('sampled_at')} - floor($1::float8)) * 1e6 AS "ratePpm",
         min(round_trip_ms) AS "roundTripMinMs"
    FROM (SELECT *, ${MACHINE} AS machine FROM drift_sample
           WHERE ${rowsAsked('sampled_at')}) s
   WHERE ${OF_MACHINE}
   ${GROUPED}`;

const HOURS_SQL = `
  SELECT "startMs", exchange, environment, scope, "referenceClock", host, samples, "meanOffsetMs", "minOffsetMs", "maxOffsetMs",
         "uncertaintyMs", CASE WHEN tt > 0 THEN ty / tt * 1e6 END AS "ratePpm", "roundTripMinMs"
    FROM (SELECT "startMs", ${KEY}, sum(samples)::float8 AS samples,
                 sum(mean_offset_ms * samples) / sum(samples) AS "meanOffsetMs",
                 min(min_offset_ms) AS "minOffsetMs", max(max_offset_ms) AS "maxOffsetMs",
                 min(tightest_uncertainty_ms) AS "uncertaintyMs", min(round_trip_min_ms) AS "roundTripMinMs",
                 sum(time_squares + weight * t * t) - sum(weight * t) ^ 2 / sum(weight) AS tt,
                 sum(time_offsets + weight * t * centre_offset_ms) - sum(weight * t) * sum(weight * centre_offset_ms) / sum(weight) AS ty
            FROM (SELECT *, ${bucketOf('hour')} AS "startMs", centre_ms - ${bucketOf('hour')} AS t FROM drift_hourly
                   WHERE ${rowsAsked('hour')} AND ${OF_MACHINE}) h
           GROUP BY 1, 2, 3, 4, 5, 6) sums
   ORDER BY 1, 2, 3, 4, 5, 6 LIMIT $9`;
