import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { EARLY_LIMIT_MS, requestWindow, WORST_LATENCY_MS } from '../../src/clock/request-window.js';

/** Bybit's rule, with the server's time at arrival. */
const isAccepted = (timestamp: number, serverTimeMs: number, recvWindowMs: number) =>
  serverTimeMs - recvWindowMs <= timestamp && timestamp < serverTimeMs + EARLY_LIMIT_MS;

const fraction = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });

describe('the request window', () => {
  it('takes every request whose error is within the tolerance and whose latency is the worst or less', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60_000 }),
        fraction,
        fc.constantFrom(-1, 1),
        fraction,
        (recvWindowMs, errorPart, sign, latencyPart) => {
          const { biasMs, toleranceMs } = requestWindow(recvWindowMs);
          const trueTimeMs = 1_764_000_000_000;
          // A millisecond of the tolerance goes to whole milliseconds.
          const errorMs = sign * errorPart * (toleranceMs - 1);
          const timestamp = Math.round(trueTimeMs + errorMs + biasMs);
          const latencyMs = latencyPart * Math.min(WORST_LATENCY_MS, recvWindowMs / 2);

          expect(isAccepted(timestamp, trueTimeMs + latencyMs, recvWindowMs)).toBe(true);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('has the same room on both sides: beyond the tolerance some request is refused either way', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60_000 }), recvWindowMs => {
        const { biasMs, toleranceMs } = requestWindow(recvWindowMs);
        const worst = Math.min(WORST_LATENCY_MS, recvWindowMs / 2);
        expect(isAccepted(toleranceMs + 1 + biasMs, 0, recvWindowMs)).toBe(false);
        expect(isAccepted(-toleranceMs - 1 + biasMs, worst, recvWindowMs)).toBe(false);
      }),
    );
  });

  it('gives the figures its formula is explained with', () => {
    expect(requestWindow()).toEqual({ recvWindowMs: 5_000, biasMs: -1_000, toleranceMs: 2_000 });
  });
});
