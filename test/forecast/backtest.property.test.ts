/** The back-test is honest: nobody sees what comes, the oracle cannot be beaten, and every use is counted once. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { addUses, binOf, type Habit, habitOf, hourOfWeek, startHabit } from '../../src/clock/use-habit.js';
import { backtest } from '../../src/forecast/backtest.js';
import { ceilingOf, leastCold } from '../../src/forecast/ceiling.js';
import { probabilityOf, trainUsageModel } from '../../src/forecast/learned.js';
import {
  fixed,
  hazard,
  hazardOf,
  histogram,
  type Policy,
  seasonal,
  seasonalOf,
  trend,
  trendOf,
} from '../../src/forecast/policies.js';
import { UsageHistory } from '../../src/forecast/usage-history.js';
import { makeUses, type WorldName } from '../../src/forecast/worlds.js';

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

type Replayed = ReturnType<typeof replay>;
const known = new Map<string, Replayed>();

function replayed(world: WorldName, ttlMs: number): Replayed {
  const name = `${world} ${ttlMs}`;
  const result = known.get(name) ?? replay(world, ttlMs);
  known.set(name, result);
  return result;
}

function replay(world: WorldName, ttlMs: number) {
  const time = {
    connectorsEach: 1,
    ttlMs,
    fromMs: START_MS + 21 * 86_400_000,
    untilMs: START_MS + 42 * 86_400_000,
  };
  const all = makeUses(world, { connectors: 2, days: 42, seed: 1 });
  const result = backtest(all, { ttlMs, usesRefresh: false, countFromMs: time.fromMs });
  return { ...result, result, time, ceiling: ceilingOf(world, result, time) };
}

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
    const policies: readonly Policy[] = [fixed, histogram, hazard, trend, seasonal];
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

  it('meets a period that moves where it is going', () => {
    const { winner, results } = replayed('drifting', TTL_MS);
    expect(winner).toBe('trend');
    const found = results.find(({ policy }) => policy === winner);
    expect(found?.shareOfOracle).toBeGreaterThan(0.99);
    expect(found?.syncsOfOracle).toBeLessThan(1.01);
  });

  it.each([75, 240])('avoids nine in ten of the office hours at 1.2 times the syncs: %d minutes', minutes => {
    const { winner, results, ceiling } = replayed('office', minutes * MINUTE_MS);
    expect(winner).toBe('seasonal');
    const found = results.find(({ policy }) => policy === winner);
    expect(found?.shareOfOracle).toBeGreaterThan(0.9);
    expect(found?.syncsOfOracle).toBeLessThan(1.2);
    expect(ceiling?.leastSyncsOfOracle).toBeLessThan(1.2);
  });

  it('reaches what who knows the rates could, where that is more than 1.2 times the syncs', () => {
    const { winner, results, ceiling } = replayed('office', TTL_MS);
    expect(winner).toBe('seasonal');
    expect(ceiling?.leastSyncsOfOracle).toBeGreaterThan(1.8);
    const found = results.find(({ policy }) => policy === 'seasonal');
    expect(found?.shareOfOracle).toBeGreaterThan(0.95);
    expect(found?.syncsOfOracle).toBeLessThan((ceiling?.leastSyncsOfOracle ?? 0) * 1.1);
  });

  it.each(['office', 'bursty', 'random'] as const)(
    'lets no policy do better than who knows the rates: %s',
    world => {
      const { results, result, time } = replayed(world, TTL_MS);
      for (const { policy, cold, syncs } of results.slice(0, -1)) {
        const least = leastCold(world, result, time, syncs);
        // That holds in the mean; what came is one draw of it.
        expect({ policy, isAtLeast: cold >= least - 4 * Math.sqrt(least) }).toEqual({
          policy,
          isAtLeast: true,
        });
      }
      // The oracle does, for it knows when.
      const oracle = results.at(-1);
      const limit = leastCold(world, result, time, oracle?.syncs ?? 0);
      expect(oracle?.cold).toBeLessThan(limit - 4 * Math.sqrt(limit));
    },
  );

  it('has no ceiling where the habit tells the minute', () => {
    for (const world of ['periodic', 'drifting'] as const)
      expect(replayed(world, TTL_MS).ceiling).toBeUndefined();
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
    const [byHazard, byModel] = ['hazard', 'learned'].map(name =>
      calibration.find(({ policy }) => policy === name),
    );
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
        for (const probability of [hazardOf, trendOf, seasonalOf]) {
          const p = probability(history, atMs, TTL_MS);
          expect(p).toBeGreaterThanOrEqual(0);
          expect(p).toBeLessThanOrEqual(1);
        }
        expect(history.shareOfWeeks(atMs)).toBeLessThanOrEqual(1);
      }),
    );
    expect(hourOfWeek(Date.parse('2026-11-02T00:30:00Z'))).toBe(0);
    expect(hourOfWeek(Date.parse('2026-11-08T23:59:00Z'))).toBe(167);
  });

  it('tells the hours of the week by a row as it does by the uses themselves', () => {
    fc.assert(
      fc.property(uses, fc.integer({ min: 0, max: 20 * 86_400_000 }), (times, afterMs) => {
        const [firstMs = 0, ...others] = times;
        const asUses = (atMs: number) => ({ count: 1, firstAt: atMs, lastAt: atMs });
        let row = startHabit(firstMs, asUses(firstMs));
        for (const atMs of others) row = addUses(row, atMs, asUses(atMs));
        const grown = new UsageHistory();
        for (const atMs of times) grown.add(atMs);
        const read = UsageHistory.of(habitOf(row) as Habit);
        const atMs = (times.at(-1) ?? 0) + afterMs;
        expect(read.knowsHour(atMs)).toBe(grown.knowsHour(atMs));
        expect(seasonalOf(read, atMs, 8 * TTL_MS)).toBeCloseTo(seasonalOf(grown, atMs, 8 * TTL_MS), 9);
      }),
    );
  });
});
