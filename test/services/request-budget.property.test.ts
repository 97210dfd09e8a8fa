/** No span of the limit's length holds more requests than the share of it, whenever they are asked for. */
import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RequestBudget } from '../../src/services/request-budget.js';

it('never sends more than the share of the limit in any span, nor two at once', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        requests: fc.integer({ min: 1, max: 1_000 }),
        perMs: fc.integer({ min: 100, max: 60_000 }),
      }),
      fc.double({ min: 0.001, max: 0.5, noNaN: true }),
      fc.array(
        fc.record({
          idleMs: fc.integer({ min: 0, max: 3_000 }),
          chance: fc.double({ min: 0, max: 1, noNaN: true }),
        }),
        {
          minLength: 2,
          maxLength: 60,
        },
      ),
      async (limit, share, wishes) => {
        let nowMs = 1e12;
        let chance = 0;
        const budget = new RequestBudget(limit, share, {
          now: () => nowMs,
          pause: async ms => {
            nowMs += ms;
          },
          random: () => chance,
        });
        const sent: number[] = [];
        for (const wish of wishes) {
          nowMs += wish.idleMs;
          chance = wish.chance;
          await budget.turn();
          sent.push(nowMs);
        }
        const most = Math.max(1, Math.floor(limit.requests * share));
        // Times of this size are told apart to a quarter of a microsecond.
        const spanMs = limit.perMs - 0.01;
        for (const [i, atMs] of sent.entries()) {
          expect(sent.slice(i).filter(each => each < atMs + spanMs).length).toBeLessThanOrEqual(most);
        }
      },
    ),
  );
});
