/** The habits that projections/usage-forecast.ts folded, as pages of a list. */
import type { Pool } from 'pg';
import { type Habit, type HabitRow, habitOf } from '../clock/use-habit.js';
import { parseCacheKey } from '../events/connector.js';
import { rangeOf } from './connector-list.js';

export interface HabitFilter {
  readonly exchange?: string | undefined;
  readonly environment?: string | undefined;
  readonly scope?: string | undefined;
  readonly limit: number;
  /** Whether the hours of the week are wanted too; without them they count as empty. */
  readonly withWeeks: boolean;
}

export interface ConnectorHabitFilter extends HabitFilter {
  /** One user. */
  readonly userId?: string | undefined;
  /** The last of the page before. */
  readonly after?: ConnectorPlace | undefined;
}

export interface ClockPlace {
  readonly exchange: string;
  readonly environment: string;
  readonly scope: string;
}
export interface ConnectorPlace extends ClockPlace {
  readonly cacheKey: string;
}

export type ClockHabit = ClockPlace & { readonly habit: Habit };
export type ConnectorHabit = ConnectorPlace & {
  readonly userId: string;
  readonly credentialId: string;
  readonly habit: Habit;
};

/**
 * A row's numbers in one column, whole: what a driver makes of each column of each row costs more than the numbers.
 * date_part and not extract, whose numeric costs several times as much.
 */
const wholeMs = (column: string) => `(date_part('epoch', ${column}) * 1000)::bigint`;
const NUMBERS = `concat_ws(' ', ${wholeMs('since')}, uses, ${wholeMs('hour')}, hour_uses, ${wholeMs('first_at')}, ${wholeMs('last_at')},
  ${wholeMs('before_at')})`;
const HABIT = `${NUMBERS}, idle, CASE WHEN $5 THEN week_hours ELSE '' END, CASE WHEN $5 THEN week_uses ELSE '' END`;

/** $1 exchange, $2 environment, $3 scope, $4 rows, $5 whether the hours of the week are wanted. */
const CLOCKS = `
  SELECT exchange, environment, scope, ${HABIT} FROM clock_usage_forecast
   WHERE ($1::text IS NULL OR exchange = $1) AND ($2::text IS NULL OR environment = $2) AND ($3::text IS NULL OR scope = $3)
   ORDER BY exchange, environment, scope LIMIT $4`;

/** $6 ≤ key < $7, and behind $8 … $11. */
const CONNECTORS = `
  SELECT exchange, environment, scope, ${HABIT}, cache_key FROM usage_forecast
   WHERE ($1::text IS NULL OR exchange = $1) AND ($2::text IS NULL OR environment = $2) AND ($3::text IS NULL OR scope = $3)
     AND ($6::text IS NULL OR cache_key >= $6 COLLATE "C") AND ($7::text IS NULL OR cache_key < $7 COLLATE "C")
     AND ($8::text IS NULL OR (cache_key, exchange, environment, scope) > ($8 COLLATE "C", $9, $10, $11))
   ORDER BY cache_key, exchange, environment, scope LIMIT $4`;

type Cells = readonly [
  exchange: string,
  environment: string,
  scope: string,
  numbers: string,
  idle: string,
  weekHours: string,
  weekUses: string,
  cacheKey: string,
];

const placesOf = ({ exchange, environment, scope, limit, withWeeks }: HabitFilter) => [
  exchange ?? null,
  environment ?? null,
  scope ?? null,
  limit,
  withWeeks,
];

/** @returns undefined for what no fact makes */
function habitIn([, , , numbers, idle, weekHours, weekUses]: Cells): Habit | undefined {
  // concat_ws leaves out what is NULL: the last is `before_at`.
  const [since, uses, hour, hourUses, firstAt, lastAt, beforeAt = null] = numbers.split(' ').map(Number);
  return habitOf({
    since,
    uses,
    hour,
    hourUses,
    firstAt,
    lastAt,
    beforeAt,
    idle,
    weekHours,
    weekUses,
  } as HabitRow);
}

async function rowsOf(pool: Pool, text: string, values: unknown[]): Promise<Cells[]> {
  const { rows } = await pool.query({ text, values, rowMode: 'array' });
  return rows as unknown as Cells[];
}

/** A row that no fact makes is left out. @throws whatever `pg` throws */
export async function clockHabits(pool: Pool, filter: HabitFilter): Promise<ClockHabit[]> {
  const rows = await rowsOf(pool, CLOCKS, placesOf(filter));
  return rows.flatMap(row => {
    const habit = habitIn(row);
    const [exchange, environment, scope] = row;
    return habit ? [{ exchange, environment, scope, habit }] : [];
  });
}

/** The same of connectors, in the order of their cache keys. @throws whatever `pg` throws */
export async function connectorHabits(pool: Pool, filter: ConnectorHabitFilter): Promise<ConnectorHabit[]> {
  const { userId, after } = filter;
  const [from, to] = userId === undefined ? [null, null] : rangeOf({ userId });
  const rows = await rowsOf(pool, CONNECTORS, [
    ...placesOf(filter),
    from,
    to,
    after?.cacheKey ?? null,
    after?.exchange ?? null,
    after?.environment ?? null,
    after?.scope ?? null,
  ]);
  return rows.flatMap(row => {
    const habit = habitIn(row);
    const [exchange, environment, scope] = row;
    const cacheKey = row[7];
    if (!habit) return [];
    const { userId, credentialId } = parseCacheKey(cacheKey);
    return [{ cacheKey, userId, credentialId, exchange, environment, scope, habit }];
  });
}
