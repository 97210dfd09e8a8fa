/** Plots from what the service answered, where that is counts. */
import { describe, expect, it } from '@jest/globals';
import type { UsageBucket } from '../../src/client/types.js';
import type { Drift, DriftLine, Sample } from '../../src/dashboard/app/api/types.js';
import { distancePlot, offsetPlot, ratePlot, wedgePlot } from '../../src/dashboard/app/charts/clock-plots.js';
import { expectedPlot, pastPlot } from '../../src/dashboard/app/charts/expected-plot.js';
import { hasFigures, type PlotSpec } from '../../src/dashboard/app/charts/spec.js';
import { axisFont, axisTimeText, timesApart } from '../../src/dashboard/app/charts/ticks.js';

const HOUR_MS = 3_600_000;
const line = {
  points: [0, 1, 2].map(n => ({ atMs: n * HOUR_MS, offsetMs: 5, uncertaintyMs: 20 })),
  steps: [],
} as unknown as DriftLine;
const drift = { fromMs: 0, untilMs: 3 * HOUR_MS, cellMs: HOUR_MS } as Drift;
const counted = (startMs: number, lateRequests: number, timestampRefusals: number) =>
  ({ startMs, lateRequests, timestampRefusals }) as UsageBucket;

describe('distance to refusal', () => {
  it('shows counts of refusals where single ones are not known', () => {
    const plot = distancePlot(line, drift, [], 2_000, [
      counted(0, 0, 0),
      counted(HOUR_MS, 3, 0),
      counted(2 * HOUR_MS, 1, 2),
    ]);
    expect(plot.marks).toEqual([
      { x: HOUR_MS, label: '3 late from here on', colour: 'late' },
      { x: 2 * HOUR_MS, label: '1 late from here on', colour: 'late' },
      { x: 2 * HOUR_MS, label: '2 wrong from here on', colour: 'wrong' },
    ]);
    expect(plot.summary).toMatch(/; 4 late, 2 wrong/);
  });
});

describe('times on an axis', () => {
  it('are round in UTC, no closer than is asked, on the day on which Berlin changes its clocks too', () => {
    const words = (low: number, high: number, leastMs: number) =>
      timesApart(low, high, leastMs).map(ms => axisTimeText(ms, leastMs));
    expect(words(Date.UTC(2026, 2, 28, 23), Date.UTC(2026, 2, 29, 10), 2 * HOUR_MS)).toEqual([
      '03-29',
      '03:00',
      '06:00',
      '09:00',
    ]);
    expect(timesApart(Date.UTC(2026, 2, 29, 10), Date.UTC(2026, 2, 31, 10), 24 * HOUR_MS)).toEqual([
      Date.UTC(2026, 2, 30),
      Date.UTC(2026, 2, 31),
    ]);
  });

  it('are first days of months where they are far apart', () => {
    const DAY_MS = 24 * HOUR_MS;
    const days = (low: number, high: number, leastMs: number) =>
      timesApart(low, high, leastMs).map(ms => new Date(ms).toISOString().slice(0, 10));
    expect(days(Date.UTC(2025, 9, 2), Date.UTC(2026, 3, 20), 40 * DAY_MS)).toEqual([
      '2025-11-01',
      '2026-01-01',
      '2026-03-01',
    ]);
    expect(days(Date.UTC(2024, 11, 31), Date.UTC(2027, 0, 1), 700 * DAY_MS)).toEqual([
      '2025-01-01',
      '2026-01-01',
      '2027-01-01',
    ]);
  });
});

describe('a step', () => {
  const stepped = {
    points: Array.from({ length: 24 }, (_, n) => ({
      startMs: n * HOUR_MS,
      atMs: n * HOUR_MS,
      offsetMs: n < 12 ? 5 : 905,
      uncertaintyMs: 20,
    })),
    steps: [{ afterMs: 11.1 * HOUR_MS, atMs: 11.5 * HOUR_MS, byMs: 900, hosts: 1 }],
  } as unknown as DriftLine;
  const day = { fromMs: 0, untilMs: 24 * HOUR_MS, cellMs: HOUR_MS } as Drift;
  const between = { atMs: 11.7 * HOUR_MS, offsetMs: 903, roundTripMs: 10 } as Sample;

  it('is passed by no line: the clock was nowhere between', () => {
    const { xs, series } = offsetPlot(stepped, day, [between]);
    for (const { label, kind, values } of series) {
      if (kind === 'points') continue;
      const around = values.filter((_, i) => {
        const x = xs[i] as number;
        return x > 11 * HOUR_MS && x < 12 * HOUR_MS;
      });
      expect([label, around]).toEqual([label, [null, null]]);
    }
    expect(wedgePlot(stepped, day, [between]).xs).toEqual([]);
  });

  it('leaves the rate unknown around it, with no line across', () => {
    const { series } = ratePlot(stepped, day);
    const values = series.find(({ label }) => label === 'rate')?.values ?? [];
    expect(values.filter(value => value === null).length).toBe(1);
    for (const value of values) expect(value ?? 0).toBeCloseTo(0);
  });
});

