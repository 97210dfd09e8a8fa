/** Forecasts from the read tables: of every exchange's clock, and of connectors. */
import type { Pool } from 'pg';
import {
  type ClockPlace,
  type ConnectorPlace,
  clockHabits,
  connectorHabits,
} from '../read-model/usage-habits.js';
import { type Forecast, figuresOf, forecastOf, type HabitFigures } from './forecast.js';
import type { Probability } from './policies.js';

interface Ahead {
  /** Epoch milliseconds. */
  readonly nowMs: number;
  /** How far ahead the probability looks, milliseconds. */
  readonly withinMs: number;
  /** Of a trained model, in place of the histogram's own. */
  readonly probability?: Probability | undefined;
}

export interface ClockForecastQuery {
  readonly exchange?: string | undefined;
  readonly environment?: string | undefined;
  readonly scope?: string | undefined;
}

export interface ConnectorForecastQuery extends ClockForecastQuery {
  readonly userId?: string | undefined;
  /** The last connector of the page before. */
  readonly after?: ConnectorPlace | undefined;
  readonly limit: number;
}

export type ClockForecast = ClockPlace & Forecast & HabitFigures;
export type ConnectorForecast = ConnectorPlace & {
  readonly userId: string;
  readonly credentialId: string;
} & Forecast;

/** Clocks are few: an exchange has one for each environment and host. */
const MAX_CLOCKS = 1_000;

/** @throws whatever `pg` throws */
export async function clockForecasts(
  pool: Pool,
  { nowMs, withinMs, probability, ...filter }: ClockForecastQuery & Ahead,
): Promise<ClockForecast[]> {
  const found = await clockHabits(pool, { ...filter, limit: MAX_CLOCKS, withWeeks: true });
  return found.map(({ habit, ...place }) => ({
    ...place,
    ...forecastOf(habit, { nowMs, withinMs, probability }),
    ...figuresOf(habit, nowMs),
  }));
}

/** In the order of their cache keys. @throws whatever `pg` throws */
export async function connectorForecasts(
  pool: Pool,
  { nowMs, withinMs, probability, ...filter }: ConnectorForecastQuery & Ahead,
): Promise<ConnectorForecast[]> {
  const found = await connectorHabits(pool, { ...filter, withWeeks: probability !== undefined });
  const options = { nowMs, withinMs, probability };
  // Each field by its name: to spread two objects a hundred thousand times took longer than all the rest.
  return found.map(({ cacheKey, userId, credentialId, exchange, environment, scope, habit }) => {
    const forecast = forecastOf(habit, options);
    const { uses, sinceMs, lastUseMs, basis, probability, likelyAtMs } = forecast;
    const connector = { cacheKey, userId, credentialId, exchange, environment, scope };
    return Object.assign(connector, { uses, sinceMs, lastUseMs, basis, probability, likelyAtMs });
  });
}
