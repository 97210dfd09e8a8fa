import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  addToCell,
  cellOf,
  type DriftCell,
  type DriftObservation,
  lastKnown,
  medianRoundTripMs,
  mergeMoments,
  roundTripCounts,
} from '../../src/clock/drift-cell.js';

const HOUR_MS = 3_600_000;
const T0 = 1_760_000_400_000;

const fold = ([first, ...more]: readonly DriftObservation[]) =>
  more.reduce<DriftCell>(addToCell, cellOf(first as DriftObservation));

/** Of a clock that drifts by a rate within the assumed bound, with the truth anywhere in each interval. */
const honest = fc
  .record({
    offsetMs: fc.double({ min: -1e6, max: 1e6, noNaN: true }),
    ratePpm: fc.double({ min: -50, max: 50, noNaN: true }),
    samples: fc.array(
      fc.record({
        afterMs: fc.integer({ min: 0, max: HOUR_MS - 1 }),
        uncertaintyMs: fc.double({ min: 0.5, max: 500, noNaN: true }),
        side: fc.double({ min: -0.99, max: 0.99, noNaN: true }),
        roundTripMs: fc.double({ min: 0, max: 3_000, noNaN: true }),
      }),
      { minLength: 1, maxLength: 30 },
    ),
  })
  .map(({ offsetMs, ratePpm, samples }) => ({
    truthAt: (atMs: number) => offsetMs + ((atMs - T0) * ratePpm) / 1e6,
    observations: samples.map(({ afterMs, uncertaintyMs, side, roundTripMs }) => ({
      atMs: T0 + afterMs,
      offsetMs: offsetMs + (afterMs * ratePpm) / 1e6 + side * uncertaintyMs,
      uncertaintyMs,
      roundTripMs,
    })),
  }));

describe('a cell of a clock that keeps its bound', () => {
  it('sees no step and holds the truth, in whatever order the samples arrive', () => {
    fc.assert(
      fc.property(honest, ({ truthAt, observations }) => {
        const cell = fold(observations);

        expect(cell.steps).toBe(0);
        const known = lastKnown(cell);
        expect(Math.abs(known.offsetMs - truthAt(known.atMs))).toBeLessThanOrEqual(
          known.uncertaintyMs + 1e-6,
        );
      }),
      { numRuns: 500 },
    );
  });

  it('has the figures of its samples', () => {
    fc.assert(
      fc.property(honest, ({ observations }) => {
        const cell = fold(observations);
        const offsets = observations.map(o => o.offsetMs);

        expect(cell.samples).toBe(observations.length);
        expect([cell.minOffsetMs, cell.maxOffsetMs]).toEqual([Math.min(...offsets), Math.max(...offsets)]);
        expect(cell.meanOffsetMs).toBeCloseTo(offsets.reduce((a, b) => a + b) / offsets.length, 3);
        expect(cell.tightestUncertaintyMs).toBe(Math.min(...observations.map(o => o.uncertaintyMs)));
        expect([cell.firstAt, cell.lastAt]).toEqual([
          Math.min(...observations.map(o => o.atMs)),
          Math.max(...observations.map(o => o.atMs)),
        ]);
        expect(roundTripCounts(cell).reduce((a, b) => a + b)).toBe(observations.length);
      }),
    );
  });

  it('has moments that give the line of a regression over all samples at once', () => {
    fc.assert(
      fc.property(honest, ({ observations }) => {
        const cell = fold(observations);
        const w = observations.map(o => 1 / (o.uncertaintyMs ** 2 + 0.25));
        const mean = (of: (o: DriftObservation) => number) =>
          observations.reduce((sum, o, i) => sum + (w[i] as number) * of(o), 0) / w.reduce((a, b) => a + b);
        const t = mean(o => o.atMs - T0);
        const y = mean(o => o.offsetMs);
        const tt = mean(o => (o.atMs - T0 - t) ** 2);
        const ty = mean(o => (o.atMs - T0 - t) * (o.offsetMs - y));

        const close = (found: number, wanted: number, scale: number) =>
          expect(Math.abs(found - wanted)).toBeLessThanOrEqual(1e-6 * scale);
        close(cell.timeSquares / cell.weight, tt, HOUR_MS ** 2);
        close(cell.timeOffsets / cell.weight, ty, HOUR_MS * 1e3);
        close(cell.centreMs - T0, t, HOUR_MS);
        close(cell.centreOffsetMs, y, 1e6);
      }),
    );
  });

  it('can be cut in two anywhere, and put together again', () => {
    fc.assert(
      fc.property(honest, fc.nat(), ({ observations }, at) => {
        fc.pre(observations.length > 1);
        const cut = 1 + (at % (observations.length - 1));
        const both = mergeMoments(fold(observations.slice(0, cut)), fold(observations.slice(cut)));
        const whole = fold(observations);

        expect(both.weight).toBeCloseTo(whole.weight, 6);
        expect(both.centreOffsetMs).toBeCloseTo(whole.centreOffsetMs, 3);
        expect(Math.abs(both.timeSquares - whole.timeSquares)).toBeLessThanOrEqual(1e-6 * HOUR_MS ** 2);
      }),
    );
  });
});

