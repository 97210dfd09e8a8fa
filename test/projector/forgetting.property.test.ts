/** Retention that is exact: whatever is forgotten, and wherever it was interrupted, live rows equal a rebuild. */
import { afterEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { projections } from '../../projections/index.js';
import type { EventStore } from '../../src/event-store/event-store.js';
import type { Projector } from '../../src/projector/index.js';
import { createHarness, type Harness, liveAndExpected } from './harness.js';
import { histories } from './histories.js';

const RUNS = 15;

/** Fails at the nth call to the store, before or after it was made, as a process that is killed there. */
function killedAt(store: EventStore, call: number, when: 'before' | 'after'): EventStore {
  let left = call;
  const guarded =
    <A extends unknown[], R>(method: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      left -= 1;
      if (left === 0 && when === 'before') throw new Error('killed');
      const answer = await method(...args);
      if (left === 0) throw new Error('killed');
      return answer;
    };
  const { dropForgotten } = store;
  return {
    ...store,
    append: guarded(store.append),
    readStream: guarded(store.readStream),
    readAll: guarded(store.readAll),
    ...(dropForgotten && { dropForgotten: guarded(dropForgotten) }),
  };
}

const forgettings = fc.array(
  fc.record({
    /** Which event's time, as a share of those there are. */
    share: fc.constantFrom(0.5, 0.7, 0.9, 1),
    call: fc.integer({ min: 1, max: 24 }),
    when: fc.constantFrom('before' as const, 'after' as const),
    completes: fc.boolean(),
    sumsAtOnce: fc.constantFrom(1, 3, 50_000),
  }),
  { minLength: 1, maxLength: 4 },
);

describe('forgetting hits', () => {
  let harness: Harness;
  afterEach(() => harness.close());

  const timeAt = async (share: number): Promise<number> => {
    const { rows } = await harness.pool.query<{ at: string }>(
      `SELECT (extract(epoch FROM recorded_at) * 1000)::bigint AS at FROM connector_event ORDER BY position`,
    );
    return Number(rows[Math.min(rows.length - 1, Math.floor(share * rows.length))]?.at) + 1;
  };

  const hitsLeft = async (): Promise<number> =>
    Number((await harness.pool.query('SELECT count(*) FROM connector_event_hits')).rows[0].count);

  const expectExact = async (projector: Projector, live: object) => {
    expect(await projector.verify()).toMatchObject({ equal: true });
    const { differing } = await projector.rebuild();
    expect(Object.values(differing)).toEqual(projections.map(() => 0));
    expect((await liveAndExpected(harness)).live).toEqual(live);
  };

  it('leaves live rows equal to a rebuild, whatever was forgotten when, and wherever it was interrupted', async () => {
    const seen = { completed: 0, killed: 0, dropped: 0 };
    await fc.assert(
      fc.asyncProperty(
        histories,
        forgettings,
        fc.integer({ min: 1, max: 9 }),
        async (history, plan, pageSize) => {
          await harness?.close();
          harness = await createHarness();
          const projector = harness.projector({ pageSize });
          for (const [index, batch] of history.entries()) {
            await harness.append(...batch);
            await projector.catchUp();
            const { live } = await liveAndExpected(harness);
            const step = plan[index];
            if (!step) continue;
            const before = await timeAt(step.share);
            const store = killedAt(harness.store, step.call, step.when);
            const hits = await hitsLeft();
            await harness
              .projector({ store, pageSize })
              .forgetHits({ before, by: 'test', sumsAtOnce: step.sumsAtOnce })
              .then(
                () => (seen.completed += 1),
                error => {
                  seen.killed += 1;
                  expect(error).toMatchObject({ message: 'killed' });
                },
              );
            await expectExact(projector, live);
            if (!step.completes) continue;
            await projector.forgetHits({ before, by: 'test', sumsAtOnce: step.sumsAtOnce });
            seen.dropped += hits - (await hitsLeft());
            await expectExact(projector, live);
            expect((await projector.lag()).events).toBe(0);
          }
          const { live } = await liveAndExpected(harness);
          // A new database over the same log, or a new projection.
          await harness.pool.query('UPDATE projection_checkpoint SET position = NULL, log_mark = NULL');
          for (const { table } of projections) await harness.pool.query(`DELETE FROM ${table.name}`);
          await harness.projector().rebuild();
          expect((await liveAndExpected(harness)).live).toEqual(live);
        },
      ),
      { numRuns: RUNS, interruptAfterTimeLimit: 200_000 },
    );
    expect(Object.values(seen).every(count => count > 0)).toBe(true);
  }, 300_000);
});
