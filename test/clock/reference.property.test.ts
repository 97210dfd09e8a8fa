import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { estimateFromSample } from '../../src/clock/offset.js';
import { linkFromSample, linkToSelf, toLocal, toReference } from '../../src/clock/reference.js';
import { clock, endOf, exchange, offsetBetween, ROUNDING_MS, read, sample, timeWhen } from './world.js';

const HOUR_MS = 3_600_000;

describe('an offset kept against the reference clock', () => {
  it('is true there, and true again for another machine with another clock', () => {
    fc.assert(
      fc.property(
        fc.record({ here: clock, there: clock, reference: clock, exchange: clock }),
        exchange(HOUR_MS),
        exchange(HOUR_MS),
        exchange(HOUR_MS),
        fc.double({ min: 0, max: HOUR_MS, noNaN: true }),
        (clocks, measured, linkedHere, linkedThere, agoMs) => {
          const measurement = estimateFromSample(sample(clocks.here, clocks.exchange, measured));
          const linkHere = linkFromSample('pg:1', sample(clocks.here, clocks.reference, linkedHere));
          const kept = toReference(measurement, linkHere);
          const truthKept = offsetBetween(clocks.exchange, clocks.reference, endOf(measured));
          expect(Math.abs(kept.offsetMs - truthKept)).toBeLessThanOrEqual(kept.uncertaintyMs + ROUNDING_MS);

          const linkThere = linkFromSample('pg:1', sample(clocks.there, clocks.reference, linkedThere));
          const now = read(clocks.there, endOf(linkedThere) + agoMs);
          const applied = toLocal(kept, linkThere, now);
          const truth = offsetBetween(clocks.exchange, clocks.there, timeWhen(clocks.there, now));
          expect(applied.atMs).toBe(now);
          expect(Math.abs(applied.offsetMs - truth)).toBeLessThanOrEqual(applied.uncertaintyMs + ROUNDING_MS);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('gains nothing and loses nothing where the process is its own reference', () => {
    const estimate = { offsetMs: 145.5, uncertaintyMs: 30, atMs: 1_764_000_000_000 };
    const link = linkToSelf({ id: 'host:x', now: () => estimate.atMs, wall: () => estimate.atMs });

    expect(toReference(estimate, link)).toEqual(estimate);
    expect(toLocal(estimate, link, estimate.atMs)).toEqual(estimate);
  });
});
