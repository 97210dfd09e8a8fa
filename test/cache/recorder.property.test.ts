/**
 * The recorder against a store that fails at random, before or after it has stored: nothing is lost, nothing is
 * stored twice, nothing overtakes anything, and every hit is counted.
 */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { silentLogger } from '../../src/base/logging.js';
import { Recorder } from '../../src/cache/recorder.js';
import type { NewEvent, Position } from '../../src/events/event.js';
import { newEventId } from '../../src/events/ids.js';

const REF = { userId: 'u', credentialId: 'c', exchange: 'BYBIT', environment: 'MAINNET' } as const;

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('fact' as const), times: fc.integer({ min: 1, max: 400 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('hit' as const),
      times: fc.integer({ min: 1, max: 5 }),
      user: fc.nat(700),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('flush' as const) }) },
);
const outcome = fc.constantFrom('store', 'fail', 'store, but the answer is lost', 'store later');

describe('promise 1, as far as the recorder goes', () => {
  it('every fact is stored once, in order, whatever fails when', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.array(outcome), async (steps, outcomes) => {
        const stored = new Map<string, NewEvent>();
        const take = outcomes[Symbol.iterator]();
        const recorder = new Recorder({
          store: async () => ({
            async append(events) {
              const fate = take.next().value ?? 'store';
              if (fate === 'fail') throw new Error('down');
              if (fate === 'store later') await new Promise(resolve => setImmediate(resolve));
              for (const event of events) if (!stored.has(event.id)) stored.set(event.id, event);
              if (fate === 'store, but the answer is lost') throw new Error('lost');
              return { events: [], position: `pg/${stored.size}` as Position };
            },
          }),
          newId: async () => newEventId,
          maxPending: 1_000_000,
          flushIntervalMs: 600_000,
          host: 'h',
          wall: () => 1_760_000_000_000,
          log: silentLogger,
        });

        let facts = 0;
        let hits = 0;
        for (const each of steps) {
          if (each.do === 'flush') void recorder.flush();
          for (let i = 0; each.do !== 'flush' && i < each.times; i++) {
            if (each.do === 'hit') {
              recorder.recordHit({ ...REF, userId: `u${each.user}` }, 'memory');
              hits++;
            } else {
              const data = { ...REF, exchangeCode: String(facts++), failureClass: 'unknown' } as const;
              recorder.record({ type: 'ConnectorAuthFailed', data });
            }
          }
          if (each.do === 'flush') await new Promise(resolve => setImmediate(resolve));
        }
        // Failures are finite; sooner or later a flush gets through.
        for (let i = 0; !(await recorder.flush()).ok; i++) expect(i).toBeLessThanOrEqual(outcomes.length);

        const events = [...stored.values()];
        const codes = events.flatMap(({ type, data }) =>
          type === 'ConnectorAuthFailed' ? [data.exchangeCode] : [],
        );
        const counts = events.flatMap(({ type, data }) => (type === 'ConnectorStateHit' ? [data.count] : []));
        expect(codes).toEqual(Array.from({ length: facts }, (_, i) => String(i)));
        expect(counts.reduce((a, b) => a + b, 0)).toBe(hits);
        expect(recorder.stats()).toMatchObject({ pending: 0, droppedFacts: 0, droppedHits: 0, rejected: 0 });
        await recorder.close(1_000);
      }),
      { numRuns: 100 },
    );
  });
});
