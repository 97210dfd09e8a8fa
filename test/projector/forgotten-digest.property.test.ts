/** Summing up hits changes no row, whatever the store's clock did meanwhile. */
import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { projections } from '../../projections/index.js';
import type { EventStore } from '../../src/event-store/event-store.js';
import type { KnownEvent, Position, StoredEvent } from '../../src/events/event.js';
import { HitsDigest, isKept } from '../../src/projector/forgotten/digest.js';
import { withSums } from '../../src/projector/forgotten/replay.js';
import { hit, MINUTE_MS, synced } from '../support/facts.js';
import { plainFold } from '../support/plain-fold.js';

const HOUR_MS = 60 * MINUTE_MS;
const START = Date.UTC(2025, 9, 9, 8);

const place = (position: Position | undefined): number => Number(String(position ?? '/0').split('/')[1]);
const compare: EventStore['compare'] = (a, b) => place(a) - place(b);

const fact = fc.record({
  isHit: fc.boolean(),
  userId: fc.constantFrom('a', 'b'),
  exchange: fc.constantFrom('BYBIT' as const, 'BINGX' as const),
  tier: fc.constantFrom('memory' as const, 'postgres' as const),
  count: fc.integer({ min: 1, max: 5 }),
  /** How far the store's clock went on; now and then it is set back. */
  stepMs: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 40 * MINUTE_MS }) },
    { weight: 1, arbitrary: fc.integer({ min: -3 * HOUR_MS, max: 30 * HOUR_MS }) },
  ),
  lengthMs: fc.integer({ min: 0, max: 20 * MINUTE_MS }),
});

it('folds sums to the very rows that the hits made', () => {
  let summed = 0;
  fc.assert(
    fc.property(fc.array(fact, { minLength: 2, maxLength: 40, size: 'max' }), plan => {
      let recordedAt = START;
      const versions = new Map<string, number>();
      const log = plan.map(({ isHit, stepMs, lengthMs, count, tier, ...ref }, index): StoredEvent => {
        recordedAt += stepMs;
        const times = { firstAt: recordedAt - lengthMs, lastAt: recordedAt };
        const event = isHit
          ? hit({ ...ref, ...times, tier, count, occurredAt: recordedAt })
          : synced({ ...ref, trigger: 'expired', measuredAt: recordedAt, occurredAt: recordedAt });
        const version = (versions.get(event.stream) ?? 0) + 1;
        versions.set(event.stream, version);
        const schemaVersion = isHit ? 3 : 1;
        const position = `test/${index + 1}` as Position;
        return { ...event, version, recordedAt, schemaVersion, position, decoded: 'known' } as StoredEvent;
      });
      const digest = new HitsDigest(undefined);
      for (const event of log) {
        if (isKept(event)) digest.kept(event);
        else digest.forget(event);
      }
      const end = `test/${log.length + 1}` as Position;
      const span = { before: Number.POSITIVE_INFINITY, until: end, recorded: end, next: undefined };
      const entries = digest.entries();
      const hits = log.filter(event => !isKept(event)).length;
      summed += hits - entries.length;
      const page = withSums({ compare }, span, { events: log, after: undefined, position: end }, place =>
        entries.filter(({ after }) => after === place),
      );
      for (const projection of projections) {
        const rows = (events: readonly unknown[]) =>
          plainFold(projection, events as KnownEvent[])
            .map(row => JSON.stringify(row))
            .sort();
        expect([projection.name, rows(page.events)]).toEqual([projection.name, rows(log)]);
      }
    }),
    { numRuns: 100 },
  );
  expect(summed).toBeGreaterThan(0);
});
