/**
 * Appending through the store against the bare client, `@eventstore/db-client`, to the same server in the same
 * process. The two take turns in short rounds; both make the same events, append them in the same batches and have
 * as many appends under way.
 *
 * The bare client appends to `any` revision, one call a stream of a batch, all at once. It checks nothing: no schema,
 * and whether a retry is stored twice is left to the server's memory. Each has streams of its own, of the same kind.
 */
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import { createEventStoreDbStore } from '../../src/event-store/eventstoredb/index.js';
import { SCHEMA_VERSIONS } from '../../src/events/catalogue.js';
import type { NewEvent } from '../../src/events/event.js';
import { newEventId } from '../../src/events/ids.js';
import { hitsStreamOf } from '../../src/events/streams.js';
import { connectorOf } from '../states.js';
import { median } from '../statistics.js';
import { createWorkload } from '../workload.js';
import { answer, readTask } from './task.js';

export interface EsdbAppendTask {
  readonly url: string;
  readonly shapes: readonly EsdbAppendShape[];
  readonly rounds: number;
  readonly roundMs: number;
}

export interface EsdbAppendShape {
  readonly callers: number;
  /** Over how many stores and clients they are spread, each as that of a process of its own. Default 1. */
  readonly processes?: number;
  /** Events an append. */
  readonly batch: number;
  /**
   * Where they go: all to `one` stream, each caller to its `own`, over the streams of so many `connectors` as the
   * recorder's flushes do, or each append to a stream that nobody has appended to yet (`new`).
   */
  readonly streams: 'one' | 'own' | 'connectors' | 'new';
}

/** Of one side, or in ratios of the two. */
export interface AppendRates {
  /** Events a second. */
  readonly perSecond: number;
  /** Of this process, which makes the events too, an event. */
  readonly cpuMicros: number;
}

export interface EsdbAppendAnswer {
  readonly shapes: readonly {
    readonly shape: EsdbAppendShape;
    readonly store: AppendRates;
    readonly bare: AppendRates;
    /** Medians of the rounds' ratios. */
    readonly ratio: AppendRates;
  }[];
}

type Append = (events: readonly NewEvent[], process: number) => Promise<unknown>;
type Side = 'store' | 'bare';

const CONNECTORS = 1_000;

const task = readTask<EsdbAppendTask>();
const processes = Math.max(...task.shapes.map(shape => shape.processes ?? 1));
const stores = Array.from({ length: processes }, () => createEventStoreDbStore({ url: task.url }));
const clients = stores.map(() => EventStoreDBClient.connectionString(task.url));
const run = newEventId();
const workload = createWorkload({ connectors: CONNECTORS, events: 10_000_000, endsAtMs: Date.now() });
let made = 0;
let streamsMade = 0;

const appends: Readonly<Record<Side, Append>> = {
  store: (events, process) => at(stores, process).append(events),
  bare: (events, process) =>
    Promise.all(
      [...byStream(events)].map(([stream, its]) => at(clients, process).appendToStream(stream, its)),
    ),
};

const at = <T>(all: readonly T[], index: number): T => all[index] as T;

function byStream(events: readonly NewEvent[]) {
  const streams = new Map<string, ReturnType<typeof toBare>[]>();
  for (const event of events) {
    const there = streams.get(event.stream);
    if (there) there.push(toBare(event));
    else streams.set(event.stream, [toBare(event)]);
  }
  return streams;
}

const toBare = ({ id, type, data, occurredAt, host }: NewEvent) =>
  jsonEvent({ id, type, data, metadata: { host, occurredAt, schemaVersion: SCHEMA_VERSIONS[type] } });

/** Both sides are asked in turn, so that each gets the same share of the workload; the streams are told apart. */
function nextBatch(side: Side, shape: EsdbAppendShape, caller: number): NewEvent[] {
  const streamNumber = streamsMade++;
  return Array.from({ length: shape.batch }, () => {
    const event = workload.next(made++);
    if (shape.streams === 'connectors') return { ...event, stream: `${event.stream}-${side}-${run}` };
    const number = { one: 'one', own: caller, new: streamNumber }[shape.streams];
    const name = `${shape.streams}${shape.processes ?? ''}-${number}`;
    return { ...event, stream: `${hitsStreamOf(connectorOf(0))}-${side}-${run}-${name}` };
  });
}

async function runRound(side: Side, shape: EsdbAppendShape, atLeast = 0): Promise<AppendRates> {
  let events = 0;
  const cpuBefore = process.cpuUsage();
  const startedMs = performance.now();
  const endsMs = startedMs + task.roundMs;
  const caller = async (_: unknown, index: number) => {
    while (performance.now() < endsMs || events < atLeast) {
      await appends[side](nextBatch(side, shape, index), index % (shape.processes ?? 1));
      events += shape.batch;
    }
  };
  await Promise.all(Array.from({ length: shape.callers }, caller));
  const tookMs = performance.now() - startedMs;
  const { user, system } = process.cpuUsage(cpuBefore);
  return { perSecond: (events * 1_000) / tookMs, cpuMicros: (user + system) / events };
}

const medians = (all: readonly AppendRates[]): AppendRates => ({
  perSecond: median(all.map(({ perSecond }) => perSecond)),
  cpuMicros: median(all.map(({ cpuMicros }) => cpuMicros)),
});

const shapes = [];
for (const shape of task.shapes) {
  // A process that lives on has appended to its connectors' streams before.
  const warmUp = shape.streams === 'connectors' ? 10 * CONNECTORS : 0;
  await runRound('store', shape, warmUp);
  await runRound('bare', shape, warmUp);
  const rounds: Record<Side, AppendRates>[] = [];
  for (let i = 0; i < task.rounds; i++) {
    // Whoever goes second finds the other's garbage; so they take turns at that too.
    const order: readonly Side[] = i % 2 === 0 ? ['store', 'bare'] : ['bare', 'store'];
    const round: Partial<Record<Side, AppendRates>> = {};
    for (const side of order) round[side] = await runRound(side, shape);
    rounds.push(round as Record<Side, AppendRates>);
  }
  shapes.push({
    shape,
    store: medians(rounds.map(({ store }) => store)),
    bare: medians(rounds.map(({ bare }) => bare)),
    ratio: medians(
      rounds.map(({ store, bare }) => ({
        perSecond: store.perSecond / bare.perSecond,
        cpuMicros: store.cpuMicros / bare.cpuMicros,
      })),
    ),
  });
}
await Promise.all([...stores.map(store => store.close()), ...clients.map(client => client.dispose())]);
answer({ shapes } satisfies EsdbAppendAnswer);
