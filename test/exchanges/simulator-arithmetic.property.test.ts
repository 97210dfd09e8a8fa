/** The simulator's pure parts: its clock, its faults, its latency and its limits. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { clockWithSkew, readClock, stepped, withDrift } from '../../src/exchanges/simulator/clock.js';
import { type Fault, parseFault, takeFault } from '../../src/exchanges/simulator/faults.js';
import { applyPatch, DEFAULT_KNOBS, parseKnobPatch } from '../../src/exchanges/simulator/knobs.js';
import { drawLatency } from '../../src/exchanges/simulator/latency.js';
import { seededRandom } from '../../src/exchanges/simulator/random.js';
import { createRateLimiter } from '../../src/exchanges/simulator/rate-limiter.js';

const base = fc.integer({ min: 1_700_000_000_000, max: 1_800_000_000_000 });
const ms = fc.integer({ min: -10_000_000, max: 10_000_000 });
const ppm = fc.integer({ min: -1000, max: 1000 });

describe('a simulated clock', () => {
  it('is ahead by its skew, and gains its drift', () => {
    const clock = clockWithSkew(250, 100, 1_000_000);
    expect(readClock(clock, 1_000_000)).toBe(1_000_250);
    // 100 ppm are 360 ms an hour.
    expect(readClock(clock, 1_000_000 + 3_600_000)).toBeCloseTo(1_000_000 + 3_600_000 + 250 + 360, 6);
  });

  it('never moves when only its rate changes, and then runs at the new rate', () => {
    fc.assert(
      fc.property(base, ms, ppm, ppm, fc.nat(1e8), fc.nat(1e8), (start, skew, before, after, lived, more) => {
        const now = start + lived;
        const old = clockWithSkew(skew, before, start);
        const changed = withDrift(old, after, now);
        expect(readClock(changed, now)).toBeCloseTo(readClock(old, now), 2);
        const gained = readClock(changed, now + more) - readClock(changed, now);
        expect(gained).toBeCloseTo(more * (1 + after / 1e6), 2);
      }),
    );
  });

  it('moves by exactly the step, then and at any later time', () => {
    fc.assert(
      fc.property(base, ms, ppm, ms, fc.nat(1e8), (start, skew, drift, step, later) => {
        const clock = clockWithSkew(skew, drift, start);
        const moved = readClock(stepped(clock, step), start + later) - readClock(clock, start + later);
        expect(moved).toBeCloseTo(step, 2);
      }),
    );
  });

  it('runs forward whatever its drift', () => {
    fc.assert(
      fc.property(
        base,
        ms,
        ppm,
        fc.nat(1e8),
        fc.integer({ min: 1, max: 1e6 }),
        (start, skew, drift, at, by) => {
          const clock = clockWithSkew(skew, drift, start);
          expect(readClock(clock, start + at + by)).toBeGreaterThan(readClock(clock, start + at));
        },
      ),
    );
  });
});

describe('the queue of faults', () => {
  const reset: Fault = { kind: 'reset' };
  const slowTime: Fault = { kind: 'delay', delayMs: 5, route: 'time', times: 2 };

  it('gives the first that fits, as often as it is to strike', () => {
    const first = takeFault([slowTime, reset], 'time');
    expect(first.fault).toEqual(slowTime);
    const second = takeFault(first.rest, 'verify');
    expect(second.fault).toEqual(reset);
    const third = takeFault(second.rest, 'time');
    expect(third.fault).toMatchObject({ kind: 'delay', times: 1 });
    expect(third.rest).toEqual([]);
    expect(takeFault(third.rest, 'time')).toEqual({ fault: undefined, rest: [] });
  });

  it('loses none and repeats none', () => {
    const routes = ['time', 'verify', 'funding', 'other'] as const;
    const fault = fc.record({
      kind: fc.constant('hang' as const),
      route: fc.constantFrom(...routes),
      times: fc.integer({ min: 1, max: 3 }),
    });
    fc.assert(
      fc.property(fc.array(fault), fc.constantFrom(...routes), (queue, route) => {
        let rest: readonly Fault[] = queue;
        let struck = 0;
        for (let taken = takeFault(rest, route); taken.fault; taken = takeFault(rest, route)) {
          rest = taken.rest;
          struck += 1;
        }
        const meant = queue.filter(each => each.route === route);
        expect(struck).toBe(meant.reduce((sum, { times }) => sum + times, 0));
        expect(rest).toEqual(queue.filter(each => each.route !== route));
      }),
    );
  });

  it.each([
    {},
    { kind: 'nonsense' },
    { kind: 'http', status: 99 },
    { kind: 'code', code: '10002' },
    { kind: 'reset', times: 0 },
    { kind: 'reset', route: 'orders' },
    { kind: 'delay' },
    { kind: 'reset', surprise: true },
  ])('does not take %j', fault => {
    expect(() => parseFault(fault)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }));
  });
});

describe('latency', () => {
  it('is split around the stamp, and the same for the same seed', () => {
    const knobs = applyPatch(DEFAULT_KNOBS, { jitterMs: 100, asymmetry: 0.25 });
    const draw = (seed: number) => {
      const random = seededRandom(seed);
      return Array.from({ length: 20 }, () => drawLatency(knobs, 'verify', random));
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
    for (const { beforeStampMs, afterStampMs } of draw(7)) {
      expect(beforeStampMs + afterStampMs).toBeGreaterThanOrEqual(200);
      expect(beforeStampMs + afterStampMs).toBeLessThan(300);
      expect(afterStampMs).toBeCloseTo(beforeStampMs * 3, 6);
    }
  });

  it('is that of the design document by default', () => {
    const still = () => 0;
    expect(drawLatency(DEFAULT_KNOBS, 'time', still)).toEqual({ beforeStampMs: 750, afterStampMs: 750 });
    expect(drawLatency(DEFAULT_KNOBS, 'verify', still)).toEqual({ beforeStampMs: 100, afterStampMs: 100 });
    expect(drawLatency(DEFAULT_KNOBS, 'other', still)).toEqual({ beforeStampMs: 0, afterStampMs: 0 });
  });
});

describe('the rate limiter', () => {
  it('counts each key in each window', () => {
    const limiter = createRateLimiter();
    const limit = { requests: 2, perMs: 1000 };
    const allowed = (key: string, nowMs: number) => limiter.take(key, limit, nowMs).isAllowed;
    expect([allowed('a', 0), allowed('a', 1), allowed('a', 999), allowed('b', 999)]).toEqual([
      true,
      true,
      false,
      true,
    ]);
    expect(limiter.take('a', limit, 1000)).toEqual({
      isAllowed: true,
      limit: 2,
      remaining: 1,
      resetsAtMs: 2000,
    });
  });
});

describe('knobs', () => {
  it('change only what is named', () => {
    const patched = applyPatch(DEFAULT_KNOBS, { latencyMs: { verify: 5 }, skewMs: undefined });
    expect(patched).toEqual({ ...DEFAULT_KNOBS, latencyMs: { ...DEFAULT_KNOBS.latencyMs, verify: 5 } });
  });

  it.each([
    { skew: 5 },
    { asymmetry: 2 },
    { latencyMs: { time: -1 } },
    { latencyMs: { orders: 1 } },
    { outage: 'partial' },
    { rateLimit: { requests: 1 } },
    { driftPpm: Number.NaN },
    'fast',
  ])('refuse %j', patch => {
    expect(() => parseKnobPatch(patch)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }));
  });
});
