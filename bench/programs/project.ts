/**
 * Catches the projector up over the whole log, and watches its own memory. The heap's size goes up and down with
 * garbage collection, so the low points count: what is left after one is what is really held.
 *
 * The peer reads the log through the same store and does nothing with it: the part of the work that no
 * projection could save.
 */
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import type { Position } from '../../src/events/event.js';
import { pg } from '../../src/postgres/driver.js';
import { createProjector } from '../../src/projector/index.js';
import { median } from '../statistics.js';
import { answer, readTask } from './task.js';

export interface ProjectTask {
  readonly databaseUrl: string;
  readonly events: number;
}

/** One of four parts of the run, by events; the first without the warm-up. */
export interface Quarter {
  readonly perSecond: number;
  readonly residentMb: number;
  /** The lowest size of the heap seen. */
  readonly heapMb: number;
}

export interface ProjectAnswer {
  readonly perSecond: number;
  readonly readPerSecond: number;
  readonly rows: number;
  readonly deadLetters: number;
  readonly quarters: readonly Quarter[];
  readonly peakMb: number;
}

const SAMPLE_EVERY_MS = 50;
/** Share of the run in which the process grows to its working size. */
const WARM_UP = 0.05;
const READ_PAGE = 4_000;

const task = readTask<ProjectTask>();
const pool = new pg.Pool({ connectionString: task.databaseUrl, max: 4 });
const store = createPostgresEventStore({ pool });
const projector = createProjector({ store, pool });

const samples: { atMs: number; events: number; residentMb: number; heapMb: number }[] = [];
const sample = () => {
  const { rss, heapUsed } = process.memoryUsage();
  const { events } = projector.counters;
  samples.push({ atMs: performance.now(), events, residentMb: rss / 1e6, heapMb: heapUsed / 1e6 });
};
const timer = setInterval(sample, SAMPLE_EVERY_MS);
sample();
const startedMs = performance.now();
const { caughtUp } = await projector.catchUp();
const tookMs = performance.now() - startedMs;
sample();
clearInterval(timer);
const { rows, deadLetters, events } = projector.counters;
if (!caughtUp || events !== task.events) throw new Error(`projected ${events} of ${task.events} events`);

const quarters = [0, 1, 2, 3].map((quarter): Quarter => {
  const from = Math.max(quarter / 4, WARM_UP) * task.events;
  const to = ((quarter + 1) / 4) * task.events;
  const part = samples.filter(({ events }) => events >= from && events <= to);
  const [first, last] = [part[0], part.at(-1)];
  if (!first || !last) throw new Error('too few samples: take more events');
  return {
    perSecond: ((last.events - first.events) * 1_000) / (last.atMs - first.atMs),
    residentMb: median(part.map(each => each.residentMb)),
    heapMb: Math.min(...part.map(each => each.heapMb)),
  };
});

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
  peakMb: Math.max(...samples.map(each => each.residentMb)),
} satisfies ProjectAnswer);
