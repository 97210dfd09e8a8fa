import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { adaptiveTtl, fixedTtl, MAX_TTL_MS, MIN_ADAPTIVE_TTL_MS, SAFE_SHARE } from '../../src/clock/ttl.js';

const HOUR_MS = 3_600_000;

describe('the adaptive TTL', () => {
  it.each([
    // The figures of the estimator's derivation, for a tolerance of ±1000 ms and ±100 ms known.
    [50, 2.2 * HOUR_MS],
    [15, 7.4 * HOUR_MS],
    [500, 13.3 * 60_000],
  ])('at a rate bound of %p ppm is %p ms', (boundPpm, expectedMs) => {
    const { ttlMs } = adaptiveTtl({ toleranceMs: 1_000, uncertaintyMs: 100, rate: { ratePpm: 0, boundPpm } });
    expect(ttlMs / expectedMs).toBeCloseTo(1, 1);
  });

  it('is a whole number of milliseconds from a minute to a day, and never longer than is provably good', () => {
    const figures = fc.record({
      toleranceMs: fc.double({ min: 1, max: 30_000, noNaN: true }),
      uncertaintyMs: fc.double({ min: 0, max: 1e9, noNaN: true }),
      rate: fc.record({
        ratePpm: fc.double({ min: -500, max: 500, noNaN: true }),
        boundPpm: fc.double({ min: 0, max: 1_000, noNaN: true }),
      }),
    });
    fc.assert(
      fc.property(figures, f => {
        const { ttlMs } = adaptiveTtl(f);
        expect(Number.isInteger(ttlMs)).toBe(true);
        expect(ttlMs).toBeGreaterThanOrEqual(MIN_ADAPTIVE_TTL_MS);
        expect(ttlMs).toBeLessThanOrEqual(MAX_TTL_MS);
        const atEndMs = f.uncertaintyMs + (ttlMs * f.rate.boundPpm) / 1e6;
        const isGoodAtEnd = atEndMs <= SAFE_SHARE * f.toleranceMs + 1e-3;
        expect(isGoodAtEnd || ttlMs === MIN_ADAPTIVE_TTL_MS).toBe(true);
      }),
    );
  });

  it('names the figures it rests on', () => {
    const { policy, inputs } = adaptiveTtl({ toleranceMs: 2_000, uncertaintyMs: 20 });
    expect(policy).toBe('adaptive');
    expect(inputs).toEqual({
      toleranceMs: 2_000,
      safeShare: 0.5,
      uncertaintyMs: 20,
      ratePpm: 0,
      rateBoundPpm: 50,
      unlimitedMs: expect.closeTo(19_600_000, 0),
    });
  });
});

it('the fixed TTL is the 15 minutes of the design decision', () => {
  expect(fixedTtl()).toEqual({ ttlMs: 900_000, policy: 'fixed', inputs: { ttlMs: 900_000 } });
});
