import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { clockUsageForecast, usageForecast } from '../../projections/index.js';
import {
  addUses,
  binOf,
  type Habit,
  type HabitRow,
  habitOf,
  hourOfWeek,
  startHabit,
} from '../../src/clock/use-habit.js';
import type { NewEvent } from '../../src/events/event.js';
import { hit, invalidated, MINUTE_MS, stored, synced } from '../support/facts.js';
import { plainFold } from '../support/plain-fold.js';

/** A Thursday, 08:00 UTC. */
const HOUR = Date.UTC(2025, 9, 9, 8);
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

const at = (atMs: number) => ({ firstAt: atMs, lastAt: atMs });
/** Each recorded when it happened. */
const rowsOf = (...hits: readonly (readonly [atMs: number, event: NewEvent])[]) =>
  plainFold(
    usageForecast,
    hits.flatMap(([atMs, event]) => stored([event], atMs)),
  );
const habit = (row: HabitRow | undefined) => {
  const found = row && habitOf(row);
  return found && { ...found, idle: idleIn(found) };
};
const idleIn = ({ idle }: Habit) =>
  new Map(idle.fromMs.map((fromMs, i) => [fromMs, idle.counts[i] as number]));

it('knows how long a connector lay idle, and in which hours of the week it is used', () => {
  const uses = [HOUR + 5, HOUR + 8 * HOUR_MS, HOUR + 16 * HOUR_MS + 20 * MINUTE_MS];
  const [row] = rowsOf(...uses.map(atMs => [atMs, hit(at(atMs))] as const));

  expect(row).toMatchObject({ cacheKey: 'user123_cred456', exchange: 'BYBIT', scope: 'default', uses: 3 });
  expect(habit(row)).toMatchObject({ since: HOUR + 5, lastAt: uses[2], uses: 3 });
  expect([...(habit(row)?.idle ?? [])]).toEqual([
    // 5 ms less than eight hours, and twenty minutes more.
    [binOf(8 * HOUR_MS - 5).fromMs, 1],
    [8 * HOUR_MS + 20 * MINUTE_MS, 1],
  ]);
  expect([...(habit(row)?.weekHours ?? [])]).toEqual([
    [3 * 24 + 8, 1],
    [3 * 24 + 16, 1],
    [4 * 24, 1],
  ]);
});

it('takes the uses of an hour to lie evenly in it', () => {
  const [row] = rowsOf(
    [HOUR + 1, hit({ count: 2, firstAt: HOUR, lastAt: HOUR + 1 })],
    [HOUR + 40 * MINUTE_MS, hit({ count: 3, ...at(HOUR + 40 * MINUTE_MS), tier: 'memory' })],
  );

  expect(habit(row)?.idle).toEqual(new Map([[10 * MINUTE_MS, 4]]));
  expect(habit(row)?.weekUses).toEqual(new Map([[80, 5]]));
});

it('counts a measurement that a lookup without a state caused, and no other fact', () => {
  const cold = synced({ trigger: 'expired', occurredAt: HOUR });
  expect(rowsOf([HOUR, cold])).toMatchObject([{ uses: 1, since: HOUR }]);
  expect(
    rowsOf(
      [HOUR, synced({ trigger: 'passive' })],
      [HOUR, synced({ trigger: 'absent', basis: 'exchange-clock' })],
      [HOUR, invalidated()],
    ),
  ).toEqual([]);
});

it('keeps connectors apart, and puts those of one clock together', () => {
  const events = stored(
    [hit(at(HOUR)), hit({ ...at(HOUR), userId: 'other' }), hit({ ...at(HOUR), exchange: 'BINGX' })],
    HOUR,
  );

  expect(plainFold(usageForecast, events).map(({ uses }) => uses)).toEqual([1, 1, 1]);
  expect(plainFold(clockUsageForecast, events)).toMatchObject([
    { exchange: 'BYBIT', environment: 'MAINNET', scope: 'default', uses: 2 },
    { exchange: 'BINGX', uses: 1 },
  ]);
});

