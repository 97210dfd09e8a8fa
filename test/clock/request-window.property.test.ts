import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  type AcceptedRange,
  DEFAULT_RANGE,
  EARLY_MARGIN_MS,
  requestWindow,
  WORST_LATENCY_MS,
} from '../../src/clock/request-window.js';

/** The exchanges' rule, with the server's time at arrival. */
const isAccepted = (timestamp: number, serverTimeMs: number, { recvWindowMs, earlyLimitMs }: AcceptedRange) =>
  serverTimeMs - recvWindowMs <= timestamp && timestamp < serverTimeMs + earlyLimitMs;

const ranges: fc.Arbitrary<AcceptedRange> = fc.record({
  recvWindowMs: fc.integer({ min: 1, max: 60_000 }),
  earlyLimitMs: fc.integer({ min: 0, max: 5_000 }),
});
const share = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
const sign = fc.constantFrom(-1, 1);

const halfOf = ({ recvWindowMs, earlyLimitMs }: AcceptedRange) => (recvWindowMs + earlyLimitMs) / 2;

/** How late a request may be at a bias, whatever the error; nothing where some error makes it early. */
function worstLateness({ recvWindowMs, earlyLimitMs }: AcceptedRange, biasMs: number, u: number): number {
  return biasMs + u < earlyLimitMs ? Math.max(0, recvWindowMs + biasMs - u) : 0;
}

describe('the request window', () => {
  it('takes every request whose error is within its bound and that is no later than it says', () => {
    fc.assert(
      fc.property(ranges, share, share, sign, share, (range, uShare, errorShare, side, lateShare) => {
        const u = uShare * halfOf(range);
        const { biasMs, latenessMs } = requestWindow(range, u);
        // A little less than all of either, for sums of doubles.
        const timestamp = side * errorShare * u * 0.999 + biasMs;

        expect(isAccepted(timestamp, lateShare * latenessMs * 0.999, range)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is the best there is: no other placement that keeps the margin takes a later request', () => {
    fc.assert(
      fc.property(ranges, share, (range, uShare) => {
        const u = uShare * halfOf(range);
        const { latenessMs, biasMs } = requestWindow(range, u);
        const { recvWindowMs, earlyLimitMs } = range;
        // Brute force over every bias there is, in steps of a two-hundredth of the window and at the ends.
        const from = -recvWindowMs;
        const steps = Array.from({ length: 201 }, (_, n) => from + (n / 200) * (recvWindowMs + earlyLimitMs));
        const isKept = (bias: number) => bias + u + EARLY_MARGIN_MS <= earlyLimitMs;
        const best = Math.max(0, ...steps.filter(isKept).map(bias => worstLateness(range, bias, u)));

        expect(latenessMs).toBeGreaterThanOrEqual(best - 1e-6);
        // Without the margin it would be better by no more than the margin.
        const unkept = Math.max(0, ...steps.map(bias => worstLateness(range, bias, u)));
        expect(latenessMs).toBeGreaterThanOrEqual(Math.max(0, unkept - EARLY_MARGIN_MS) - 1e-6);
        if (u < halfOf(range) - 1e-6) expect(biasMs + u).toBeLessThan(earlyLimitMs);
      }),
      { numRuns: 1_000 },
    );
  });

  it('moves with what is known, never by more than that moved, and ends in the middle', () => {
    const uncertainty = fc.double({ min: 0, max: 100_000, noNaN: true });
    fc.assert(
      fc.property(ranges, uncertainty, uncertainty, (range, a, b) => {
        const [at, then] = [requestWindow(range, a), requestWindow(range, b)];
        expect(Math.abs(at.biasMs - then.biasMs)).toBeLessThanOrEqual(Math.abs(a - b) + 1e-6);
        const middleMs = (range.earlyLimitMs - range.recvWindowMs) / 2;
        expect(at.biasMs).toBeGreaterThanOrEqual(middleMs);
        if (a >= halfOf(range)) expect(at.biasMs).toBe(middleMs);
      }),
    );
  });

  it('leaves room for the worst usual latency up to the uncertainty that may be signed by', () => {
    fc.assert(
      fc.property(ranges, range => {
        const { toleranceMs } = requestWindow(range);
        const reservedMs = Math.min(WORST_LATENCY_MS, range.recvWindowMs / 2);
        // The margin is given up before that room is.
        const { biasMs } = requestWindow(range, toleranceMs);
        const roomMs = range.recvWindowMs + biasMs - toleranceMs;
        expect(roomMs).toBeGreaterThanOrEqual(Math.min(reservedMs - EARLY_MARGIN_MS, reservedMs / 2) - 1e-6);
      }),
    );
  });

  it('gives the figures its formula is explained with', () => {
    expect(requestWindow(DEFAULT_RANGE, 10)).toMatchObject({ biasMs: 740, latenessMs: 5_730 });
    expect(requestWindow(DEFAULT_RANGE, 1_000)).toMatchObject({ biasMs: -250, latenessMs: 3_750 });
    expect(requestWindow(DEFAULT_RANGE, 2_750)).toMatchObject({ biasMs: -2_000 });
    expect(requestWindow()).toEqual({
      recvWindowMs: 5_000,
      earlyLimitMs: 1_000,
      biasMs: -2_000,
      latenessMs: 0,
      toleranceMs: 2_000,
    });
  });
});
