import { describe, expect, it } from '@jest/globals';
import type { ClockSample } from '../../src/clock/offset.js';
import { PROBLEM_TEXTS, problemOf, SAMPLE_PROBLEMS } from '../../src/clock/sample-check.js';
import { type BadSample, SampleGate } from '../../src/clock/sample-gate.js';

const NOW_MS = 1_764_000_000_000;
const DAY_MS = 86_400_000;

/** Sent `atMs` after the start, 20 ms under way, stamped with `serverMs` after the start. */
const sample = (
  atMs: number,
  serverMs: number = atMs + 10,
  more: Partial<ClockSample> = {},
): ClockSample => ({
  sentAtMs: NOW_MS + atMs,
  receivedAtMs: NOW_MS + atMs + 20,
  serverTimeMs: NOW_MS + serverMs,
  resolutionMs: 1,
  source: 'response',
  ...more,
});

describe('a sample by itself', () => {
  it.each<[string, number, string | undefined]>([
    ['of now', NOW_MS, undefined],
    ['of a clock that is months off', NOW_MS - 200 * DAY_MS, undefined],
    ['of nothing', 0, 'zero'],
    ['of less than nothing', -NOW_MS, 'negative'],
    ['in seconds', Math.floor(NOW_MS / 1e3), 'seconds'],
    ['in seconds with a fraction', NOW_MS / 1e3 + 0.123, 'seconds'],
    ['in microseconds', NOW_MS * 1e3, 'microseconds'],
    ['in nanoseconds', NOW_MS * 1e6, 'nanoseconds'],
    ['years behind', NOW_MS - 400 * DAY_MS, 'past'],
    ['of the last century', 1e11, 'past'],
    ['years ahead', NOW_MS + 400 * DAY_MS, 'future'],
    ['of the next century', 5e12, 'future'],
    ['that is not a number', Number.NaN, 'malformed'],
    ['without end', Number.POSITIVE_INFINITY, 'malformed'],
  ])('with a stamp %s', (_, serverTimeMs, problem) => {
    expect(problemOf({ ...sample(0), serverTimeMs })).toBe(problem);
  });

  it.each<[Partial<ClockSample>, string | undefined]>([
    [{ sentAtMs: Number.NaN }, 'malformed'],
    [{ receivedAtMs: Number.POSITIVE_INFINITY }, 'malformed'],
    [{ resolutionMs: Number.NaN }, 'malformed'],
    [{ resolutionMs: 0 }, 'malformed'],
    [{ wallRoundTripMs: Number.NaN }, 'malformed'],
    [{ sentAtMs: NOW_MS + 21 }, 'interrupted'],
    [{ wallRoundTripMs: 70 }, undefined],
    [{ wallRoundTripMs: 71 }, 'interrupted'],
    [{ wallRoundTripMs: -31 }, 'interrupted'],
  ])('with %j', (more, problem) => {
    expect(problemOf(sample(0, 10, more))).toBe(problem);
  });
});

describe('a sample after another', () => {
  it.each<[string, ClockSample, string | undefined]>([
    ['as much later as time went by', sample(5_000), undefined],
    ['older', sample(30, -93), 'backwards'],
    ['older by what several servers may differ', sample(30, -90), undefined],
    ['the same, sent at once', sample(30, 10), undefined],
    ['the same, half a minute later', sample(30_000, 10), 'cached'],
    ['hardly later, half a minute later', sample(30_000, 3_000), 'cached'],
    ['a second behind, half a minute later', sample(30_000, 29_000), undefined],
    ['hours ahead', sample(30_000, 2 * 3_600_000), 'forwards'],
    ['older, but under way together', sample(10, -5_000), undefined],
  ])('%s', (_, later, problem) => {
    expect(problemOf(later, sample(0, 10))).toBe(problem);
  });
});

