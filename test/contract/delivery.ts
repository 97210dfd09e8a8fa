/**
 * Exactly all, in order: the property a log exists for, and the one that a store with a small mistake in it still
 * seems to have. So: many writers, batches of all sizes, some writers killed in the middle of an append and
 * retried with the same ids, and readers that read all the while.
 */
import { expect, it } from '@jest/globals';
import type { AppendedEvent, EventStore } from '../../src/event-store/event-store.js';
import type { NewEvent, StoredEvent } from '../../src/events/event.js';
import { follow, readToHead, type Subject } from './harness.js';
import { many, type SampleConnector, sampleConnector } from './sample-events.js';

const WRITERS = 16;
const EVENTS_A_WRITER = 3_200;
const BATCH_SIZES = [1, 2, 150, 7, 400, 1, 33, 80];
/** One append in this many is killed before its outcome is known. */
const KILL_ONE_IN = 6;

export function describeDelivery(subject: Subject): void {
  it('delivers every event once and in order while 16 writers append and some are killed', async () => {
    const { store, harness } = subject;
    const start = await store.head();
    const stores = await Promise.all(many(4, () => subject.another()));
    const shared = many(8, sampleConnector);
    const written: AppendedEvent[] = [];

    const following = collect(stores[0] as EventStore, start, WRITERS * EVENTS_A_WRITER);
    const polling = pollUntil(stores[1] as EventStore, start, WRITERS * EVENTS_A_WRITER);
    const writing = many(WRITERS, async index => {
      const writer = stores[index % stores.length] as EventStore;
      const own = sampleConnector();
      for await (const batch of batchesOf(index, own, shared)) {
        if (batch.isKilled) await harness.crashWriter(batch.events);
        const result = await writer.append(batch.events);
        written.push(...result.events);
      }
    });
    // All at once: should one fail, that is what the test says, and nobody's failure goes unheard.
    const [followed, polled] = await Promise.all([following, polling, ...writing]);

    expect(written).toHaveLength(WRITERS * EVENTS_A_WRITER);
    const log = await readToHead(store, start);
    const inOrder = [...log].sort((a, b) => store.compare(a.position, b.position));
    expect(log).toEqual(inOrder);
    expect(followed).toEqual(log.map(place));
    expect(polled).toEqual(log.map(place));
    expect(log.map(receipt).sort()).toEqual(written.map(receipt).sort());
    expectGaplessVersions(followed);
  }, 240_000);
}

/** What must agree between two readers' copies. Text, for 50 000 are compared. */
const place = (event: StoredEvent) => `${event.position} ${event.stream} ${event.version} ${event.id}`;

/** And between the writer's receipt and a reader's copy. */
const receipt = ({ stream, version, id }: AppendedEvent | StoredEvent) => `${stream} ${version} ${id}`;

function* batchesOf(
  writer: number,
  own: SampleConnector,
  shared: readonly SampleConnector[],
): Generator<{ events: NewEvent[]; isKilled: boolean }> {
  let left = EVENTS_A_WRITER;
  for (let round = 0; left > 0; round++) {
    const size = Math.min(left, BATCH_SIZES[(round + writer) % BATCH_SIZES.length] as number);
    left -= size;
    const events = many(size, index => {
      const connector = index % 3 === 0 ? own : (shared[(index + round) % shared.length] as SampleConnector);
      return index % 2 === 0 ? connector.fact() : connector.hit();
    });
    yield { events, isKilled: (round + writer) % KILL_ONE_IN === 0 };
  }
}

async function collect(store: EventStore, after: Awaited<ReturnType<EventStore['head']>>, count: number) {
  const places: string[] = [];
  await follow(store, { after, pageSize: 500 }, page => {
    places.push(...page.events.map(place));
    return places.length >= count;
  });
  return places;
}

async function pollUntil(store: EventStore, after: Awaited<ReturnType<EventStore['head']>>, count: number) {
  const places: string[] = [];
  let position = after;
  while (places.length < count) {
    const page = await store.readAll({ after: position, limit: 97 });
    position = page.at(-1)?.position ?? position;
    places.push(...page.map(place));
    if (page.length === 0) await new Promise(resolve => setTimeout(resolve, 2));
  }
  return places;
}

function expectGaplessVersions(places: readonly string[]): void {
  const last = new Map<string, number>();
  for (const [, stream, version] of places.map(text => text.split(' ')) as [string, string, string][]) {
    const next = (last.get(stream) ?? 0) + 1;
    if (Number(version) !== next) throw new Error(`${stream}: version ${version} where ${next} was due`);
    last.set(stream, next);
  }
}
