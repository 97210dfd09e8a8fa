/**
 * Reading a long log through the store against the bare client, `@eventstore/db-client`, from the same server in the same
 * process, in turns.
 *
 * The bare client hands out events with their data and metadata parsed from JSON. The store does the same, and
 * also brings each event up to its schema's current version, checks it, and gives it the envelope of the port.
 */
import { EventStoreDBClient, streamNameFilter } from '@eventstore/db-client';
import { createEventStoreDbStore } from '../../src/event-store/eventstoredb/index.js';
import { parsePosition } from '../../src/event-store/eventstoredb/position.js';
import type { Position } from '../../src/events/event.js';
import { STREAM_PREFIX } from '../../src/events/streams.js';
import { median } from '../statistics.js';
import { createWorkload } from '../workload.js';
import { answer, readTask } from './task.js';

export interface EsdbCatchUpTask {
  readonly url: string;
  readonly connectors: number;
  readonly events: number;
  readonly rounds: number;
}

export interface Compared {
  /** Events a second. */
  readonly store: number;
  readonly bare: number;
  /** Median of the rounds' ratios. */
  readonly ratio: number;
}

export interface EsdbCatchUpAnswer {
  /** The store's subscription until it is caught up, against the bare client's with the same filter. */
  readonly subscribe: Compared;
  /** The store's `readAll` page by page, against one `readAll` of the bare client that streams all. */
  readonly readAll: Compared;
  /** {@link READS} reads at once of {@link EVENTS_A_READ} events each, by the store and by the bare client. */
  readonly readsAtOnce: Compared;
}

const BATCH = 1_000;
const PAGE = 1_000;
const READS = 300;
const EVENTS_A_READ = 2_000;

const task = readTask<EsdbCatchUpTask>();
const store = createEventStoreDbStore({ url: task.url });
const client = EventStoreDBClient.connectionString(task.url);
const start = await store.head();
await fill();

async function fill(): Promise<void> {
  const workload = createWorkload({ ...task, endsAtMs: Date.now() });
  for (let made = 0; made < task.events; ) {
    const size = Math.min(BATCH, task.events - made);
    await store.append(Array.from({ length: size }, () => workload.next(made++)));
  }
}

const startPosition = () => (start === undefined ? ('start' as const) : parsePosition(start));

/** What is read of an event, so that nothing is left undone because nobody looks. */
let seen = 0;
function require(count: number): void {
  if (count !== task.events) throw new Error(`read ${count} of ${task.events} events`);
}

async function storeSubscribe(): Promise<void> {
  const stop = new AbortController();
  let count = 0;
  for await (const page of store.subscribe({ after: start, signal: stop.signal, pageSize: PAGE })) {
    for (const { data } of page.events) if (data) seen++;
    count += page.events.length;
    if (count >= task.events) stop.abort();
  }
  require(count);
}

async function bareSubscribe(): Promise<void> {
  const subscription = client.subscribeToAll({
    fromPosition: startPosition(),
    filter: streamNameFilter({ prefixes: [STREAM_PREFIX], maxSearchWindow: 500, checkpointInterval: 1 }),
  });
  let count = 0;
  for await (const { event } of subscription) {
    if (event?.data) seen++;
    if (++count === task.events) break;
  }
  await subscription.unsubscribe();
  require(count);
}

async function storeReadAll(): Promise<void> {
  let count = 0;
  for (let after: Position | undefined = start; count < task.events; ) {
    const page = await store.readAll({ after, limit: PAGE });
    if (page.length === 0) break;
    for (const { data } of page) if (data) seen++;
    count += page.length;
    after = page.at(-1)?.position;
  }
  require(count);
}

async function bareReadAll(): Promise<void> {
  let count = 0;
  // The first event is the one at the start, unless that is the start of the log.
  const surplus = start === undefined ? 0 : 1;
  for await (const { event } of client.readAll({
    fromPosition: startPosition(),
    maxCount: task.events + surplus,
  })) {
    if (event?.data) seen++;
    count++;
  }
  require(count - surplus);
}

async function storeReadsAtOnce(): Promise<void> {
  const read = async () => {
    const { length } = await store.readAll({ after: start, limit: EVENTS_A_READ });
    if (length !== EVENTS_A_READ) throw new Error(`read ${length} of ${EVENTS_A_READ} events`);
  };
  await Promise.all(Array.from({ length: READS }, read));
}

async function bareReadsAtOnce(): Promise<void> {
  const read = async () => {
    let count = 0;
    for await (const _ of client.readAll({ fromPosition: startPosition(), maxCount: EVENTS_A_READ })) count++;
    if (count !== EVENTS_A_READ) throw new Error(`read ${count} of ${EVENTS_A_READ} events`);
  };
  await Promise.all(Array.from({ length: READS }, read));
}

async function eventsPerSecond(read: () => Promise<void>, events: number): Promise<number> {
  const startedMs = performance.now();
  await read();
  return (events * 1_000) / (performance.now() - startedMs);
}

async function compare(
  store: () => Promise<void>,
  bare: () => Promise<void>,
  { events, rounds: count }: { readonly events: number; readonly rounds: number } = task,
): Promise<Compared> {
  if (count > 1) {
    await store();
    await bare();
  }
  const rounds: { store: number; bare: number }[] = [];
  for (let i = 0; i < count; i++) {
    const round = { store: 0, bare: 0 };
    for (const side of i % 2 === 0 ? (['store', 'bare'] as const) : (['bare', 'store'] as const)) {
      round[side] = await eventsPerSecond(side === 'store' ? store : bare, events);
    }
    rounds.push(round);
  }
  return {
    store: median(rounds.map(round => round.store)),
    bare: median(rounds.map(round => round.bare)),
    ratio: median(rounds.map(round => round.store / round.bare)),
  };
}

const subscribe = await compare(storeSubscribe, bareSubscribe);
const readAll = await compare(storeReadAll, bareReadAll);
const readsAtOnce = await compare(storeReadsAtOnce, bareReadsAtOnce, {
  events: READS * EVENTS_A_READ,
  rounds: 1,
});
if (seen === 0) throw new Error('nothing was read');
await store.close();
await client.dispose();
answer({ subscribe, readAll, readsAtOnce } satisfies EsdbCatchUpAnswer);
