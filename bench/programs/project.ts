/**
 * Catches the projector up over the whole log, and watches its own memory.
 *
 * The heap goes up and down with garbage collection, and what is left after one of V8's own depends on when V8
 * finds it due. So forty times during the run a full collection is forced and the heap is read right after it:
 * that is what is held, the pages under way included. The collections count as time of the projector's.
 *
 * Is it flat? The first quarter is no measure: in it code is compiled, buffers grow to the size they stay at and
 * the young generation to its limit. The trend over the other three is: a straight line through all readings, from
 * where it is at the first quarter's end to where it is at the last event. A leak shows in it as a slope.
 *
 * The peer reads the log through the same store and does nothing with it: the part of the work that no
 * projection could save.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import type { Position } from '../../src/events/event.js';
import { pg } from '../../src/postgres/driver.js';
import { createProjector } from '../../src/projector/index.js';
import { median, trend } from '../statistics.js';
import { answer, readTask } from './task.js';

export interface ProjectTask {
  readonly databaseUrl: string;
  readonly events: number;
}

/** One of four parts of the run, by events; the first without the warm-up. */
export interface Quarter {
  readonly perSecond: number;
  readonly residentMb: number;
  /** After forced collections; the median of them. */
  readonly heapMb: number;
}

/** What the trend over the last three quarters says. */
export interface Growth {
  readonly fromMb: number;
  readonly toMb: number;
}

export interface ProjectAnswer {
  readonly perSecond: number;
  readonly readPerSecond: number;
  readonly rows: number;
  readonly deadLetters: number;
  readonly quarters: readonly Quarter[];
  readonly resident: Growth;
  /** After forced collections. */
  readonly heap: Growth;
  readonly peakMb: number;
  /** Of this process, all its threads included, for a million events. */
  readonly cpuSecondsPerMillion: number;
}

const SAMPLE_EVERY_MS = 50;
/** Share of the run in which the process grows to its working size. */
const WARM_UP = 0.05;
const COLLECTIONS = 40;
const READ_PAGE = 4_000;

const task = readTask<ProjectTask>();
const pool = new pg.Pool({ connectionString: task.databaseUrl, max: 4 });
const store = createPostgresEventStore({ pool });
const projector = createProjector({ store, pool });

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const samples: { atMs: number; events: number; residentMb: number }[] = [];
const heaps: { events: number; heapMb: number }[] = [];
const sample = () => {
  const { events } = projector.counters;
  samples.push({ atMs: performance.now(), events, residentMb: process.memoryUsage.rss() / 1e6 });
  if (events < (heaps.length * task.events) / COLLECTIONS) return;
  collect();
  heaps.push({ events, heapMb: process.memoryUsage().heapUsed / 1e6 });
};
const timer = setInterval(sample, SAMPLE_EVERY_MS);
sample();
const startedMs = performance.now();
const cpuBefore = process.cpuUsage();
const { caughtUp } = await projector.catchUp();
const tookMs = performance.now() - startedMs;
const cpu = process.cpuUsage(cpuBefore);
sample();
clearInterval(timer);
const { rows, deadLetters, events } = projector.counters;
if (!caughtUp || events !== task.events) throw new Error(`projected ${events} of ${task.events} events`);

const quarters = [0, 1, 2, 3].map((quarter): Quarter => {
  const from = Math.max(quarter / 4, WARM_UP) * task.events;
  const to = ((quarter + 1) / 4) * task.events;
  const isIn = ({ events }: { events: number }) => events >= from && events <= to;
  const part = samples.filter(isIn);
  const [first, last] = [part[0], part.at(-1)];
  if (!first || !last) throw new Error('too few samples: take more events');
  return {
    perSecond: ((last.events - first.events) * 1_000) / (last.atMs - first.atMs),
    residentMb: median(part.map(each => each.residentMb)),
    heapMb: median(heaps.filter(isIn).map(each => each.heapMb)),
  };
});

const settledFrom = task.events / 4;
function growth(readings: readonly { readonly events: number; readonly mb: number }[]): Growth {
  const settled = readings.filter(({ events }) => events >= settledFrom);
  const at = trend(settled.map(({ events, mb }) => [events, mb] as const));
  return { fromMb: at(settledFrom), toMb: at(task.events) };
}

const readStartedMs = performance.now();
let after: Position | undefined;
for (;;) {
  const page = await store.readAll({ after, limit: READ_PAGE });
  if (page.length === 0) break;
  after = page.at(-1)?.position;
}
const readMs = performance.now() - readStartedMs;

await store.close();
await pool.end();
answer({
  perSecond: (task.events * 1_000) / tookMs,
  readPerSecond: (task.events * 1_000) / readMs,
  rows,
  deadLetters,
  quarters,
  resident: growth(samples.map(({ events, residentMb }) => ({ events, mb: residentMb }))),
  heap: growth(heaps.map(({ events, heapMb }) => ({ events, mb: heapMb }))),
  cpuSecondsPerMillion: (cpu.user + cpu.system) / task.events,
  peakMb: Math.max(...samples.map(each => each.residentMb)),
} satisfies ProjectAnswer);
