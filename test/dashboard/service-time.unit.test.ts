/** What an answer's `Date` tells of the service's clock, and what it leaves open. */
import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { aheadMs } from '../../src/dashboard/app/state/service-time.js';

it('is within the question’s way and a second of the truth, and 0 where the browser’s clock may be right', () => {
  const ms = (max: number) => fc.integer({ min: 0, max });
  fc.assert(
    fc.property(
      fc.oneof(fc.constant(0), fc.integer({ min: -1e9, max: 1e9 })),
      ms(5_000),
      ms(5_000),
      ms(1e6),
      (truthMs, toMs, backMs, sentAtMs) => {
        const toldMs = Math.floor((sentAtMs + toMs + truthMs) / 1_000) * 1_000;
        const told = aheadMs(toldMs, sentAtMs, sentAtMs + toMs + backMs, 0);
        expect(Math.abs(told - truthMs)).toBeLessThanOrEqual(toMs + backMs + 1_000);
        if (truthMs === 0) expect(told).toBe(0);
      },
    ),
  );
});

it('keeps what it knew while that is possible, and lets go of it once it is not', () => {
  const first = aheadMs(3_600_000, 0, 400, 0);
  expect(first).toBe(3_600_300);
  expect(aheadMs(3_610_000, 10_100, 10_200, first)).toBe(first);
  expect(aheadMs(10_000, 10_100, 10_200, first)).toBe(0);
});
