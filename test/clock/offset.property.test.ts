import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { estimateFromSample, inflate, intersect, type OffsetEstimate } from '../../src/clock/offset.js';
import {
  clock,
  endOf,
  exchange,
  MAX_RATE_PPM,
  offsetBetween,
  ROUNDING_MS,
  sample,
  timeWhen,
} from './world.js';

const DAY_MS = 86_400_000;

const expectToHold = (estimate: OffsetEstimate, truth: number) =>
  expect(Math.abs(estimate.offsetMs - truth)).toBeLessThanOrEqual(estimate.uncertaintyMs + ROUNDING_MS);

describe('|estimate − truth| ≤ uncertainty', () => {
  it('holds for one sample, whatever the delays, their asymmetry, the stamp and the drift', () => {
    fc.assert(
      fc.property(clock, clock, exchange(DAY_MS), (local, remote, x) => {
        const estimate = estimateFromSample(sample(local, remote, x));
        expectToHold(estimate, offsetBetween(remote, local, endOf(x)));
      }),
      { numRuns: 2_000 },
    );
  });

  it('holds in the worst case: a stamp just short of the next, taken at once, and a long way back', () => {
    const local = { ratePpm: -MAX_RATE_PPM, startMs: 0 };
    const remote = { ratePpm: MAX_RATE_PPM, startMs: 0.999 };
    const x = { atMs: 0, thereMs: 0, backMs: 10_000, stamp: 'truncated' } as const;

    expectToHold(estimateFromSample(sample(local, remote, x)), offsetBetween(remote, local, endOf(x)));
  });

  it('holds at any other time, before and after', () => {
    fc.assert(
      fc.property(
        clock,
        clock,
        exchange(DAY_MS),
        fc.double({ min: -DAY_MS, max: DAY_MS, noNaN: true }),
        (local, remote, x, ageMs) => {
          const estimate = estimateFromSample(sample(local, remote, x));
          const later = inflate(estimate, estimate.atMs + ageMs);
          expectToHold(later, offsetBetween(remote, local, timeWhen(local, later.atMs)));
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('holds for all samples of two clocks together, in any order, and they never exclude each other', () => {
    fc.assert(
      fc.property(
        clock,
        clock,
        fc.array(exchange(DAY_MS), { minLength: 1, maxLength: 12 }),
        (local, remote, exchanges) => {
          const estimates = exchanges.map(x => estimateFromSample(sample(local, remote, x)));
          const all = estimates.reduce<OffsetEstimate | undefined>(
            (sofar, next) => sofar && intersect(sofar, next),
            estimates[0],
          );
          if (!all) throw new Error('true intervals excluded each other');
          expectToHold(all, offsetBetween(remote, local, timeWhen(local, all.atMs)));
          expect(all.uncertaintyMs).toBeGreaterThanOrEqual(0);
          for (const estimate of estimates) {
            expect(all.uncertaintyMs).toBeLessThanOrEqual(
              inflate(estimate, all.atMs).uncertaintyMs + ROUNDING_MS,
            );
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

describe('intersect', () => {
  const estimate: fc.Arbitrary<OffsetEstimate> = fc.record({
    offsetMs: fc.double({ min: -1_000, max: 1_000, noNaN: true }),
    uncertaintyMs: fc.double({ min: 0, max: 1_000, noNaN: true }),
    atMs: fc.double({ min: 0, max: DAY_MS, noNaN: true }),
  });
  const expectEqual = (a: OffsetEstimate | undefined, b: OffsetEstimate | undefined) => {
    if (!a || !b) throw new Error('one of them is empty');
    expect(Math.abs(a.offsetMs - b.offsetMs)).toBeLessThanOrEqual(ROUNDING_MS);
    expect(Math.abs(a.uncertaintyMs - b.uncertaintyMs)).toBeLessThanOrEqual(ROUNDING_MS);
    expect(a.atMs).toBe(b.atMs);
  };

  it('does not mind the order of two', () => {
    fc.assert(
      fc.property(estimate, estimate, (a, b) => {
        expect(intersect(a, b)).toEqual(intersect(b, a));
      }),
    );
  });

  it('does not mind how three are grouped, as long as no two exclude each other', () => {
    fc.assert(
      fc.property(estimate, estimate, estimate, (a, b, c) => {
        const [ab, bc] = [intersect(a, b), intersect(b, c)];
        fc.pre(ab !== undefined && bc !== undefined && intersect(a, c) !== undefined);
        expectEqual(intersect(ab as OffsetEstimate, c), intersect(a, bc as OffsetEstimate));
      }),
    );
  });

  it('gives an estimate back that meets itself', () => {
    fc.assert(fc.property(estimate, a => expectEqual(intersect(a, a), a)));
  });

  it('is empty for intervals that lie apart', () => {
    expect(
      intersect(
        { offsetMs: 0, uncertaintyMs: 10, atMs: 0 },
        { offsetMs: 3_000, uncertaintyMs: 10, atMs: 1_000 },
      ),
    ).toBeUndefined();
  });
});
