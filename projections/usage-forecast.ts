/**
 * `usage_forecast` and `clock_usage_forecast`: when each connector is used, and when each exchange's clock is, so that
 * somebody can say when it will be next.
 *
 * The same fold twice: a use of a connector is a use of its clock. A row holds a habit, that is a histogram of idle times
 * and the hours of the week; what it counts, and why a rebuild makes the same row though old hits are forgotten, is told
 * in src/clock/use-habit.ts. What is made of it (how likely a use is soon, when to refresh) is no fact: see src/forecast/.
 */
import { addUses, type HabitRow, startHabit } from '../src/clock/use-habit.js';
import type { EventType } from '../src/events/catalogue.js';
import { type ConnectorRef, cacheKeyOf, scopeOf } from '../src/events/connector.js';
import { isUse, timesOf, type UseEvent } from '../src/events/uses.js';
import type { ColumnType, Projection } from './projection.js';

type ClockKey = {
  readonly exchange: string;
  readonly environment: string;
  readonly scope: string;
};
type ConnectorKey = { readonly cacheKey: string } & ClockKey;

export type ClockUsageForecastRow = ClockKey & HabitRow;
export type UsageForecastRow = ConnectorKey & HabitRow;

const HANDLES: readonly EventType[] = ['ConnectorStateHit', 'ConnectorSynced'];

const HABIT_COLUMNS: Readonly<Record<keyof HabitRow, ColumnType>> = {
  since: 'timestamptz',
  uses: 'bigint',
  hour: 'timestamptz',
  hourUses: 'bigint',
  firstAt: 'timestamptz',
  lastAt: 'timestamptz',
  beforeAt: 'timestamptz',
  idle: 'text',
  weekHours: 'text',
  weekUses: 'text',
};

const clockKeyOf = (ref: ConnectorRef): ClockKey => ({
  exchange: ref.exchange,
  environment: ref.environment,
  scope: scopeOf(ref),
});
const connectorKeyOf = (ref: ConnectorRef): ConnectorKey => ({
  cacheKey: cacheKeyOf(ref),
  exchange: ref.exchange,
  environment: ref.environment,
  scope: scopeOf(ref),
});

function habitAfter(row: HabitRow | undefined, event: UseEvent): HabitRow {
  const { recordedAt } = event;
  const uses = timesOf(event);
  return row ? addUses(row, recordedAt, uses) : startHabit(recordedAt, uses);
}

export const usageForecast: Projection<UsageForecastRow> = {
  name: 'usage_forecast',
  version: 1,
  table: {
    name: 'usage_forecast',
    columns: {
      cacheKey: 'text',
      exchange: 'text',
      environment: 'text',
      scope: 'text',
      ...HABIT_COLUMNS,
    },
    key: ['cacheKey', 'exchange', 'environment', 'scope'],
  },
  handles: HANDLES,
  keyOf: event => (isUse(event) ? connectorKeyOf(event.data) : undefined),
  // Each field by its name: two spreads took several times as long, and this is done for nearly every event.
  evolve(row, event) {
    if (!isUse(event)) return row;
    const { cacheKey, exchange, environment, scope } = row ?? connectorKeyOf(event.data);
    const habit = habitAfter(row, event);
    return {
      cacheKey,
      exchange,
      environment,
      scope,
      since: habit.since,
      uses: habit.uses,
      hour: habit.hour,
      hourUses: habit.hourUses,
      firstAt: habit.firstAt,
      lastAt: habit.lastAt,
      beforeAt: habit.beforeAt,
      idle: habit.idle,
      weekHours: habit.weekHours,
      weekUses: habit.weekUses,
    };
  },
};

export const clockUsageForecast: Projection<ClockUsageForecastRow> = {
  name: 'clock_usage_forecast',
  version: 1,
  table: {
    name: 'clock_usage_forecast',
    columns: { exchange: 'text', environment: 'text', scope: 'text', ...HABIT_COLUMNS },
    key: ['exchange', 'environment', 'scope'],
  },
  handles: HANDLES,
  keyOf: event => (isUse(event) ? clockKeyOf(event.data) : undefined),
  evolve(row, event) {
    if (!isUse(event)) return row;
    const { exchange, environment, scope } = row ?? clockKeyOf(event.data);
    const habit = habitAfter(row, event);
    return {
      exchange,
      environment,
      scope,
      since: habit.since,
      uses: habit.uses,
      hour: habit.hour,
      hourUses: habit.hourUses,
      firstAt: habit.firstAt,
      lastAt: habit.lastAt,
      beforeAt: habit.beforeAt,
      idle: habit.idle,
      weekHours: habit.weekHours,
      weekUses: habit.weekUses,
    };
  },
};
