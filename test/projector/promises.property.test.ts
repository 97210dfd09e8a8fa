import { afterEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { projections } from '../../projections/index.js';
import type { Projector } from '../../src/projector/index.js';
import { type Crash, crashingPool } from './crashing-pool.js';
import { createHarness, type Harness, liveAndExpected } from './harness.js';
import { histories } from './histories.js';

const RUNS = 20;

const crashes: fc.Arbitrary<Crash[]> = fc.array(
  fc.record({
    statement: fc.nat({ max: 120 }),
    when: fc.constantFrom('before' as const, 'after' as const),
  }),
  { maxLength: 25, size: 'max' },
);

/** As a platform does: a function that failed is run again. */
async function insist(projector: Projector): Promise<void> {
  for (;;) {
    try {
      if ((await projector.catchUp({ timeoutMs: 20 })).caughtUp) return;
    } catch (error) {
      expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
    }
  }
}

describe('whatever happened, and wherever it crashed', () => {
  let harness: Harness;
  afterEach(() => harness.close());

  it('promise 1 and 2: every event counts once, and live rows equal the plain fold and a rebuild, row for row', async () => {
    await fc.assert(
      fc.asyncProperty(
        histories,
        crashes,
        fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 3 }),
        async (history, plan, pageSizes) => {
          await harness?.close();
          harness = await createHarness();
          const pool = crashingPool(harness.pool, plan);
          const functions = pageSizes.map(pageSize => harness.projector({ pool, pageSize }));

          for (const batch of history) {
            await harness.append(...batch);
            await Promise.all(functions.map(insist));
          }

          const { live, expected } = await liveAndExpected(harness);
          expect(live).toEqual(expected);
          const projector = harness.projector({ pageSize: 5 });
          expect(await projector.verify()).toMatchObject({ equal: true });
          expect(Object.values((await projector.rebuild()).differing)).toEqual(projections.map(() => 0));
          // Who calls a good row corrupt, which here happens by chance, is set aside.
          const letters = await projector.deadLetters();
          expect(letters.filter(({ error }) => !error.startsWith('trigger: '))).toEqual([]);
          expect(await liveAndExpected(harness)).toEqual({ live, expected });
        },
      ),
      // Shrinking makes a database a try: what it has found by then is small enough to read.
      { numRuns: RUNS, interruptAfterTimeLimit: 200_000 },
    );
  }, 300_000);
});
