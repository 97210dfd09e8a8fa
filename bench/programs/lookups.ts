/**
 * `cache.get()` against the statement it runs: both look up uniformly random connectors among a million rows
 * over a pool of ten, with so many callers at once that each ask anew as soon as they are answered. The two take
 * turns in short rounds and are compared round by round, so that what the machine does meanwhile hits both.
 *
 * The memory tier is off, and hits are counted but not stored while rounds run (storing them is measured by
 * itself, see the `append` benchmark).
 */
import type { ConnectorRef } from '../../src/events/connector.js';
import { cacheKeyOf } from '../../src/events/connector.js';
import { seededRandom } from '../../src/exchanges/simulator/random.js';
import { createConnectorState } from '../../src/index.js';
import { pg } from '../../src/postgres/driver.js';
import { LOOKUP_SQL, LOOKUP_STATEMENT_NAME, lookupParameters } from '../../src/read-model/lookup.js';
import { connectorOf } from '../states.js';
import { median, quantile } from '../statistics.js';
import { answer, readTask } from './task.js';

export interface LookupsTask {
  readonly databaseUrl: string;
  readonly rows: number;
  readonly poolSize: number;
  readonly concurrencies: readonly number[];
  readonly rounds: number;
  readonly roundMs: number;
}

export interface Speed {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface LookupsAnswer {
  readonly byConcurrency: readonly {
    readonly concurrency: number;
    readonly cache: Speed;
    readonly bare: Speed;
    /** Median of the rounds' ratios of rates. */
    readonly ratio: number;
  }[];
}

type LookUp = (ref: ConnectorRef) => Promise<void>;

const task = readTask<LookupsTask>();
const random = seededRandom(1);
const anyConnector = () => connectorOf(Math.floor(random() * task.rows));

const state = await createConnectorState({
  databaseUrl: task.databaseUrl,
  poolSize: task.poolSize,
  memoryEntries: 0,
  // A deadline missed on a busy machine would end the run; how long it is costs nothing.
  lookupDeadlineMs: 5_000,
  logLevel: 'silent',
  projection: 'worker',
  flushIntervalMs: 600_000,
});
const pool = new pg.Pool({ connectionString: task.databaseUrl, max: task.poolSize });

const throughCache: LookUp = async ref => {
  const lookup = await state.cache.get(ref);
  if (!lookup.hit) throw new Error(`a lookup was a miss: ${lookup.reason}`);
};

const throughBarePg: LookUp = async ref => {
  const { rows } = await pool.query<unknown[]>({
    name: LOOKUP_STATEMENT_NAME,
    text: LOOKUP_SQL,
    values: lookupParameters([{ ...ref, cacheKey: cacheKeyOf(ref) }]),
    rowMode: 'array',
  });
  if (rows[0]?.[2] !== ref.userId) throw new Error('a lookup found another row');
};

async function round(lookUp: LookUp, concurrency: number, durationMs: number): Promise<Speed> {
  const latencies: number[] = [];
  const startedMs = performance.now();
  const endsMs = startedMs + durationMs;
  const caller = async () => {
    for (let nowMs = performance.now(); nowMs < endsMs; ) {
      await lookUp(anyConnector());
      const doneMs = performance.now();
      latencies.push(doneMs - nowMs);
      nowMs = doneMs;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, caller));
  const seconds = (performance.now() - startedMs) / 1_000;
  return {
    perSecond: latencies.length / seconds,
    p50Ms: median(latencies),
    p99Ms: quantile(latencies, 0.99),
  };
}

const medians = (speeds: readonly Speed[]): Speed => ({
  perSecond: median(speeds.map(speed => speed.perSecond)),
  p50Ms: median(speeds.map(speed => speed.p50Ms)),
  p99Ms: median(speeds.map(speed => speed.p99Ms)),
});

const byConcurrency = [];
for (const concurrency of task.concurrencies) {
  // Connections open, statements are planned for good after five uses, the code is compiled.
  await round(throughCache, concurrency, task.roundMs);
  await round(throughBarePg, concurrency, task.roundMs);
  const cache: Speed[] = [];
  const bare: Speed[] = [];
  for (let i = 0; i < task.rounds; i++) {
    // Who goes first alternates: the second of a pair finds warmer pages.
    const order =
      i % 2 === 0 ? ([throughCache, throughBarePg] as const) : ([throughBarePg, throughCache] as const);
    for (const lookUp of order) {
      const speed = await round(lookUp, concurrency, task.roundMs);
      (lookUp === throughCache ? cache : bare).push(speed);
    }
  }
  const ratio = median(cache.map((speed, i) => speed.perSecond / (bare[i] as Speed).perSecond));
  byConcurrency.push({ concurrency, cache: medians(cache), bare: medians(bare), ratio });
}
await pool.end();
answer({ byConcurrency } satisfies LookupsAnswer);
// The counted hits are of no use to anybody: the process ends without storing them.
process.exit();
