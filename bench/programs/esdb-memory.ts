/**
 * Follows a long log with a consumer that is slower than the server, and watches what piles up on the way: this process's
 * memory, and how many events the server has sent that the consumer has not seen. Were a slow consumer not felt by
 * the server, both would grow with the log.
 *
 * The heap's size goes up and down with garbage collection, so the low points count. How far the server is ahead is
 * asked in the middle of a page, while the subscription stands still.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { createEventStoreDbStore } from '../../src/event-store/eventstoredb/index.js';
import type { Position } from '../../src/events/event.js';
import { median } from '../statistics.js';
import { answer, readTask } from './task.js';

export interface EsdbMemoryTask {
  readonly url: string;
  /** Tells how many messages the server has answered reads with; not every server does. */
  readonly counterPort: number | undefined;
  /** The last position before the log that is followed. */
  readonly after?: string | undefined;
  readonly events: number;
  /** How long the consumer works on each page, in milliseconds. */
  readonly pageWorkMs: number;
}

/** One of four parts of the run, by events; the first without the warm-up. */
export interface MemoryQuarter {
  readonly residentMb: number;
  /** The lowest size of the heap seen. */
  readonly heapMb: number;
}

export interface EsdbMemoryAnswer {
  readonly perSecond: number;
  readonly quarters: readonly MemoryQuarter[];
  readonly peakMb: number;
  /** The largest number of events sent ahead of the consumer, a page included. */
  readonly aheadEvents: number | undefined;
}

const PAGE = 500;
const SAMPLE_EVERY_MS = 50;
const ASK_EVERY_PAGES = 20;
/** For what is on its way to arrive. */
const SETTLE_MS = 30;
/** Share of the run in which the process grows to its working size. */
const WARM_UP = 0.05;

const task = readTask<EsdbMemoryTask>();
const store = createEventStoreDbStore({ url: task.url });
const after = task.after as Position | undefined;

async function messagesSent(port: number): Promise<number> {
  const socket = connect(port, 'localhost');
  await once(socket, 'connect');
  return Number(await text(socket));
}

let consumed = 0;
const samples: { events: number; residentMb: number; heapMb: number }[] = [];
const timer = setInterval(() => {
  const { rss, heapUsed } = process.memoryUsage();
  samples.push({ events: consumed, residentMb: rss / 1e6, heapMb: heapUsed / 1e6 });
}, SAMPLE_EVERY_MS);

const { counterPort, pageWorkMs } = task;
const sentBefore = counterPort === undefined ? 0 : await messagesSent(counterPort);
let aheadEvents = 0;
let pages = 0;
const stop = new AbortController();
const startedMs = performance.now();
for await (const { events } of store.subscribe({ after, signal: stop.signal, pageSize: PAGE })) {
  if (counterPort !== undefined && pages++ % ASK_EVERY_PAGES === 0) {
    await sleep(SETTLE_MS);
    aheadEvents = Math.max(aheadEvents, (await messagesSent(counterPort)) - sentBefore - consumed);
  }
  await sleep(pageWorkMs);
  consumed += events.length;
  if (consumed >= task.events) stop.abort();
}
const tookMs = performance.now() - startedMs;
clearInterval(timer);
await store.close();
if (consumed !== task.events) throw new Error(`consumed ${consumed} of ${task.events} events`);

const quarters = [0, 1, 2, 3].map((quarter): MemoryQuarter => {
  const from = Math.max(quarter / 4, WARM_UP) * task.events;
  const part = samples.filter(({ events }) => events >= from && events <= ((quarter + 1) / 4) * task.events);
  if (part.length === 0) throw new Error('too few samples: take more events');
  return {
    residentMb: median(part.map(each => each.residentMb)),
    heapMb: Math.min(...part.map(each => each.heapMb)),
  };
});
answer({
  perSecond: (task.events * 1_000) / tookMs,
  quarters,
  peakMb: Math.max(...samples.map(each => each.residentMb)),
  aheadEvents: counterPort === undefined ? undefined : aheadEvents,
} satisfies EsdbMemoryAnswer);
