/** Who is behind by many pages, and writes them together. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { connectorStateCache } from '../../projections/index.js';
import type { EventStore } from '../../src/event-store/event-store.js';
import type { NewEvent } from '../../src/events/event.js';
import { connector, hit, id, synced, T0 } from '../support/facts.js';
import { createHarness, type Harness, liveAndExpected, until } from './harness.js';
import { histories } from './histories.js';

let harness: Harness;
beforeEach(async () => {
  harness = await createHarness();
});
afterEach(() => harness.close());

/** Several hundred events of everything that happens; the same on every run. */
const longHistory = (): NewEvent[] =>
  fc.sample(histories, { seed: 7, numRuns: 11 }).flatMap(appends => appends.flat());

/** `work` is done once, while the page is read that comes after so many others. */
function whileReading(page: number, work: () => Promise<unknown>): EventStore {
  let reads = 0;
  return {
    ...harness.store,
    async readFrom(options) {
      reads += 1;
      if (reads === page) await work();
      return harness.store.readFrom(options);
    },
  };
}

describe('a projector that is behind by many pages', () => {
  it('writes the rows that page after page would have made, fewer times', async () => {
    const history = longHistory();
    expect(history.length).toBeGreaterThan(500);
    await harness.append(...history);
    const projector = harness.projector({ pageSize: 8 });

    expect(await projector.catchUp()).toMatchObject({ events: history.length, caughtUp: true });

    const { live, expected } = await liveAndExpected(harness);
    expect(live).toEqual(expected);
    expect(projector.counters.events).toBe(history.length);
    const { rows } = await harness.pool.query<{ events: string }>(
      'SELECT DISTINCT events FROM projection_checkpoint',
    );
    expect(rows).toEqual([{ events: String(history.length) }]);
    expect((await projector.verify()).equal).toBe(true);
  });

  it('counts nothing twice when another catches up meanwhile, and does not take its rows for the table’s', async () => {
    const syncs = Array.from({ length: 10 }, (_, i) =>
      synced({ id: id(100 + i), userId: `u${i}`, syncId: id(i + 1) }),
    );
    const hits = Array.from({ length: 300 }, (_, i) => hit({ userId: `u${i % 10}`, count: 1 + (i % 3) }));
    await harness.append(...syncs, ...hits);
    const store = whileReading(20, () => harness.projector().catchUp());
    const projector = harness.projector({ store, pageSize: 5 });

    expect(await projector.catchUp()).toMatchObject({ caughtUp: true });

    const { live, expected } = await liveAndExpected(harness);
    expect(live).toEqual(expected);
    expect(projector.counters.conflicts).toBe(1);
  });

  it('lets go of its rows when a rebuild has healed the table and left the checkpoint where it was', async () => {
    await harness.append(synced({ syncId: id(1) }), hit({ count: 5 }));
    await harness.projector().catchUp();
    await harness.pool.query('UPDATE connector_state_cache SET hit_count = 1000');
    const more = Array.from({ length: 200 }, () => hit({ count: 1 }));
    await harness.append(...more);
    // As a rebuild does that ends where the checkpoint stands.
    const heal = () =>
      harness.pool.query(`BEGIN; UPDATE connector_state_cache SET hit_count = hit_count - 995;
        UPDATE projection_checkpoint SET updated_at = clock_timestamp(); COMMIT`);
    const store = whileReading(9, heal);
    const projector = harness.projector({ store, pageSize: 4 });

    expect(await projector.catchUp()).toMatchObject({ caughtUp: true });

    expect(await harness.rows(connectorStateCache)).toMatchObject([{ hitCount: 205 }]);
  });

  it('sets aside the one event that the database refuses, and applies all others', async () => {
    await harness.pool.query(
      "ALTER TABLE connector_state_cache ADD CONSTRAINT not_them CHECK (user_id <> 'them')",
    );
    const hits = Array.from({ length: 50 }, () => hit({ count: 1 }));
    const theirs = synced({ id: id(550), userId: 'them', syncId: id(3) });
    await harness.append(synced({ syncId: id(1) }), ...hits, theirs, ...hits.map(() => hit({ count: 1 })));
    const projector = harness.projector({ pageSize: 4 });

    expect(await projector.catchUp()).toMatchObject({ events: 102, caughtUp: true });

    expect(await projector.deadLetters()).toMatchObject([
      { projection: 'connector_state_cache', eventId: id(550), attempts: 1 },
    ]);
    expect(await harness.rows(connectorStateCache)).toMatchObject([{ hitCount: 100, syncId: id(1) }]);
  });

  it('does so as the leader, and follows then', async () => {
    const history = longHistory();
    await harness.append(...history);
    const stop = new AbortController();
    const projector = harness.projector({ pageSize: 8 });
    const running = projector.run({ signal: stop.signal });
    try {
      await until('the history is applied', () => projector.counters.events === history.length);
      await harness.append(synced({ ...connector, syncId: id(3_000), measuredAt: T0 + 20_000 }));
      await until('what came then is', () => projector.counters.events === history.length + 1);
    } finally {
      stop.abort();
      await running;
    }
    const { live, expected } = await liveAndExpected(harness);
    expect(live).toEqual(expected);
  });
});
