/** What lies before the window is read once for all who go the same way, and nobody waits for long. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { EventStore } from '../../src/event-store/event-store.js';
import type { Position } from '../../src/events/event.js';
import { createSharedReads, type PageReader, type SharedReads } from '../../src/feed/shared-reads.js';
import { many, sampleConnector } from '../contract/sample-events.js';
import { createFeedHarness, type FeedHarness } from './feed-harness.js';

const PAGE = 2;
const PAGES = 20;
const KEPT = 4;
/** Longer than any test: whoever waits for this fails. */
const FOR_EVER_MS = 2 ** 31 - 1;
const ANY_MS = 1;

let harness: FeedHarness;
const connector = sampleConnector();
const events = many(PAGE * PAGES, () => connector.fact());
const ids = events.map(({ id }) => id);
beforeAll(async () => {
  harness = await createFeedHarness();
  await harness.append(events);
});
afterAll(() => harness.close());

/** @param patienceMs with whoever stands still; @param withMostMs with a majority that does */
function counted(patienceMs: number, withMostMs = patienceMs) {
  let asked = 0;
  const store: Pick<EventStore, 'readFrom'> = {
    readFrom(options) {
      asked += 1;
      return harness.store.readFrom(options);
    },
  };
  const reads = createSharedReads(store, {
    pageSize: PAGE,
    keptPages: KEPT,
    patienceMs,
    patienceWithMostMs: withMostMs,
  });
  return { reads, asked: () => asked };
}

class Follower {
  readonly seen: string[] = [];
  readonly #reader: PageReader;
  #position: Position | undefined;

  constructor(reads: SharedReads) {
    this.#reader = reads.open();
  }

  get isDone(): boolean {
    return this.seen.length >= ids.length;
  }

  async step(): Promise<void> {
    const { events: page } = await this.#reader.after(this.#position);
    this.seen.push(...page.map(({ id }) => id));
    this.#position = page.at(-1)?.position;
    if (this.isDone) this.#reader.close();
  }

  async run(pages = Number.POSITIVE_INFINITY): Promise<void> {
    for (let i = 0; i < pages && !this.isDone; i++) await this.step();
  }

  close(): void {
    this.#reader.close();
  }
}

describe('many who begin at the same place', () => {
  it('cost one query a page, however far some could run ahead of the others', async () => {
    const { reads, asked } = counted(FOR_EVER_MS);
    const eager = many(3, () => new Follower(reads));
    const steady = many(9, () => new Follower(reads));
    const running = Promise.all(eager.map(follower => follower.run()));
    // One after the other, so that the last stands a whole round behind the first.
    for (let round = 0; round < PAGES; round++) for (const follower of steady) await follower.step();
    await running;
    for (const { seen } of [...eager, ...steady]) expect(seen).toEqual(ids);
    expect(asked()).toBe(PAGES);
  });

  it('leave a minority behind that stands still, which reads on by itself', async () => {
    const { reads, asked } = counted(ANY_MS, FOR_EVER_MS);
    const slow = new Follower(reads);
    await slow.step();
    const quick = many(3, () => new Follower(reads));
    await Promise.all(quick.map(follower => follower.run()));
    for (const { seen } of quick) expect(seen).toEqual(ids);
    expect(asked()).toBe(PAGES);
    await slow.run();
    expect(slow.seen).toEqual(ids);
    expect(asked()).toBeLessThanOrEqual(2 * PAGES);
  });

  it('leave a majority behind that does not move at all', async () => {
    const { reads } = counted(ANY_MS);
    const stuck = many(3, () => new Follower(reads));
    await Promise.all(stuck.map(follower => follower.run(1)));
    const quick = new Follower(reads);
    await quick.run();
    expect(quick.seen).toEqual(ids);
    await Promise.all(stuck.map(follower => follower.run()));
    for (const { seen } of stuck) expect(seen).toEqual(ids);
  });

  it('wait no longer for who has gone', async () => {
    const { reads, asked } = counted(FOR_EVER_MS);
    const gone = many(3, () => new Follower(reads));
    await Promise.all(gone.map(follower => follower.run(1)));
    const staying = new Follower(reads);
    const ran = staying.run();
    for (const follower of gone) follower.close();
    await ran;
    expect(staying.seen).toEqual(ids);
    expect(asked()).toBe(PAGES);
  });
});

describe('whatever the pace and the places', () => {
  it('everybody is given every event in order, and all come to the end', async () => {
    const turns = fc.array(fc.tuple(fc.nat(5), fc.integer({ min: 1, max: PAGES })), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(turns, async plan => {
        const { reads } = counted(ANY_MS);
        const followers = many(6, () => new Follower(reads));
        const under = new Map<Follower, Promise<void>>();
        for (const [who, pages] of plan) {
          const follower = followers[who] as Follower;
          const before = under.get(follower) ?? Promise.resolve();
          under.set(
            follower,
            before.then(() => follower.run(pages)),
          );
          await new Promise(setImmediate);
        }
        await Promise.all(under.values());
        await Promise.all(followers.map(follower => follower.run()));
        for (const { seen } of followers) expect(seen).toEqual(ids);
      }),
      { numRuns: 15 },
    );
  });
});
