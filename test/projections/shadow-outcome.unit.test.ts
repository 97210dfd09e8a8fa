import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ERROR_BUCKETS, errorBucketOf, shadowOutcome } from '../../projections/shadow-outcome.js';
import type { NewEvent } from '../../src/events/event.js';
import { hit, shadowed, stored, synced } from '../support/facts.js';
import { plainFold } from '../support/plain-fold.js';

const HOUR = Date.UTC(2025, 9, 9, 8);
const rowsAfter = (events: NewEvent[], recordedAt = HOUR + 1) =>
  plainFold(shadowOutcome, stored(events, recordedAt));
const offBy = (errorMs: number, refusal: 'no' | 'possible' | 'certain' = 'no') =>
  shadowed({ comparison: { errorMs, refusal } });

describe('the histogram of errors', () => {
  it('counts inits by the bucket of their error, either side alike, and keeps the exact maximum', () => {
    const rows = rowsAfter([offBy(1.1), offBy(-1.2), offBy(12)]);

    expect(rows).toMatchObject([
      { hour: HOUR, contact: 'state', tier: 'postgres', errorUpToMs: 1.25, inits: 2, maxErrorMs: 1.2 },
      { errorUpToMs: 12.5, inits: 1, maxErrorMs: 12 },
    ]);
  });

  it('has buckets that hold every error an event can tell, and are at most 28 % wide', () => {
    fc.assert(
      fc.property(fc.double({ min: -2e9, max: 2e9, noNaN: true }), errorMs => {
        const upTo = errorBucketOf(errorMs);
        const size = Math.abs(errorMs);

        expect(size).toBeLessThanOrEqual(upTo);
        if (size > (ERROR_BUCKETS[0] as number)) expect(upTo).toBeLessThanOrEqual(size * 1.28);
      }),
    );
  });

  it('begins anew with every hour of the store’s clock', () => {
    expect(rowsAfter([offBy(1), offBy(1)], HOUR + 3_599_999).map(row => row.hour)).toEqual([
      HOUR,
      HOUR + 3_600_000,
    ]);
  });
});

describe('what would have happened', () => {
  it('tells refusals that are certain from those that a measurement cannot decide', () => {
    const rows = rowsAfter([offBy(3_000, 'certain'), offBy(3_050, 'certain'), offBy(2_600, 'possible')]);

    expect(rows).toMatchObject([
      { errorUpToMs: 3_150, inits: 3, refused: 2, possiblyRefused: 1, maxErrorMs: 3_050 },
    ]);
  });

  it('counts errors larger than the cache and the measurement allow together, but not a first contact’s', () => {
    const used = { offsetMs: 0, uncertaintyMs: 5 };
    const measured = { at: HOUR, offsetMs: 0, uncertaintyMs: 10, roundTripMs: 20 };
    const rows = rowsAfter([
      shadowed({ used, measured, comparison: { errorMs: 15, refusal: 'no' } }),
      shadowed({ used, measured, comparison: { errorMs: -15.5, refusal: 'no' } }),
      shadowed({
        contact: 'verify-first',
        tier: undefined,
        used: { offsetMs: 0 },
        measured,
        comparison: { errorMs: 900, refusal: 'no' },
      }),
    ]);

    expect(rows.map(row => [row.contact, row.beyondBound])).toEqual([
      ['state', 1],
      ['verify-first', 0],
    ]);
  });

  it('keeps ways, reasons, exchanges and environments apart', () => {
    const rows = rowsAfter([
      shadowed(),
      shadowed({ tier: 'memory' }),
      shadowed({
        contact: 'sync',
        tier: undefined,
        missReason: 'absent',
        used: undefined,
        comparison: undefined,
      }),
      shadowed({
        contact: 'sync',
        tier: undefined,
        missReason: 'expired',
        used: undefined,
        comparison: undefined,
      }),
      shadowed({ exchange: 'BINGX' }),
      shadowed({ environment: 'TESTNET' }),
    ]);

    expect(rows.map(row => row.inits)).toEqual([1, 1, 1, 1, 1, 1]);
    expect(rows[2]).toMatchObject({ contact: 'sync', tier: '', missReason: 'absent', errorUpToMs: 0 });
  });

  it('has no error where the sync failed, and says how many those were', () => {
    expect(rowsAfter([shadowed({ measured: undefined, comparison: undefined, stale: true })])).toMatchObject([
      { contact: 'state', errorUpToMs: 0, inits: 1, unmeasured: 1, stale: 1, maxErrorMs: 0 },
    ]);
  });

  it('takes the least that a window forgave and the worst measurement', () => {
    const measured = { at: HOUR, offsetMs: 145.5, uncertaintyMs: 80, roundTripMs: 160 };

    expect(rowsAfter([shadowed({ toleranceMs: 1_500 }), shadowed({ measured })])).toMatchObject([
      { inits: 2, minToleranceMs: 1_500, maxMeasuredUncertaintyMs: 80 },
    ]);
  });

  it('is no business of what did happen', () => {
    expect(rowsAfter([synced(), hit()])).toEqual([]);
  });
});

it('whatever the order within an hour, the same rows come out', () => {
  const event = fc
    .record({
      errorMs: fc.double({ min: -1e4, max: 1e4, noNaN: true }),
      tier: fc.constantFrom('memory' as const, 'postgres' as const),
      refusal: fc.constantFrom('no' as const, 'possible' as const, 'certain' as const),
    })
    .map(({ tier, ...comparison }) => shadowed({ tier, comparison }));
  const sorted = (events: NewEvent[]) =>
    rowsAfter(events).sort((a, b) => a.tier.localeCompare(b.tier) || a.errorUpToMs - b.errorUpToMs);

  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), events => {
      const rows = sorted(events);

      expect(sorted([...events].reverse())).toEqual(rows);
      expect(rows.reduce((sum, row) => sum + row.inits, 0)).toBe(events.length);
    }),
  );
});