describe('letters on an axis', () => {
  it('are of whole pixels, the only ones that uPlot scales with the screen', () => {
    for (const rem of [15, 15.94, 21.8]) expect(axisFont(rem)).toMatch(/^1\d+px /);
  });
});

describe('uses to expect', () => {
  it('begin with the hour that it is, whatever day, and go once round the week', () => {
    const nowMs = Date.UTC(2026, 10, 27, 18, 40); // a Friday
    const weekUses = Array.from({ length: 168 }, (_, hour) => hour);
    const { xs, series } = expectedPlot('BYBIT MAINNET', weekUses, nowMs);
    expect(xs[0]).toBe(Date.UTC(2026, 10, 27, 18, 30));
    expect(series[0]?.values[0]).toBe(4 * 24 + 18);
    // Monday, midnight.
    expect(series[0]?.values[xs.indexOf(Date.UTC(2026, 10, 30, 0, 30))]).toBe(0);
    expect(new Set(series[0]?.values).size).toBe(168);
  });

  it('are set against what came by the weeks before, these days taken out', () => {
    const nowMs = Date.UTC(2026, 10, 27, 18, 40);
    const hour = Date.UTC(2026, 10, 24, 9); // Tuesday, 09:00
    const weekUses = Array.from({ length: 168 }, (_, slot) => (slot === 24 + 9 ? 5 : 0));
    const came = new Map([[hour, 8]]);
    const WEEK_MS = 168 * HOUR_MS;
    // Four weeks with 20 uses in that hour, 8 of them this week: 4 in the mean of the three before.
    const clock = { weekUses, sinceMs: nowMs - 3.5 * WEEK_MS };
    const { xs, series, summary } = pastPlot('BYBIT MAINNET', [clock], came, nowMs) as PlotSpec;
    const at = xs.indexOf(hour + HOUR_MS / 2);
    expect(series.map(({ label, values }) => [label, values[at]])).toEqual([
      ['came', 8],
      ['expected', 4],
    ]);
    expect(summary).toContain('8 came; 4 were to be expected');
    expect(xs.at(-1)).toBe(Date.UTC(2026, 10, 27, 17, 30));
    // Before there has been a whole week to expect anything by.
    for (const weeks of [0.1, 1.2, 1.9]) {
      const young = pastPlot('BYBIT MAINNET', [{ weekUses, sinceMs: nowMs - weeks * WEEK_MS }], came, nowMs);
      expect(young?.series.map(({ label }) => label)).toEqual(['came']);
      expect(young?.title).toBe('Uses of BYBIT MAINNET that came');
    }
    // Of the hour under way it is not known how many come.
    const begun = new Map([[Date.UTC(2026, 10, 27, 18), 40]]);
    expect(pastPlot('BYBIT MAINNET', [{ weekUses, sinceMs: nowMs }], begun, nowMs)).toBeUndefined();
  });
});

describe('a plot without figures', () => {
  it('is known by that nothing would be drawn', () => {
    const rate = (values: (number | null)[]): PlotSpec => ({
      ...expectedPlot('x', [], 0),
      xs: values.map((_, i) => i),
      series: [{ label: 'rate', kind: 'line', colour: 'rate', values }],
    });
    expect(hasFigures(rate([null, null]))).toBe(false);
    expect(hasFigures(rate([]))).toBe(false);
    expect(hasFigures(rate([null, 0]))).toBe(true);
    expect(hasFigures({ ...rate([]), marks: [{ x: 1, label: 'step', colour: 'wrong' }] })).toBe(true);
  });
});
