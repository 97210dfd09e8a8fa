/** Reads the history of drift as the command does, a few times, and says what it took and what it touched. */
import { driftLines } from '../../src/clock/drift-history.js';
import { pg } from '../../src/postgres/driver.js';
import { HOURS_SQL, readDrift, SAMPLES_SQL } from '../../src/read-model/drift-queries.js';
import { median } from '../statistics.js';
import { answer, readTask } from './task.js';

export interface DriftTask {
  readonly databaseUrl: string;
  readonly agoMs: number;
  readonly rounds: number;
}

export interface DriftAnswer {
  /** Median. */
  readonly ms: number;
  /** The same figures from the samples alone, in one statement of SQL. */
  readonly rawMs: number;
  readonly rows: number;
  readonly samples: number;
  readonly rawSamples: number;
  /** Partitions of drift_sample that the query scans. */
  readonly partitions: readonly string[];
  readonly megabytesRead: number;
  readonly rawMegabytesRead: number;
}

/** Count, range, tightest uncertainty and rate, which is less than `drift` tells. */
const RAW_SQL = `
  SELECT exchange, environment, reference_clock, count(*)::float8 AS samples, min(offset_ms), max(offset_ms),
         avg(offset_ms), min(uncertainty_ms), min(round_trip_ms),
         regr_slope(offset_ms, extract(epoch FROM sampled_at)::float8) * 1000 AS rate_ppm
    FROM drift_sample WHERE sampled_at >= to_timestamp($1::float8 / 1000) AND exchange = $2
   GROUP BY exchange, environment, reference_clock`;

const PAGE_MB = 8_192 / 1e6;

const { databaseUrl, agoMs, rounds } = readTask<DriftTask>();
const pool = new pg.Pool({ connectionString: databaseUrl, max: 1 });

async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; result: T }> {
  const startedMs = performance.now();
  const result = await work();
  return { ms: performance.now() - startedMs, result };
}

const ours = () =>
  timed(async () => {
    const found = await readDrift(pool, { since: { agoMs }, exchange: 'BYBIT' });
    return { found, lines: driftLines(found.cells, 'exchange') };
  });
// Loads what both touch into memory, and compiles the code.
const { found } = (await ours()).result;
// From the same moment: the range of each round begins a little later than that of the one before.
const raw = (fromMs: number) => timed(() => pool.query<{ samples: number }>(RAW_SQL, [fromMs, 'BYBIT']));
await raw(found.fromMs);
const took: number[] = [];
const tookRaw: number[] = [];
let samples = 0;
let rawSamples = 0;
for (let round = 0; round < rounds; round++) {
  const one = await ours();
  took.push(one.ms);
  samples = one.result.lines.reduce((sum, line) => sum + line.samples, 0);
  const other = await raw(one.result.found.fromMs);
  tookRaw.push(other.ms);
  rawSamples = other.result.rows.reduce((sum, row) => sum + row.samples, 0);
}

interface Plan {
  readonly 'Relation Name'?: string;
  readonly 'Actual Loops'?: number;
  readonly 'Shared Hit Blocks'?: number;
  readonly 'Shared Read Blocks'?: number;
  readonly Plans?: readonly Plan[];
}

async function explain(text: string, values: readonly unknown[]): Promise<Plan> {
  const { rows } = await pool.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
    `EXPLAIN (ANALYZE, BUFFERS, FORMAT json) ${text}`,
    [...values],
  );
  return (rows[0] as (typeof rows)[number])['QUERY PLAN'][0].Plan;
}
const relationsOf = (plan: Plan): string[] => [
  ...(plan['Relation Name'] && plan['Actual Loops'] ? [plan['Relation Name']] : []),
  ...(plan.Plans ?? []).flatMap(relationsOf),
];
const megabytesOf = (plan: Plan) =>
  ((plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0)) * PAGE_MB;

const plan =
  found.source === 'hours'
    ? await explain(HOURS_SQL, [found.fromMs, null, 'BYBIT', null, null, null])
    : await explain(SAMPLES_SQL, [found.fromMs, null, 'BYBIT', null, null]);
const rawPlan = await explain(RAW_SQL, [found.fromMs, 'BYBIT']);
await pool.end();
answer({
  ms: median(took),
  rawMs: median(tookRaw),
  rows: found.rows,
  samples,
  rawSamples,
  partitions: [...new Set(relationsOf(plan))],
  megabytesRead: megabytesOf(plan),
  rawMegabytesRead: megabytesOf(rawPlan),
} satisfies DriftAnswer);
