/**
 * The read tables, and so what the product knows:
 *
 *  - `connector_state_cache`: the offset each connector signs with, and whether it may (the cache itself)
 *  - `exchange_clock`: the offset that all connectors of an exchange and environment share
 *  - `drift_sample`: every measurement ever made, the history that drift and TTLs are judged by
 *  - `drift_hourly`: the same by the hour and machine, for the questions that span weeks
 *  - `cache_usage`: hourly counters: how often the cache helped, and why it did not
 *  - `shadow_outcome`: what the cache would have done in shadow mode, and how far off it would have been
 *  - `usage_forecast`, `clock_usage_forecast`: when each connector, and each exchange's clock, is used: what a forecast is made of
 */
import { cacheUsage } from './cache-usage.js';
import { connectorStateCache } from './connector-state-cache.js';
import { driftHourly } from './drift-hourly.js';
import { driftSample } from './drift-sample.js';
import { exchangeClock } from './exchange-clock.js';
import type { Projection } from './projection.js';
import { shadowOutcome } from './shadow-outcome.js';
import { clockUsageForecast, usageForecast } from './usage-forecast.js';

export type { CacheUsageRow } from './cache-usage.js';
export type { ConnectorStateRow } from './connector-state-cache.js';
export type { DriftHourlyRow } from './drift-hourly.js';
export type { DriftSampleRow } from './drift-sample.js';
export type { ExchangeClockRow } from './exchange-clock.js';
export type * from './projection.js';
export type { ShadowOutcomeRow } from './shadow-outcome.js';
export type { ClockUsageForecastRow, UsageForecastRow } from './usage-forecast.js';
export {
  cacheUsage,
  clockUsageForecast,
  connectorStateCache,
  driftHourly,
  driftSample,
  exchangeClock,
  shadowOutcome,
  usageForecast,
};

export const projections: readonly Projection[] = [
  connectorStateCache,
  exchangeClock,
  driftSample,
  driftHourly,
  cacheUsage,
  shadowOutcome,
  usageForecast,
  clockUsageForecast,
];