describe('a step', () => {
  const at = (seconds: number, offsetMs: number): DriftObservation => ({
    atMs: T0 + seconds * 1_000,
    offsetMs,
    uncertaintyMs: 10,
    roundTripMs: 20,
  });

  it('is a sample that excludes what was known; what was known before it is kept apart', () => {
    const cell = fold([at(0, 100), at(60, 104), at(120, -900), at(180, -905)]);

    expect(cell).toMatchObject({ steps: 1, stepAfter: T0 + 60_000, steppedAt: T0 + 120_000 });
    expect(cell.stepMs).toBeCloseTo(-1_002, -1);
    expect(cell.firstOffsetMs).toBeCloseTo(102, -1);
    expect(cell.offsetMs).toBeCloseTo(-902.5, -1);
    expect(cell.weight).toBeCloseTo(2 / 100.25, 9);
  });

  it('is seen in the same place when the sample from before it comes late', () => {
    expect(fold([at(120, -900), at(180, -905), at(60, 104)])).toMatchObject({
      steps: 1,
      stepAfter: T0 + 60_000,
      steppedAt: T0 + 120_000,
      samples: 3,
    });
  });

  it('is not made by a wrong sample that comes late among right ones, nor by one from before the step', () => {
    const before = fold([at(0, 100), at(60, 104), at(120, -900)]);

    expect(fold([at(0, 100), at(60, 104), at(30, 5_000)])).toMatchObject({ steps: 0, samples: 3 });
    expect(addToCell(before, at(30, 102))).toMatchObject({ steps: 1, samples: 4, offsetMs: -900 });
  });

  it('counts, each of them', () => {
    const cell = fold([at(0, 0), at(10, 500), at(20, 0), at(30, 500)]);

    expect(cell).toMatchObject({ steps: 3, stepAfter: T0 + 20_000, steppedAt: T0 + 30_000 });
  });
});

describe('the median of round trips', () => {
  it('is within the class of the true one', () => {
    const trips = fc.array(fc.double({ min: 0.2, max: 2_400, noNaN: true }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(trips, all => {
        const cell = fold(all.map((roundTripMs, i) => ({ ...zero, atMs: T0 + i, roundTripMs })));
        const sorted = [...all].sort((a, b) => a - b);
        const lower = sorted[Math.ceil(all.length / 2) - 1] as number;

        const median = medianRoundTripMs(roundTripCounts(cell), cell.roundTripMinMs);

        const bounds = [0, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500];
        const upper = bounds.findIndex(bound => lower <= bound);
        expect(median).toBeGreaterThanOrEqual(bounds[upper - 1] as number);
        expect(median).toBeLessThanOrEqual(bounds[upper] as number);
        expect(median).toBeGreaterThanOrEqual(cell.roundTripMinMs);
      }),
    );
  });

  const zero = { offsetMs: 0, uncertaintyMs: 10 };
});
