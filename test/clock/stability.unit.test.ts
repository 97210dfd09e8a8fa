import { describe, expect, it } from '@jest/globals';
import { stabilityAt, stabilityOf } from '../../src/clock/stability.js';

/** The 1000-point frequency data set of NIST SP 1065, table 31, as offsets with τ₀ = 1. */
function nistOffsets(): number[] {
  const offsets = [0];
  let n = 1_234_567_890n;
  for (let i = 0; i < 1_000; i++) {
    offsets.push((offsets[i] as number) + Number(n) / 2_147_483_647);
    n = (16_807n * n) % 2_147_483_647n;
  }
  return offsets;
}

describe('stability of a clock', () => {
  it.each([
    [1, 0.2922319, 0.1687202],
    [10, 0.09159953, 0.3563623],
    [100, 0.03241343, 1.253382],
  ])('is what NIST SP 1065 publishes for its test data at %d τ₀', (m, allan, time) => {
    const point = stabilityAt(nistOffsets(), 1, m);
    expect(point?.allanPpm.value).toBeCloseTo(allan * 1e6, 0);
    expect(point?.time?.value).toBeCloseTo(time, 6);
  });

  it('does not see an offset or a rate', () => {
    const points = stabilityOf(
      Array.from({ length: 64 }, (_, i) => 5_000 + 0.25 * i),
      1_000,
    );
    expect(points.length).toBeGreaterThan(4);
    for (const { allanPpm, time } of points) {
      expect(allanPpm.value).toBe(0);
      expect(time?.value ?? 0).toBe(0);
    }
  });

  it('leaves out what a gap makes unknown, and takes no gap for a quiet clock', () => {
    const whole = nistOffsets();
    const gappy = whole.map((x, i) => (i % 7 === 3 ? null : x));
    const [a, b] = [stabilityAt(whole, 1, 1), stabilityAt(gappy, 1, 1)];
    expect(b?.allanPpm.value).toBeGreaterThan((a?.allanPpm.value ?? 0) * 0.9);
    expect((b?.allanPpm.high ?? 0) / (b?.allanPpm.value ?? 1)).toBeGreaterThan(
      (a?.allanPpm.high ?? 0) / (a?.allanPpm.value ?? 1),
    );
  });

  it('has an interval around its value that narrows with samples', () => {
    const widths = [40, 400].map(n => {
      const { value, low, high } = stabilityAt(nistOffsets().slice(0, n), 1, 4)?.allanPpm ?? {
        value: 0,
        low: 0,
        high: 0,
      };
      expect(low).toBeLessThan(value);
      expect(high).toBeGreaterThan(value);
      return (high - low) / value;
    });
    expect(widths[1]).toBeLessThan(widths[0] as number);
  });

  it('says nothing of fewer samples than differences need', () => {
    expect(stabilityOf([], 1)).toEqual([]);
    expect(stabilityOf([1, 2], 1)).toEqual([]);
    expect(stabilityOf([1, null, 2, null, 3, null], 1)).toEqual([]);
  });
});