it("believes no host's clock that is years off, and counts no time backwards", () => {
  const [row] = rowsOf(
    [HOUR, hit(at(HOUR))],
    [HOUR + HOUR_MS, hit({ ...at(HOUR + HOUR_MS), ...at(0) })],
    [HOUR + 2 * HOUR_MS, hit(at(HOUR + 900 * DAY_MS))],
  );

  expect(habit(row)).toMatchObject({ since: HOUR + HOUR_MS - DAY_MS, lastAt: HOUR + 3 * HOUR_MS });
  expect(habit(row)?.idle.get(0)).toBe(1);
});

it('begins anew where somebody wrote nonsense into the row', () => {
  const row = { ...startHabit(HOUR, { count: 4, ...at(HOUR) }), hourUses: Number.NaN };
  expect(habitOf(row)).toBeUndefined();
  expect(addUses(row, HOUR + 1, { count: 1, ...at(HOUR + 1) })).toEqual(
    startHabit(HOUR + 1, { count: 1, ...at(HOUR + 1) }),
  );
  const garbled = {
    ...startHabit(HOUR, { count: 1, ...at(HOUR) }),
    idle: '5:x -3:4 :: 2:7',
    weekHours: '𝌆',
  };
  expect(habit(garbled)?.idle).toEqual(new Map([[2 * MINUTE_MS, 7]]));
});

const uses = fc
  .record({
    count: fc.integer({ min: 1, max: 50 }),
    minute: fc.integer({ min: -90, max: 59 }),
    length: fc.integer({ min: 0, max: 30 * MINUTE_MS }),
  })
  .map(({ count, minute, length }) => ({ count, minute, length }));
const hours = fc.array(
  fc.record({ gap: fc.integer({ min: 1, max: 400 }), uses: fc.array(uses, { minLength: 1, maxLength: 5 }) }),
  { minLength: 1, maxLength: 12 },
);

describe('a habit', () => {
  it('is the same in whichever order the facts of an hour come, and however they are summed up', () => {
    fc.assert(
      fc.property(hours, fc.integer(), (plan, seed) => {
        let hour = HOUR;
        const told = plan.map(({ gap, uses }) => {
          hour += gap * HOUR_MS;
          return {
            hour,
            facts: uses.map(({ count, minute, length }) => {
              const firstAt = hour + minute * MINUTE_MS;
              return { count, firstAt, lastAt: firstAt + length };
            }),
          };
        });
        const fold = (facts: (typeof told)[number]['facts'][]) =>
          told
            .flatMap(({ hour }, index) => (facts[index] ?? []).map(each => ({ hour, each })))
            .reduce<ReturnType<typeof startHabit> | undefined>(
              (row, { hour, each }) => (row ? addUses(row, hour, each) : startHabit(hour, each)),
              undefined,
            );
        const asTold = fold(told.map(({ facts }) => facts));
        const turned = fold(
          told.map(({ facts }) =>
            [...facts].sort((a, b) => ((a.firstAt ^ seed) % 7) - ((b.lastAt ^ seed) % 5)),
          ),
        );
        const summed = fold(
          told.map(({ facts }) => [
            {
              count: facts.reduce((sum, { count }) => sum + count, 0),
              firstAt: Math.min(...facts.map(({ firstAt }) => firstAt)),
              lastAt: Math.max(...facts.map(({ lastAt }) => lastAt)),
            },
          ]),
        );
        expect(turned).toEqual(asTold);
        expect(summed).toEqual(asTold);

        const habit = asTold && habitOf(asTold);
        const total = (counts: ReadonlyMap<number, number> | undefined) =>
          [...(counts?.values() ?? [])].reduce((sum, count) => sum + count, 0);
        const count = told.flatMap(({ facts }) => facts).reduce((sum, { count }) => sum + count, 0);
        expect(total(habit && idleIn(habit))).toBe(count - 1);
        // What is not as it was packed is read by another way, to the same bins.
        const garbled = asTold && habitOf({ ...asTold, idle: `${asTold.idle} x` });
        expect(garbled?.idle).toEqual(habit?.idle);
        expect(total(habit?.weekUses)).toBe(count);
        expect(total(habit?.weekHours)).toBe(told.length);
        expect([...(habit?.weekHours.keys() ?? [])].sort()).toEqual(
          [...new Set(told.map(({ hour }) => hourOfWeek(hour)))].sort(),
        );
      }),
    );
  });
});
