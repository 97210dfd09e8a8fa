/** Pages of an audit trail put together are the trail, however it is cut and whatever arrives meanwhile. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { eachOf, readHistory } from '../../src/cache/history.js';
import { type HistoryOptions, readHistoryPage } from '../../src/cache/history-page.js';
import type { NewEvent, StoredEvent } from '../../src/events/event.js';
import { createHarness, type Harness } from '../projector/harness.js';
import { hit, synced, T0 } from '../support/facts.js';

let harness: Harness;
beforeAll(async () => {
  harness = await createHarness();
});
afterAll(() => harness.close());

let serial = 0;
const REF = (user: string) => ({ userId: user, credentialId: 'cred456' });
const facts = (userId: string, hits: readonly boolean[]): NewEvent[] =>
  hits.map(isHit => (isHit ? hit({ userId }) : synced({ userId, measuredAt: T0 + serial })));
const ids = (events: readonly { id: string }[]) => events.map(({ id }) => id);

async function paged(userId: string, options: HistoryOptions, between = async () => {}) {
  const all: StoredEvent[] = [];
  for await (const event of eachOf(async cursor => {
    const page = await readHistoryPage(harness.store, REF(userId), { ...options, cursor });
    expect(page.events.length).toBeLessThanOrEqual(options.limit ?? 1_000);
    if (page.next !== undefined) expect(page.events.length).toBe(options.limit);
    await between();
    return page;
  })) {
    all.push(event);
  }
  return all;
}

const appends = fc.array(fc.array(fc.boolean(), { minLength: 1, maxLength: 12 }), {
  minLength: 1,
  maxLength: 5,
  size: 'max',
});

describe('pages of a history', () => {
  it('are the whole of it, oldest or newest first, since any time', async () => {
    await fc.assert(
      fc.asyncProperty(
        appends,
        fc.integer({ min: 1, max: 15 }),
        fc.nat(),
        fc.boolean(),
        async (batches, limit, where, newestFirst) => {
          const userId = `user${++serial}`;
          for (const hits of batches) {
            await harness.append(...facts(userId, hits), ...facts('somebody else', [true, false]));
          }
          const whole = await readHistory(harness.store, REF(userId));
          const since = whole[where % whole.length]?.recordedAt as number;
          const inOrder = (events: readonly StoredEvent[]) =>
            ids(newestFirst ? [...events].reverse() : events);

          expect(ids(await paged(userId, { limit, newestFirst }))).toEqual(inOrder(whole));
          expect(ids(await paged(userId, { limit, newestFirst, since }))).toEqual(
            inOrder(whole.filter(event => event.recordedAt >= since)),
          );
          expect(await paged(userId, { limit, newestFirst, since: Date.now() + 86_400_000 })).toEqual([]);
        },
      ),
      { numRuns: 30 },
    );
  });

  it.each([true, false])(
    'neither skip nor repeat while facts arrive (newest first: %p)',
    async newestFirst => {
      const userId = `user${++serial}`;
      await harness.append(...facts(userId, [true, false, false, true, true, false, true]));
      const before = await readHistory(harness.store, REF(userId));

      let arriving = 6;
      const all = await paged(userId, { limit: 2, newestFirst }, async () => {
        if (arriving-- > 0) await harness.append(...facts(userId, [true, false]));
      });

      const whole = await readHistory(harness.store, REF(userId));
      expect(ids(all)).toEqual(newestFirst ? ids([...before].reverse()) : ids(whole));
    },
  );

  it('are read by few and small reads', async () => {
    const userId = `user${++serial}`;
    await harness.append(
      ...facts(
        userId,
        Array.from({ length: 3_000 }, (_, i) => i % 2 === 0),
      ),
    );
    let rows = 0;
    let reads = 0;
    const store = {
      ...harness.store,
      readStream: async (...given: Parameters<typeof harness.store.readStream>) => {
        const events = await harness.store.readStream(...given);
        rows += events.length;
        reads += 1;
        return events;
      },
    };

    await readHistoryPage(store, REF(userId), { limit: 50, newestFirst: true });
    expect([reads, rows]).toEqual([2, 102]);
    const { recordedAt } = (await harness.store.readStream(`connector_state-${userId}_cred456`)).at(
      -1,
    ) as StoredEvent;
    await readHistoryPage(store, REF(userId), { limit: 50, since: recordedAt + 1 });
    expect(reads).toBeLessThan(40);
  });

  it.each<[string, HistoryOptions]>([
    ['limit', { limit: 0 }],
    ['limit', { limit: 10_001 }],
    ['limit', { limit: 1.5 }],
    ['since', { since: new Date('never') }],
    ['cursor', { cursor: '' }],
    ['cursor', { cursor: 'newest:3:4' }],
    ['cursor', { cursor: 'oldest:0:4' }],
    ['cursor', { cursor: 'oldest:3:4', newestFirst: true }],
  ])('are refused for a bad %s', async (field, options) => {
    await expect(readHistoryPage(harness.store, REF('x'), options)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining(field),
    });
  });
});
