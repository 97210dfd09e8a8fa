import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { trend } from '../../bench/statistics.js';

const figures = fc.double({ min: -1e6, max: 1e6, noNaN: true });

describe('the trend of readings', () => {
  it('is the line itself where they lie on one', () => {
    fc.assert(
      fc.property(figures, figures, fc.integer({ min: 2, max: 40 }), (slope, start, count) => {
        const at = trend(Array.from({ length: count }, (_, x) => [x, start + slope * x]));
        expect(Math.abs(at(100) - (start + slope * 100))).toBeLessThan(1e-6 * (1 + 1e8));
      }),
    );
  });

  it('is flat over what goes up and down around one figure, and shows what grows beneath it', () => {
    const saw = Array.from({ length: 40 }, (_, x): [number, number] => [x, 30 + (x % 2 === 0 ? 5 : -5)]);
    expect(trend(saw)(39) / trend(saw)(0)).toBeCloseTo(1, 1);
    const leaking = saw.map(([x, y]): [number, number] => [x, y + x]);
    expect(trend(leaking)(39) - trend(leaking)(0)).toBeGreaterThan(35);
  });

  it('is the mean where all were taken at once, and needs two', () => {
    expect(
      trend([
        [1, 2],
        [1, 4],
      ])(7),
    ).toBe(3);
    expect(() => trend([[1, 2]])).toThrow('at least two points');
  });
});