describe('the gate', () => {
  it('drops a time that a cache repeats, however often, and knows the fresh one', () => {
    const gate = new SampleGate();
    const admitted = [
      sample(0),
      sample(2_000, 10),
      sample(4_000, 10),
      sample(4_030, 10),
      sample(6_000),
      sample(8_000, 6_010),
      sample(10_000),
    ].map(each => gate.admit(each));
    expect(admitted).toEqual([undefined, 'cached', 'cached', 'cached', undefined, 'cached', undefined]);
  });

  it('lets a step back through with the second sample that shows it', () => {
    const gate = new SampleGate();
    const admitted = [
      sample(0),
      sample(100, -9_890),
      sample(200, -9_790),
      sample(300, -9_690),
      // Somebody set it right again.
      sample(400),
    ].map(each => gate.admit(each));
    expect(admitted).toEqual([undefined, 'backwards', undefined, undefined, undefined]);
  });

  it('takes the same stamp twice for no confirmation, be it told in another resolution', () => {
    const gate = new SampleGate();
    gate.admit(sample(0, 5_000));
    expect(gate.admit(sample(30, 1_234))).toBe('backwards');
    expect(gate.admit(sample(60, 1_234))).toBe('backwards');
    expect(gate.admit(sample(90, 1_234.4, { resolutionMs: 0.001 }))).toBe('backwards');
    expect(gate.admit(sample(150, 1_354))).toBeUndefined();
  });

  it('takes two stray stamps for no step', () => {
    const gate = new SampleGate();
    gate.admit(sample(0));
    expect(gate.admit(sample(100, -5_000))).toBe('backwards');
    expect(gate.admit(sample(200, -20_000))).toBe('backwards');
    expect(gate.admit(sample(300))).toBeUndefined();
    expect(gate.admit(sample(400, -19_800))).toBe('backwards');
  });

  it('believes a refusal at once, and what follows from it', () => {
    const gate = new SampleGate();
    gate.admit(sample(0));
    expect(gate.admit(sample(100, -9_890, { source: 'refusal' }))).toBeUndefined();
    expect(gate.admit(sample(200, -9_790))).toBeUndefined();
    expect(gate.admit({ ...sample(300, 0, { source: 'refusal' }), serverTimeMs: 0 })).toBe('zero');
  });

  it('expects a step after a refused timestamp, but not of a time it was told before', () => {
    const gate = new SampleGate();
    gate.admit(sample(0));
    gate.refusedTimestamp(NOW_MS + 4_000);
    // Sent before the refused one.
    expect(gate.admit(sample(3_990, -90_000))).toBe('backwards');
    expect(gate.admit(sample(5_000, 10))).toBe('cached');
    expect(gate.admit(sample(5_100, -4_890))).toBeUndefined();
    // Once.
    expect(gate.admit(sample(5_200, -9_890))).toBe('backwards');
  });

  it('does not let what was sent before a step clear up what came after it', () => {
    const gate = new SampleGate();
    gate.admit(sample(0));
    expect(gate.admit(sample(1_000, -8_990))).toBe('backwards');
    // Sent long ago, stamped before the step, and here only now.
    expect(gate.admit({ ...sample(500), receivedAtMs: NOW_MS + 1_050 })).toBeUndefined();
    expect(gate.admit(sample(1_100, -8_890))).toBeUndefined();
  });

  it('judges by the sample before last where the last one was under way together', () => {
    const gate = new SampleGate();
    gate.admit(sample(0));
    gate.admit({ ...sample(30), receivedAtMs: NOW_MS + 9_000 });
    expect(gate.admit(sample(1_000, -500))).toBe('backwards');
  });

  it('forgets what it knew when this host’s clocks parted', () => {
    let isUnbroken = true;
    const gate = new SampleGate({ isUnbroken: () => isUnbroken });
    gate.admit(sample(0));
    isUnbroken = false;
    // The monotonic clock stood still for three hours.
    expect(gate.admit(sample(100, 3 * 3_600_000))).toBeUndefined();
    expect(gate.admit(sample(200))).toBeUndefined();
  });

  it('counts by reason, and tells of each with what to log', () => {
    const told: BadSample[] = [];
    const gate = new SampleGate({ onBadSample: bad => told.push(bad) });
    gate.admit({ ...sample(0), serverTimeMs: 0 });
    gate.admit({ ...sample(10), serverTimeMs: 0 });
    gate.admit(sample(20, 20, { wallRoundTripMs: 9_000 }));
    gate.drop('cached');

    const none = Object.fromEntries(SAMPLE_PROBLEMS.map(name => [name, 0]));
    expect(gate.counts()).toEqual({ ...none, zero: 2, interrupted: 1, cached: 1 });
    expect(told.map(({ problem, count, level }) => [problem, count, level])).toEqual([
      ['zero', 1, 'warn'],
      ['zero', 2, 'warn'],
      ['interrupted', 1, 'debug'],
      ['cached', 1, 'warn'],
    ]);
    expect(told[0]?.message).toBe('zero: dropped a server time that is zero');
    expect(Object.keys(PROBLEM_TEXTS)).toEqual([...SAMPLE_PROBLEMS]);
  });
});
