/** The habits that projections/usage-forecast.ts folded, as pages of a list. */
import type { Pool } from 'pg';
import { type Habit, type HabitRow, habitOf } from '../clock/use-habit.js';
import { parseCacheKey } from '../events/connector.js';
import { rangeOf } from './connector-list.js';
import { epochMs } from './lookup.js';

export interface HabitFilter {
  readonly exchange?: string | undefined;
  readonly environment?: string | undefined;
  readonly scope?: string | undefined;
  readonly limit: number;
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

const HABIT = `${epochMs('since')} AS since, uses::float8 AS uses, ${epochMs('hour')} AS hour, hour_uses::float8 AS "hourUses",
  ${epochMs('first_at')} AS "firstAt", ${epochMs('last_at')} AS "lastAt", ${epochMs('before_at')} AS "beforeAt",
  idle, week_hours AS "weekHours", week_uses AS "weekUses"`;

/** $1 exchange, $2 environment, $3 scope, $4 rows. */
const CLOCKS = `
  SELECT exchange, environment, scope, ${HABIT} FROM clock_usage_forecast
   WHERE ($1::text IS NULL OR exchange = $1) AND ($2::text IS NULL OR environment = $2) AND ($3::text IS NULL OR scope = $3)
   ORDER BY exchange, environment, scope LIMIT $4`;

/** $5 ≤ key < $6, and behind $7 … $10. */
const CONNECTORS = `
  SELECT cache_key AS "cacheKey", exchange, environment, scope, ${HABIT} FROM usage_forecast
   WHERE ($1::text IS NULL OR exchange = $1) AND ($2::text IS NULL OR environment = $2) AND ($3::text IS NULL OR scope = $3)
     AND ($5::text IS NULL OR cache_key >= $5 COLLATE "C") AND ($6::text IS NULL OR cache_key < $6 COLLATE "C")
     AND ($7::text IS NULL OR (cache_key, exchange, environment, scope) > ($7 COLLATE "C", $8, $9, $10))
   ORDER BY cache_key, exchange, environment, scope LIMIT $4`;

const placesOf = ({ exchange, environment, scope, limit }: HabitFilter) => [
  exchange ?? null,
  environment ?? null,
  scope ?? null,
  limit,
];

/** A row that no fact makes is left out. @throws whatever `pg` throws */
export async function clockHabits(pool: Pool, filter: HabitFilter): Promise<ClockHabit[]> {
  const { rows } = await pool.query<ClockPlace & HabitRow>(CLOCKS, placesOf(filter));
  return rows.flatMap(row => {
    const habit = habitOf(row);
    const { exchange, environment, scope } = row;
    return habit ? [{ exchange, environment, scope, habit }] : [];
  });
}

/** The same of connectors, in the order of their cache keys. @throws whatever `pg` throws */
export async function connectorHabits(pool: Pool, filter: ConnectorHabitFilter): Promise<ConnectorHabit[]> {
  const { userId, after } = filter;
  const [from, to] = userId === undefined ? [null, null] : rangeOf({ userId });
  const { rows } = await pool.query<ConnectorPlace & HabitRow>(CONNECTORS, [
    ...placesOf(filter),
    from,
    to,
    after?.cacheKey ?? null,
    after?.exchange ?? null,
    after?.environment ?? null,
    after?.scope ?? null,
  ]);
  return rows.flatMap(row => {
    const habit = habitOf(row);
    const { cacheKey, exchange, environment, scope } = row;
    return habit ? [{ cacheKey, ...parseCacheKey(cacheKey), exchange, environment, scope, habit }] : [];
  });
}
