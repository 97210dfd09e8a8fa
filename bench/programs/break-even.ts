/**
 * When a shared tier pays: single lookups that come at a steady rate, answered by memory, by Redis or by PostgreSQL, alone
 * and beside analyses of the drift history on the same database.
 *
 * They come at their own times, by the millisecond, whether or not earlier ones were answered. All share this machine's
 * processors, Redis and the one who asks included.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { createClient } from 'redis';
import { silentLogger } from '../../src/base/logging.js';
import { seededRandom } from '../../src/exchanges/simulator/random.js';
import { createConnectorState } from '../../src/index.js';
import { pg } from '../../src/postgres/driver.js';
import { processes, processorMsOf } from '../processor-time.js';
import { connectorOf } from '../states.js';
import { quantile } from '../statistics.js';
import { answer, readTask } from './task.js';

export interface BreakEvenTask {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  /** States to ask for; fewer than memory holds. */
  readonly rows: number;
  /** Lookups a second. */
  readonly rates: readonly number[];
  readonly secondsEach: number;
  /** Sessions that analyse, one query after the other. */
  readonly analysts: number;
}

export interface BreakEvenPoint {
  readonly tier: 'memory' | 'redis' | 'postgres';
  readonly perSecond: number;
  readonly isBesideAnalyses: boolean;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the process that asks and of the server that answers, µs a lookup; `undefined` where it cannot be told. */
  readonly askerUs: number;
  readonly serverUs: number | undefined;
}

export interface BreakEvenAnswer {
  readonly points: readonly BreakEvenPoint[];
}

const ANALYSIS = `
  SELECT exchange, count(*), min(offset_ms), max(offset_ms), percentile_cont(0.99) WITHIN GROUP (ORDER BY round_trip_ms),
         regr_slope(offset_ms, extract(epoch FROM sampled_at)::float8)
    FROM drift_sample WHERE sampled_at >= now() - interval '30 days' GROUP BY exchange`;

const task = readTask<BreakEvenTask>();
const refs = Array.from({ length: task.rows }, (_, index) => connectorOf(index));
const random = seededRandom(1);

const common = {
  databaseUrl: task.databaseUrl,
  logger: silentLogger,
  lookupDeadlineMs: 20_000,
  projection: 'worker',
  flushIntervalMs: 600_000,
  poolSize: 10,
} as const;
const states = {
  memory: await createConnectorState({ ...common, memoryEntries: 2 * task.rows, memoryTtlMs: 86_400_000 }),
  redis: await createConnectorState({ ...common, memoryEntries: 0, redisUrl: task.redisUrl }),
  postgres: await createConnectorState({ ...common, memoryEntries: 0 }),
};
const tiers = Object.keys(states) as (keyof typeof states)[];
const redis = createClient({ url: task.redisUrl });
await redis.connect();
const pids = {
  memory: undefined,
  redis: Number(/process_id:(\d+)/.exec(await redis.info('server'))?.[1]),
  postgres: await postmaster(),
};
for (const tier of tiers) await fill(tier);

const points: BreakEvenPoint[] = [];
for (const tier of tiers) await measure(tier, 2_000, false);
for (const isBesideAnalyses of [false, true]) {
  const analysts = isBesideAnalyses ? await startAnalysts() : undefined;
  for (const perSecond of task.rates)
    for (const tier of tiers) points.push(await measure(tier, perSecond, isBesideAnalyses));
  await analysts?.stop();
}
answer({ points } satisfies BreakEvenAnswer);
process.exit();

async function measure(
  tier: keyof typeof states,
  perSecond: number,
  isBesideAnalyses: boolean,
): Promise<BreakEvenPoint> {
  // Ten lookups are the least that a median is taken of.
  const count = Math.max(10, perSecond * task.secondsEach);
  const server = pids[tier];
  const serverBeforeMs = server === undefined ? undefined : processorMsOf(server);
  const cpuBefore = process.cpuUsage();
  const tookMs: number[] = [];
  const underWay: Promise<void>[] = [];
  const startedMs = performance.now();
  for (let due = 0; due < count; ) {
    const dueNow = Math.min(count, Math.floor(((performance.now() - startedMs) * perSecond) / 1_000) + 1);
    for (; due < dueNow; due++) underWay.push(look(tier, tookMs));
    await pause(startedMs + (due * 1_000) / perSecond - performance.now());
  }
  await Promise.all(underWay);
  const { user, system } = process.cpuUsage(cpuBefore);
  const serverMs = server === undefined ? undefined : processorMsOf(server);
  return {
    tier,
    perSecond,
    isBesideAnalyses,
    p50Ms: quantile(tookMs, 0.5),
    p99Ms: quantile(tookMs, 0.99),
    askerUs: (user + system) / count,
    serverUs:
      serverMs === undefined || serverBeforeMs === undefined
        ? undefined
        : ((serverMs - serverBeforeMs) * 1_000) / count,
  };
}

async function look(tier: keyof typeof states, tookMs: number[]): Promise<void> {
  const sentMs = performance.now();
  const found = await states[tier].cache.get(refs[Math.floor(random() * task.rows)] as (typeof refs)[number]);
  if (!found.hit || found.tier !== tier) throw new Error(`${tier}: ${found.hit ? found.tier : found.reason}`);
  tookMs.push(performance.now() - sentMs);
}

/** Until all is found where it is to be found. */
async function fill(tier: keyof typeof states): Promise<void> {
  for (;;) {
    let elsewhere = 0;
    for (let from = 0; from < refs.length; from += 1_000) {
      const found = await states[tier].cache.getMany(refs.slice(from, from + 1_000));
      elsewhere += found.filter(each => !each.hit || each.tier !== tier).length;
    }
    if (elsewhere === 0) return;
    await pause(50);
  }
}

/** The parent of every session. */
async function postmaster(): Promise<number | undefined> {
  const client = new pg.Client({ connectionString: task.databaseUrl });
  await client.connect();
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const parent = processes().get((rows[0] as { pid: number }).pid)?.parent;
  await client.end();
  return parent;
}

async function startAnalysts() {
  let isOver = false;
  const pool = new pg.Pool({ connectionString: task.databaseUrl, max: task.analysts });
  const loops = Array.from({ length: task.analysts }, async () => {
    while (!isOver) await pool.query(ANALYSIS);
  });
  return {
    async stop() {
      isOver = true;
      await Promise.all(loops);
      await pool.end();
    },
  };
}
