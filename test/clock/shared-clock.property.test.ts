import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { estimateFromSample, type OffsetEstimate } from '../../src/clock/offset.js';
import {
  addMeasurement,
  clockAt,
  condemn,
  type Measurement,
  OPEN_START,
  type SharedClock,
} from '../../src/clock/shared-clock.js';
import { type Clock, clock, exchange, offsetBetween, ROUNDING_MS, read, sample } from './world.js';

const HOUR_MS = 3_600_000;
const TTL_MS = 900_000;
/** The only one: it decides alone. Several are in shared-clock-hosts.property.test.ts. */
const HOST = 'host:one/1';

let syncs = 0;
const measurement = (estimate: OffsetEstimate, ttlMs = TTL_MS): Measurement => ({
  syncId: `sync-${++syncs}`,
  estimate,
  ttlMs,
  host: HOST,
});
const at = (offsetMs: number, atMs: number, uncertaintyMs = 10): OffsetEstimate => ({
  offsetMs,
  uncertaintyMs,
  atMs,
});
const fold = (measurements: readonly Measurement[], start?: SharedClock): SharedClock =>
  measurements.reduce<SharedClock | undefined>(addMeasurement, start) as SharedClock;

const expectTrue = (shared: SharedClock, remote: Clock, reference: Clock, trueMs: number) => {
  const estimate = clockAt(shared, read(reference, trueMs));
  const truth = offsetBetween(remote, reference, trueMs);
  expect(Math.abs(estimate.offsetMs - truth)).toBeLessThanOrEqual(estimate.uncertaintyMs + ROUNDING_MS);
};

