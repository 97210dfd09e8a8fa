/**
 * A year of drift history, made by SQL: samples of two exchanges by twenty machines, spread evenly over twelve months of
 * partitions, and the hours summed up from them as the projection would have (but for what is known at an hour's ends,
 * which is taken from its mean: it costs the query the same).
 */
import type { Client } from 'pg';
import { pg } from '../src/postgres/driver.js';

export const MACHINES = 20;
export const DAYS = 365;
const EXCHANGES = 2;
const CLOCK = 'pg:7400000000000000000:1';

/** $1, $2: from and to (to exclusive); $3: samples a day. */
const SAMPLES = `
INSERT INTO drift_sample (event_id, sampled_at, cache_key, exchange, environment, reference_clock, host, sync_id,
  sync_trigger, offset_ms, uncertainty_ms, round_trip_ms, sample_count, position, source)
SELECT gen_random_uuid(), date_trunc('milliseconds', at), 'user-' || n % 1000 || '_credential-' || n,
       CASE n % ${EXCHANGES} WHEN 0 THEN 'BYBIT' ELSE 'BINGX' END, 'MAINNET', '${CLOCK}',
       'host:ip-10-0-0-' || n / ${EXCHANGES} % ${MACHINES} || '/4711-m1x2y3', gen_random_uuid(), 'passive',
       145 + extract(epoch FROM at - now())::float8 * 5e-5 + (2 * random() - 1) * u, u, 10 + random() * 40, 1,
       'pg/' || n, 'response'
  FROM (SELECT at, row_number() OVER () AS n, 5 + random() * 20 AS u
          FROM generate_series($1::timestamptz, $2::timestamptz - interval '1 ms', interval '1 day' / $3::float8) AS at) s`;

const HOURS = `
INSERT INTO drift_hourly
SELECT hour, exchange, environment, reference_clock, machine, gen_random_uuid(), samples, first_at, last_at,
       min_offset, max_offset, mean_offset, tightest, mean_offset, loosest, last_at, mean_offset, loosest, last_at,
       0, NULL, NULL, NULL, w, ww, extract(epoch FROM hour) * 1000 + t / w, y / w,
       greatest(0, tt - t * t / w), ty - t * y / w, greatest(0, yy - y * y / w), min_trip,
       0, to10, to25, to50, samples - to10 - to25 - to50, 0, 0, 0, 0, 'pg/1'
  FROM (
    SELECT hour, exchange, environment, reference_clock, machine, count(*)::integer AS samples,
           min(sampled_at) AS first_at, max(sampled_at) AS last_at, min(offset_ms) AS min_offset,
           max(offset_ms) AS max_offset, avg(offset_ms) AS mean_offset, min(uncertainty_ms) AS tightest,
           max(uncertainty_ms) AS loosest,
           sum(weight) AS w, sum(weight ^ 2) AS ww, sum(weight * t) AS t, sum(weight * offset_ms) AS y,
           sum(weight * t * t) AS tt, sum(weight * t * offset_ms) AS ty, sum(weight * offset_ms ^ 2) AS yy,
           min(round_trip_ms) AS min_trip, count(*) FILTER (WHERE round_trip_ms <= 10)::integer AS to10,
           count(*) FILTER (WHERE round_trip_ms > 10 AND round_trip_ms <= 25)::integer AS to25,
           count(*) FILTER (WHERE round_trip_ms > 25 AND round_trip_ms <= 50)::integer AS to50
      FROM (SELECT *, date_trunc('hour', sampled_at) AS hour, 1 / (uncertainty_ms ^ 2 + 0.25) AS weight,
                   regexp_replace(host, '^host:|/.*$', '', 'g') AS machine,
                   extract(epoch FROM sampled_at - date_trunc('hour', sampled_at))::float8 * 1000 AS t
              FROM drift_sample WHERE sampled_at >= $1 AND sampled_at < $2) s
     GROUP BY hour, exchange, environment, reference_clock, machine) g
 ORDER BY hour`;

/** @returns rows of each table, and what they take on disk (indexes included), MB */
export async function fillDrift(
  databaseUrl: string,
  samples: number,
  progress: (text: string) => void,
): Promise<{ samples: number; hours: number; samplesMb: number; hoursMb: number }> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query(`SET synchronous_commit = off; SET work_mem = '256MB'; SET timezone = 'UTC'`);
    const months = monthsOf(Date.now() - DAYS * 86_400_000, Date.now());
    for (const [i, [from, to]] of months.entries()) {
      progress(`filling month ${i + 1} of ${months.length}`);
      await addSamples(client, from, to, samples / DAYS);
      await client.query(HOURS, [from, to]);
    }
    progress('analysing');
    await client.query('VACUUM (ANALYZE) drift_sample');
    await client.query('VACUUM (ANALYZE) drift_hourly');
    await client.query('CHECKPOINT');
    return await sizesOf(client);
  } finally {
    await client.end();
  }
}

/** @param to at most one month's partition later than `from` begins in */
export async function addSamples(client: Client, from: Date, to: Date, perDay: number): Promise<void> {
  await client.query(
    'SELECT connector_state_ensure_drift_partition(at) FROM unnest(ARRAY[$1, $2]::timestamptz[]) AS at',
    [from, to],
  );
  await client.query(SAMPLES, [from, to, perDay]);
}

function monthsOf(fromMs: number, toMs: number): [Date, Date][] {
  const months: [Date, Date][] = [];
  for (let at = fromMs; at < toMs; ) {
    const day = new Date(at);
    const next = Math.min(toMs, Date.UTC(day.getUTCFullYear(), day.getUTCMonth() + 1));
    months.push([new Date(at), new Date(next)]);
    at = next;
  }
  return months;
}

async function sizesOf(client: Client) {
  const { rows } = await client.query<{
    samples: number;
    hours: number;
    samplesMb: number;
    hoursMb: number;
  }>(`
    SELECT (SELECT count(*) FROM drift_sample)::float8 AS samples, (SELECT count(*) FROM drift_hourly)::float8 AS hours,
           (SELECT sum(pg_total_relation_size(relid)) / 1e6 FROM pg_partition_tree('drift_sample'))::float8 AS "samplesMb",
           (pg_total_relation_size('drift_hourly') / 1e6)::float8 AS "hoursMb"`);
  return rows[0] as (typeof rows)[number];
}
