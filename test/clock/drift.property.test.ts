import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  addToDrift,
  type DriftSums,
  driftOf,
  HALF_LIFE_MS,
  MAX_ERROR_PPM,
  WANDER_PPM,
} from '../../src/clock/drift.js';
import { ASSUMED_RATE, type OffsetEstimate } from '../../src/clock/offset.js';

const MINUTE_MS = 60_000;
const START_MS = 1_764_000_000_000;

const at = (minutes: number, offsetMs: number, uncertaintyMs = 5): OffsetEstimate => ({
  offsetMs,
  uncertaintyMs,
  atMs: START_MS + minutes * MINUTE_MS,
});
const sumsOf = (samples: readonly OffsetEstimate[]): DriftSums =>
  samples.reduce<DriftSums | undefined>(addToDrift, undefined) as DriftSums;

/** The definition, over all samples at once: weights 1/u², halved by age, straight line by least squares. */
function regression(samples: readonly OffsetEstimate[]): number {
  const latest = Math.max(...samples.map(s => s.atMs));
  const w = samples.map(s => 0.5 ** ((latest - s.atMs) / HALF_LIFE_MS) / (s.uncertaintyMs ** 2 + 0.25));
  const sum = (f: (i: number) => number) => samples.reduce((n, _, i) => n + (w[i] as number) * f(i), 0);
  const total = sum(() => 1);
  const t = (i: number) => (samples[i]?.atMs as number) - latest;
  const y = (i: number) => samples[i]?.offsetMs as number;
  const [meanT, meanY] = [sum(t) / total, sum(y) / total];
  return (sum(i => (t(i) - meanT) * (y(i) - meanY)) / sum(i => (t(i) - meanT) ** 2)) * 1e6;
}

const history = fc
  .uniqueArray(fc.integer({ min: 0, max: 3_000 }), { minLength: 2, maxLength: 40 })
  .chain(minutes =>
    fc.tuple(
      ...minutes.map(minute =>
        fc
          .tuple(
            fc.double({ min: -100, max: 100, noNaN: true }),
            fc.double({ min: 0.5, max: 600, noNaN: true }),
          )
          .map(([offsetMs, uncertaintyMs]) => at(minute, offsetMs, uncertaintyMs)),
      ),
    ),
  );

describe('the drift of a clock', () => {
  it('is the weighted least-squares slope over the samples, in whatever order they arrive', () => {
    fc.assert(
      fc.property(history, samples => {
        const expected = regression(samples);
        expect(driftOf(sumsOf(samples)).ratePpm).toBeCloseTo(expected, expected === 0 ? 3 : 2);
      }),
      { numRuns: 500 },
    );
  });

  it('of a steady clock is found, and the truth lies within its bound', () => {
    const rate = fc.double({ min: -40, max: 40, noNaN: true });
    const errors = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 60, maxLength: 60 });
    fc.assert(
      fc.property(rate, errors, (ratePpm, noise) => {
        const samples = noise.map((error, i) =>
          at(i * 10, 120 + i * 10 * 60 * (ratePpm / 1e3) + 5 * error, 5),
        );

        const drift = driftOf(sumsOf(samples));

        expect(drift.isMeasured).toBe(true);
        expect(Math.abs(drift.rate.ratePpm - ratePpm)).toBeLessThanOrEqual(drift.rate.boundPpm);
        expect(drift.rate.boundPpm).toBeLessThan(10);
      }),
    );
  });

  it('of two hosts that each err all the time in one direction stays within its bound when one takes over', () => {
    const samples = [...Array(72)].map((_, i) => at(i * 10, i < 36 ? -5 : 5, 6));
    const { isMeasured, rate } = driftOf(sumsOf(samples));

    expect(isMeasured && Math.abs(rate.ratePpm) > rate.boundPpm).toBe(false);
  });

  it.each([
    ['five samples', [0, 10, 20, 30, 40].map(m => at(m, 0))],
    ['29 minutes', [0, 5, 10, 15, 20, 25, 29].map(m => at(m, 0, 0.1))],
    ['samples that scatter', [0, 10, 20, 30, 40, 50, 60].map(m => at(m, m % 20 ? 300 : -300))],
    ['samples that know too little', [0, 10, 20, 30, 40, 50, 60].map(m => at(m, 0, 500))],
    ['a rate that no clock has', [...Array(20)].map((_, i) => at(i * 10, i * 600))],
    ['all samples at one moment', [...Array(20)].map(() => at(0, 1))],
  ])('is not told from %s', (_, samples) => {
    expect(driftOf(sumsOf(samples))).toMatchObject({ isMeasured: false, rate: ASSUMED_RATE });
  });

  it('is told from a few samples in half an hour that agree', () => {
    const drift = driftOf(sumsOf([0, 5, 10, 15, 20, 25, 31].map(m => at(m, m * 0.6, 1))));

    expect(drift.isMeasured).toBe(true);
    expect(drift.ratePpm).toBeCloseTo(10, 5);
    expect(drift.rate.boundPpm).toBeGreaterThan(WANDER_PPM);
    expect(drift.rate.boundPpm).toBeLessThan(MAX_ERROR_PPM + WANDER_PPM);
  });

  it('follows a clock that changed its rate days ago', () => {
    const before = [...Array(144)].map((_, i) => at(i * 10, i * 10 * 0.06 * 20, 2));
    const turn = before.at(-1) as OffsetEstimate;
    const after = [...Array(432)].map((_, i) => ({ ...turn, atMs: turn.atMs + (i + 1) * 10 * MINUTE_MS }));

    const { rate } = driftOf(sumsOf([...before, ...after]));

    expect(Math.abs(rate.ratePpm)).toBeLessThan(1);
  });

  it('starts from nothing as the assumed rate', () => {
    expect(driftOf(undefined)).toMatchObject({ isMeasured: false, rate: ASSUMED_RATE, samples: 0 });
  });
});