describe('the clock shared by all connectors of an exchange', () => {
  it('is always true while no clock steps, whatever order measurements arrive in', () => {
    fc.assert(
      fc.property(
        clock,
        clock,
        fc.array(exchange(HOUR_MS), { minLength: 1, maxLength: 15 }),
        fc.double({ min: 0, max: 2 * HOUR_MS, noNaN: true }),
        (reference, remote, exchanges, whenMs) => {
          const shared = fold(
            exchanges.map(x => measurement(estimateFromSample(sample(reference, remote, x)))),
          );

          expect(shared).toMatchObject({ isValid: true, epoch: 1, sampleCount: exchanges.length });
          expectTrue(shared, remote, reference, whenMs);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('ends no earlier than any measurement that went in, and names the latest', () => {
    const times = fc.uniqueArray(fc.integer({ min: 0, max: HOUR_MS }), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(times, atTimes => {
        const measurements = atTimes.map(atMs => measurement(at(0, atMs)));
        const latest = measurements.reduce((a, b) => (a.estimate.atMs > b.estimate.atMs ? a : b));

        const shared = fold(measurements);

        expect(shared.syncId).toBe(latest.syncId);
        expect(shared.expiresAtMs).toBe(latest.estimate.atMs + TTL_MS);
        expect(shared.estimate.atMs).toBe(latest.estimate.atMs);
      }),
    );
  });

  describe('when a clock steps', () => {
    const history = fc.record({
      reference: clock,
      remote: clock,
      before: fc.array(exchange(HOUR_MS), { minLength: 1, maxLength: 8 }),
      after: fc.array(exchange(HOUR_MS), { minLength: 1, maxLength: 8 }),
      late: fc.array(exchange(HOUR_MS), { maxLength: 4 }),
      // More than any uncertainty here can cover.
      stepMs: fc.constantFrom(-60_000, 60_000),
    });

    it('starts an epoch, and is true in it whatever arrives late from before', () => {
      fc.assert(
        fc.property(history, fc.double({ min: 0, max: HOUR_MS, noNaN: true }), (h, whenMs) => {
          const { reference, remote, stepMs } = h;
          const stepped: Clock = { ...remote, startMs: remote.startMs + stepMs };
          const from = 2 * HOUR_MS;
          const old = [...h.before, ...h.late].map(x =>
            measurement(estimateFromSample(sample(reference, remote, x))),
          );
          const fresh = h.after
            .map(x => ({ ...x, atMs: x.atMs + from }))
            .map(x => measurement(estimateFromSample(sample(reference, stepped, x))));

          const shared = fold([
            ...old.slice(0, h.before.length),
            fresh[0] as Measurement,
            // One answer may be wrong by any amount: the second decides.
            { ...(fresh[0] as Measurement), syncId: 'again' },
            ...old.slice(h.before.length),
            ...fresh.slice(1),
          ]);

          expect(shared).toMatchObject({ isValid: true, epoch: 2 });
          expectTrue(shared, stepped, reference, from + whenMs);
        }),
        { numRuns: 500 },
      );
    });

    it('does not let a measurement from before the epoch in, even where the two agree', () => {
      const first = measurement(at(0, 1_000));
      const next = measurement(at(100, 3_000, 60));
      const shared = fold([first, next, measurement(at(100, 3_001, 60))]);
      expect(shared.epoch).toBe(2);

      // It allows 40 to 60, which the clock then had; now it has 100 ± 60.
      expect(addMeasurement(shared, measurement(at(50, 2_000)))).toBe(shared);
    });

    it('ignores a late measurement that contradicts a newer one', () => {
      const shared = fold([measurement(at(0, 5_000))]);
      expect(addMeasurement(shared, measurement(at(3_000, 4_000)))).toBe(shared);
    });
  });
});

describe('a condemnation', () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant('measure' as const), atMs: fc.integer({ min: 1, max: 1_000 }) }),
      fc.record({
        kind: fc.constant('condemn' as const),
        which: fc.nat(),
        voidsOlder: fc.boolean(),
      }),
    ),
    { minLength: 1, maxLength: 25 },
  );

  it('never removes a newer measurement, and what it condemned never comes back', () => {
    fc.assert(
      fc.property(steps, history => {
        const measured: Measurement[] = [];
        const condemned = new Set<string>();
        let voidUpToMs = OPEN_START;
        let shared: SharedClock | undefined;

        for (const step of history) {
          if (step.kind === 'measure') {
            const next = measurement(at(0, step.atMs));
            measured.push(next);
            shared = addMeasurement(shared, next);
          } else if (shared && measured.length > 0) {
            const target = measured[step.which % measured.length] as Measurement;
            const { syncId } = target;
            const before: SharedClock = shared;
            shared = condemn(shared, {
              syncId,
              measuredAtMs: target.estimate.atMs,
              voidsOlder: step.voidsOlder,
              host: HOST,
            });
            if (before.syncId !== syncId && before.estimate.atMs > target.estimate.atMs) {
              expect(shared).toBe(before);
            }
            if (before.isValid && !shared.isValid) {
              condemned.add(before.syncId);
              if (step.voidsOlder) voidUpToMs = Math.max(voidUpToMs, target.estimate.atMs);
            }
          }
          if (shared?.isValid) {
            expect(condemned).not.toContain(shared.syncId);
            expect(shared.estimate.atMs).toBeGreaterThan(voidUpToMs);
          }
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('cannot be undone by what was measured before it and arrives after', () => {
    const first = measurement(at(0, 1_000));
    const latest = measurement(at(0, 3_000));
    const condemned = condemn(fold([first, latest]), {
      syncId: latest.syncId,
      measuredAtMs: 3_000,
      voidsOlder: true,
      host: HOST,
    });
    expect(condemned.isValid).toBe(false);

    expect(addMeasurement(condemned, measurement(at(0, 2_000))).isValid).toBe(false);
    expect(addMeasurement(condemned, measurement(at(0, 3_000))).isValid).toBe(false);
    expect(addMeasurement(condemned, measurement(at(7, 3_001)))).toMatchObject({ isValid: true, epoch: 2 });
  });

  it('is not undone when another connector reports the same sync', () => {
    const sync = measurement(at(0, 1_000));
    const condemned = condemn(fold([sync]), {
      syncId: sync.syncId,
      measuredAtMs: 1_000,
      voidsOlder: false,
      host: HOST,
    });

    expect(addMeasurement(condemned, sync).isValid).toBe(false);
  });

  it('that says nothing about older ones lets them in again', () => {
    const sync = measurement(at(0, 3_000));
    const condemned = condemn(fold([sync]), {
      syncId: sync.syncId,
      measuredAtMs: 3_000,
      voidsOlder: false,
      host: HOST,
    });

    expect(addMeasurement(condemned, measurement(at(0, 2_000))).isValid).toBe(true);
  });

  it('of a sync that is not the latest leaves the clock as it is', () => {
    const [older, newer] = [measurement(at(0, 1_000)), measurement(at(0, 2_000))];
    const shared = fold([older, newer]);

    expect(condemn(shared, { syncId: older.syncId, measuredAtMs: 1_000, voidsOlder: true, host: HOST })).toBe(
      shared,
    );
  });
});
