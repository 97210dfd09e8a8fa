/**
 * How long it takes from the call of an append to EventStoreDB until the read table shows it, at a steady rate, while a
 * projector runs in another process. The appends are made when they are due, whether or not earlier ones have come
 * to their end: a system that falls behind is seen to. A reader on a connection of its own asks every few
 * milliseconds for the rows that are awaited; what that adds is counted in.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createEventStoreDbStore } from '../../src/event-store/eventstoredb/index.js';
import { cacheKeyOf } from '../../src/events/connector.js';
import { newEventId } from '../../src/events/ids.js';
import { stateStreamOf } from '../../src/events/streams.js';
import { seededRandom } from '../../src/exchanges/simulator/random.js';
import { pg } from '../../src/postgres/driver.js';
import { connectorOf } from '../states.js';
import { median, quantile } from '../statistics.js';
import { syncOf } from '../workload.js';
import { answer, readTask } from './task.js';

export interface EsdbVisibilityTask {
  readonly databaseUrl: string;
  readonly url: string;
  /** One event each. */
  readonly appendsPerSecond: number;
  readonly seconds: number;
}

export interface EsdbVisibilityAnswer {
  readonly appends: number;
  /** What came of the wanted rate. */
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly appendP50Ms: number;
  readonly appendP99Ms: number;
}

const CONNECTORS = 200;
const WARM_UP_SECONDS = 3;
const LOOK_EVERY_MS = 3;
const DEADLINE_MS = 10_000;

interface Awaited {
  readonly version: number;
  readonly startedMs: number;
  readonly appendedMs: number;
}

const task = readTask<EsdbVisibilityTask>();
const store = createEventStoreDbStore({ url: task.url });
const random = seededRandom(1);
/** Connectors of this run alone: a real server remembers earlier ones. */
const run = newEventId();

const awaited = new Map<string, Awaited[]>();
let open = 0;
let seen: { visibleMs: number; appendMs: number }[] = [];

async function append(index: number): Promise<void> {
  const ref = { ...connectorOf(index % CONNECTORS), userId: run };
  const key = cacheKeyOf(ref);
  const atMs = Date.now();
  open += 1;
  const startedMs = performance.now();
  const { events } = await store.append([
    {
      type: 'ConnectorSynced',
      data: syncOf(ref, atMs, random),
      id: newEventId(),
      stream: stateStreamOf(ref),
      occurredAt: atMs,
      host: 'bench/1',
    },
  ]);
  const version = events[0]?.version as number;
  const one = { version, startedMs, appendedMs: performance.now() };
  const there = awaited.get(key);
  if (there) there.push(one);
  else awaited.set(key, [one]);
}

async function look(reader: InstanceType<typeof pg.Client>): Promise<void> {
  const { rows } = await reader.query<{ cache_key: string; version: number }>({
    name: 'versions',
    text: `SELECT cache_key, stream_version::integer AS version FROM connector_state_cache
            WHERE cache_key = ANY ($1)`,
    values: [[...awaited.keys()]],
  });
  const nowMs = performance.now();
  for (const { cache_key: key, version } of rows) {
    const left = (awaited.get(key) ?? []).filter(one => {
      if (one.version > version) return true;
      seen.push({ visibleMs: nowMs - one.startedMs, appendMs: one.appendedMs - one.startedMs });
      open -= 1;
      return false;
    });
    if (left.length > 0) awaited.set(key, left);
    else awaited.delete(key);
  }
}

let failure: unknown;
let isOver = false;
const reader = new pg.Client({ connectionString: task.databaseUrl });
await reader.connect();
const looking = (async () => {
  while (!isOver) {
    if (awaited.size > 0) await look(reader);
    await sleep(LOOK_EVERY_MS);
  }
})();

/** @returns the seconds it took */
async function appendSteadily(seconds: number): Promise<number> {
  const startedMs = performance.now();
  const count = seconds * task.appendsPerSecond;
  for (let made = 0; made < count; ) {
    const due = Math.min(count, ((performance.now() - startedMs) * task.appendsPerSecond) / 1_000);
    for (; made < due; made++) {
      append(made).catch(error => {
        failure ??= error;
      });
    }
    await sleep(1);
    if (failure) throw failure;
  }
  const tookSeconds = (performance.now() - startedMs) / 1_000;
  const deadline = performance.now() + DEADLINE_MS;
  while (open > 0) {
    if (failure) throw failure;
    if (performance.now() > deadline) throw new Error(`${open} events not visible after ${DEADLINE_MS} ms`);
    await sleep(5);
  }
  return tookSeconds;
}

await appendSteadily(WARM_UP_SECONDS);
seen = [];
const tookSeconds = await appendSteadily(task.seconds);
isOver = true;
await looking;
await reader.end();
await store.close();

const visible = seen.map(({ visibleMs }) => visibleMs);
const appended = seen.map(({ appendMs }) => appendMs);
answer({
  appends: seen.length,
  perSecond: seen.length / tookSeconds,
  p50Ms: median(visible),
  p99Ms: quantile(visible, 0.99),
  maxMs: quantile(visible, 1),
  appendP50Ms: median(appended),
  appendP99Ms: quantile(appended, 0.99),
} satisfies EsdbVisibilityAnswer);
