/** The back-test is honest: nobody sees what comes, the oracle cannot be beaten, and every use is counted once. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { binOf, hourOfWeek } from '../../src/clock/use-habit.js';
import { backtest } from '../../src/forecast/backtest.js';
import { probabilityOf, trainUsageModel } from '../../src/forecast/learned.js';
import { fixed, hazard, hazardOf, histogram, type Policy } from '../../src/forecast/policies.js';
import { UsageHistory } from '../../src/forecast/usage-history.js';
import { makeUses } from '../../src/forecast/worlds.js';

const START_MS = 1_793_577_600_000;
const MINUTE_MS = 60_000;
const TTL_MS = 15 * MINUTE_MS;

const gap = fc.oneof(
  fc.integer({ min: 0, max: 10 * MINUTE_MS }),
  fc.integer({ min: 0, max: 10 * 3_600_000 }),
  fc.constantFrom(8 * 3_600_000, 86_400_000, 30 * 86_400_000),
);
const uses = fc.array(gap, { minLength: 1, maxLength: 40 }).map(gaps => {
  let atMs = START_MS;
  return gaps.map(each => {
    atMs += each;
    return atMs;
  });
});

const resultOf = (all: readonly (readonly number[])[], policy: string, usesRefresh = false) => {
  const found = backtest(all, { ttlMs: TTL_MS, usesRefresh }).results.find(each => each.policy === policy);
  if (!found) throw new Error(policy);
  return found;
};

describe('the back-test', () => {
  it('counts every use once, and nobody beats the oracle or saves what was not lost', () => {
    fc.assert(
      fc.property(fc.array(uses, { minLength: 1, maxLength: 3 }), fc.boolean(), (all, usesRefresh) => {
        const { results } = backtest(all, { ttlMs: TTL_MS, usesRefresh });
        const total = all.reduce((sum, each) => sum + each.length, 0);
        const oracle = results.find(({ policy }) => policy === 'oracle');
        for (const each of results) {
          expect(each.uses).toBe(total);
          expect(each.cold).toBeGreaterThanOrEqual(oracle?.cold ?? 0);
          expect(each.syncs).toBe(each.cold + each.refreshes);
        }
        // The first use of each connector is cold for everybody.
        expect(oracle?.cold).toBe(all.length);
      }),
      { numRuns: 100 },
    );
  });

  it('shows a policy nothing of what comes: its next refresh is the same whatever follows', () => {
    const policies: readonly Policy[] = [fixed, histogram, hazard];
    fc.assert(
      fc.property(uses, uses, fc.constantFrom(...policies), (past, future, policy) => {
        const asked = (times: readonly number[]) => {
          const history = new UsageHistory();
          for (const atMs of times.slice(0, past.length)) history.add(atMs);
          const nowMs = past.at(-1) ?? START_MS;
          return policy.nextRefresh({ history, nowMs, expiresMs: nowMs + TTL_MS, ttlMs: TTL_MS });
        };
        const later = future.map(atMs => atMs + (past.at(-1) ?? 0) - START_MS);
        expect(asked([...past, ...later])).toBe(asked(past));
      }),
    );
  });

  it('finds a habit and leaves chance alone', async () => {
    const size = { connectors: 4, days: 42, seed: 3 };
    const [periodic, random] = [makeUses('periodic', size), makeUses('random', size)];
    const found = resultOf(periodic, 'hazard');
    expect(found.shareOfOracle).toBeGreaterThan(0.9);
    expect(found.syncsOfOracle).toBeLessThan(1.2);
    const options = { ttlMs: TTL_MS, usesRefresh: false, countFromMs: START_MS + 21 * 86_400_000 };
    expect(backtest(periodic, options).winner).toBe('hazard');
    expect(backtest(random, options).winner).toBe('none');
  });

  it('trains a model that says probabilities as they come', async () => {
    const all = makeUses('office', { connectors: 4, days: 42, seed: 2 });
    const splitMs = START_MS + 21 * 86_400_000;
    const model = await trainUsageModel(all, TTL_MS, splitMs);
    expect(model).toMatchObject({ version: 1, ttlMs: TTL_MS });
    expect(model?.untilMs).toBeLessThan(splitMs);
    const learned = model && probabilityOf(model);
    const { calibration } = backtest(all, {
      ttlMs: TTL_MS,
      usesRefresh: false,
      countFromMs: splitMs,
      learned,
    });
    const [byHazard, byModel] = calibration;
    expect(byModel?.brier).toBeLessThan(byHazard?.brier ?? 0);
    expect(byModel?.brier).toBeLessThan((byModel?.baseline ?? 0) * 0.7);
    for (const { said, came, count } of byModel?.buckets ?? []) {
      if (count > 300) expect(Math.abs(said - came)).toBeLessThan(0.1);
    }
    expect(await trainUsageModel([[1, 2, 3]], TTL_MS)).toBeUndefined();
  });
});

describe('the history of uses', () => {
  it('has every idle time in one bin, and counts the shorter ones', () => {
    fc.assert(
      fc.property(uses, fc.integer({ min: 0, max: 40 * 86_400_000 }), (times, idleMs) => {
        const history = new UsageHistory();
        for (const atMs of times) history.add(atMs);
        const counted = history.idleBins().reduce((sum, { count }) => sum + count, 0);
        expect(counted).toBe(times.length - 1);
        const idle = times.slice(1).map((atMs, index) => atMs - (times[index] as number));
        const { fromMs, untilMs } = binOf(idleMs);
        expect(fromMs <= idleMs && idleMs < untilMs).toBe(true);
        expect(history.shorterThan(fromMs)).toBeCloseTo(idle.filter(each => each < fromMs).length, 6);
        expect(history.shorterThan(Number.MAX_SAFE_INTEGER)).toBeCloseTo(idle.length, 6);
      }),
    );
  });

  it('is asked for probabilities only, and of week hours from Monday', () => {
    fc.assert(
      fc.property(uses, fc.integer({ min: 0, max: 20 * 86_400_000 }), (times, afterMs) => {
        const history = new UsageHistory();
        for (const atMs of times) history.add(atMs);
        const atMs = (times.at(-1) ?? 0) + afterMs;
        const p = hazardOf(history, atMs, TTL_MS);
        expect(p).toBeGreaterThanOrEqual(0);
        expect(p).toBeLessThan(1);
        expect(history.shareOfWeeks(atMs)).toBeLessThanOrEqual(1);
      }),
    );
    expect(hourOfWeek(Date.parse('2026-11-02T00:30:00Z'))).toBe(0);
    expect(hourOfWeek(Date.parse('2026-11-08T23:59:00Z'))).toBe(167);
  });
});
