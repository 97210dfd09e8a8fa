/**
 * The store against a model small enough to be right: any interleaving of appends (with and without expected
 * versions, with new, old and repeated events) and reads gives what the model gives.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { EventStore, ExpectedVersion } from '../../src/event-store/event-store.js';
import type { NewEvent } from '../../src/events/event.js';
import { asStored, type EventStoreHarness, idsOf, readToHead } from './harness.js';
import { many, type SampleConnector, sampleConnector } from './sample-events.js';

const STREAMS = 3;
const EVENTS_A_STREAM = 6;
const INSTANCES = 2;

const place = fc.record({
  stream: fc.nat(STREAMS - 1),
  event: fc.nat(EVENTS_A_STREAM - 1),
});
const expectation = fc.oneof(
  fc.constantFrom<ExpectedVersion>('any', 'no-stream'),
  // What the stream is at, off by so much: near misses are the interesting ones.
  fc.integer({ min: -1, max: 1 }),
);
const command = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      events: fc.array(place, { maxLength: 6 }),
      expected: fc.option(expectation, { nil: undefined }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('readStream' as const),
      stream: fc.nat(STREAMS - 1),
      direction: fc.constantFrom('forwards' as const, 'backwards' as const),
      fromVersion: fc.option(fc.integer({ min: 1, max: 8 }), { nil: undefined }),
      limit: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('readAll' as const) }) },
);

type Logged = Pick<NewEvent, 'id' | 'stream'>;

/** The log as a list; versions and positions follow from the order. */
class Model {
  readonly log: NewEvent[] = [];
  /** Which append stored an event. */
  readonly #appendOf = new Map<string, number>();
  #appends = 0;
  readonly #harness: EventStoreHarness;

  constructor(harness: EventStoreHarness) {
    this.#harness = harness;
  }

  stream = (name: string) => this.log.filter(event => event.stream === name);
  appendOf = ({ id }: Logged) => this.#appendOf.get(id);
  versionOf = (event: NewEvent) => this.stream(event.stream).findIndex(({ id }) => id === event.id) + 1;

  append(events: readonly NewEvent[], stream: string | undefined, expected: ExpectedVersion | undefined) {
    const bringsNew = events.some(event => event.stream === stream && this.versionOf(event) === 0);
    if (stream !== undefined && expected !== undefined && expected !== 'any' && bringsNew) {
      const actual = this.stream(stream).length;
      if (actual !== (expected === 'no-stream' ? 0 : expected)) return { conflict: { stream, actual } };
    }
    const before = new Set(this.log);
    const isNew = events.map((event, index) => !before.has(event) && events.indexOf(event) === index);
    this.#appends += 1;
    for (const event of asStored(this.#harness, events)) {
      if (this.log.includes(event)) continue;
      this.log.push(event);
      this.#appendOf.set(event.id, this.#appends);
    }
    return {
      events: events.map((event, index) => ({
        id: event.id,
        version: this.versionOf(event),
        isNew: isNew[index],
      })),
    };
  }
}

/** The ids in an order that says nothing of the streams of one append, where the store promises nothing of it. */
function inPromisedOrder(harness: EventStoreHarness, model: Model, log: readonly Logged[]): string[] {
  if (!harness.groupsByStream) return idsOf(log);
  const runs: Logged[][] = [];
  for (const event of log) {
    const run = runs.at(-1);
    if (run?.[0] && model.appendOf(run[0]) === model.appendOf(event)) run.push(event);
    else runs.push([event]);
  }
  // A stable sort: within its stream each event stays where it is.
  return runs.flatMap(run =>
    idsOf(run.toSorted((a, b) => (a.stream < b.stream ? -1 : a.stream > b.stream ? 1 : 0))),
  );
}

export function describeEventStoreModel(name: string, createHarness: () => Promise<EventStoreHarness>): void {
  describe(`${name} and the model agree`, () => {
    let harness: EventStoreHarness;
    let stores: EventStore[] = [];
    beforeAll(async () => {
      harness = await createHarness();
      stores = await Promise.all(many(INSTANCES, () => harness.open()));
    });
    afterAll(async () => {
      await Promise.all(stores.map(store => store.close()));
      await harness?.close();
    });

    it('for any sequence of appends, retries and reads', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(command, { maxLength: 12 }), async commands => {
          const model = new Model(harness);
          const connectors = many(STREAMS, sampleConnector);
          const pool = connectors.map(connector => many(EVENTS_A_STREAM, index => make(connector, index)));
          const start = await (stores[0] as EventStore).head();

          const expectSameLog = async (store: EventStore) =>
            expect(inPromisedOrder(harness, model, await readToHead(store, start))).toEqual(
              inPromisedOrder(harness, model, model.log),
            );

          for (const [index, step] of commands.entries()) {
            const store = stores[index % INSTANCES] as EventStore;
            if (step.kind === 'append') {
              const events = step.events.map(({ stream, event }) => pool[stream]?.[event] as NewEvent);
              const stream = events[0]?.stream;
              const expected =
                typeof step.expected === 'number' && stream !== undefined
                  ? Math.max(0, model.stream(stream).length + step.expected)
                  : step.expected;
              const options =
                stream !== undefined && expected !== undefined
                  ? { expectedVersions: { [stream]: expected } }
                  : {};
              const actual = await store.append(events, options).then(
                result => ({
                  events: result.events.map(({ id, version, isNew }) => ({ id, version, isNew })),
                }),
                (error: { stream: string; actual: number }) => ({
                  conflict: { stream: error.stream, actual: error.actual },
                }),
              );
              expect(actual).toEqual(model.append(events, stream, expected));
            } else if (step.kind === 'readStream') {
              const { direction, fromVersion, limit } = step;
              const stream = pool[step.stream]?.[0]?.stream as string;
              const forwards = model.stream(stream).map((event, at) => ({ id: event.id, version: at + 1 }));
              const inOrder = direction === 'forwards' ? forwards : forwards.toReversed();
              const wanted = inOrder.filter(({ version }) =>
                direction === 'forwards' ? version >= (fromVersion ?? 1) : version <= (fromVersion ?? 99),
              );
              const read = await store.readStream(stream, {
                direction,
                ...(fromVersion !== undefined && { fromVersion }),
                ...(limit !== undefined && { limit }),
              });
              expect(read.map(({ id, version }) => ({ id, version }))).toEqual(wanted.slice(0, limit));
            } else {
              await expectSameLog(store);
            }
          }

          await expectSameLog(stores[0] as EventStore);
        }),
        { numRuns: 60 },
      );
    });
  });
}

/** State streams and a hits stream: the two kinds a store may keep apart. */
const make = (connector: SampleConnector, index: number): NewEvent =>
  connector.ref.userId.charCodeAt(connector.ref.userId.length - 1) % 2 === 0
    ? connector.fact({ occurredAt: 1_764_000_000_000 + index })
    : connector.hit({ occurredAt: 1_764_000_000_000 + index });
