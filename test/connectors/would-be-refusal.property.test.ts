import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { EARLY_LIMIT_MS, requestWindow } from '../../src/clock/request-window.js';
import { wouldBeRefused } from '../../src/connectors/would-be-refusal.js';

/** Placed as ours would be for an uncertainty of a second and three quarters: a second behind. */
const window = requestWindow({ recvWindowMs: 5_000, earlyLimitMs: EARLY_LIMIT_MS }, 1_750);
const sharp = { uncertaintyMs: 0, roundTripMs: 0 };

describe('with a measurement that is exact', () => {
  it.each([
    ['the exchange’s present', 0, 'no'],
    ['just inside on the fast side', 1_999, 'no'],
    ['on the fast edge', 2_000, 'certain'],
    ['just inside on the slow side', -4_000, 'no'],
    ['beyond the slow edge', -4_001, 'certain'],
  ] as const)('%s (%d ms): %s', (_, errorMs, refusal) => {
    expect(wouldBeRefused({ errorMs, ...sharp }, window)).toBe(refusal);
  });
});

it('leaves open what the measurement cannot tell, on either side', () => {
  const blurred = { uncertaintyMs: 50, roundTripMs: 100 };

  expect(wouldBeRefused({ errorMs: 1_900, ...blurred }, window)).toBe('no');
  expect(wouldBeRefused({ errorMs: 1_990, ...blurred }, window)).toBe('possible');
  expect(wouldBeRefused({ errorMs: 2_140, ...blurred }, window)).toBe('possible');
  expect(wouldBeRefused({ errorMs: 2_150, ...blurred }, window)).toBe('certain');
  expect(wouldBeRefused({ errorMs: -3_850, ...blurred }, window)).toBe('no');
  expect(wouldBeRefused({ errorMs: -3_900, ...blurred }, window)).toBe('possible');
  expect(wouldBeRefused({ errorMs: -4_051, ...blurred }, window)).toBe('certain');
});

it('is never certain of what the exchange does not do', () => {
  const amounts = fc.double({ min: 0, max: 3_000, noNaN: true });
  fc.assert(
    fc.property(
      fc.record({
        trueError: fc.double({ min: -8_000, max: 8_000, noNaN: true }),
        uncertaintyMs: amounts,
        measuredWrongBy: fc.double({ min: -1, max: 1, noNaN: true }),
        roundTripMs: amounts,
        arrival: fc.double({ min: 0, max: 1, noNaN: true }),
        recvWindowMs: fc.integer({ min: 1, max: 60_000 }),
      }),
      ({ trueError, uncertaintyMs, measuredWrongBy, roundTripMs, arrival, recvWindowMs }) => {
        const of = requestWindow({ recvWindowMs, earlyLimitMs: EARLY_LIMIT_MS }, 100);
        const seenByExchange = of.biasMs + trueError - arrival * roundTripMs;
        const isRefused = seenByExchange < -recvWindowMs || seenByExchange >= EARLY_LIMIT_MS;
        // A thousandth of slack for sums of doubles.
        const errorMs = trueError + measuredWrongBy * uncertaintyMs;
        const said = wouldBeRefused({ errorMs, uncertaintyMs: uncertaintyMs + 0.001, roundTripMs }, of);

        if (said !== 'possible') expect(said).toBe(isRefused ? 'certain' : 'no');
      },
    ),
  );
});
