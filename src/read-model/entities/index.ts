/**
 * The tables as TypeORM entities, for analytics, administration and tests. They describe what the migrations made and
 * make nothing themselves (`synchronize` stays off); lookups and the projector go over `pg`. Every name and
 * type is written out: bundlers shorten class names, and no compiler here emits types for decorators.
 */
import { CacheUsage } from './cache-usage.js';
import { ClockUsageForecast } from './clock-usage-forecast.js';
import { ConnectorEvent } from './connector-event.js';
import { ConnectorOutbox } from './connector-outbox.js';
import { ConnectorStateCache } from './connector-state-cache.js';
import { ConnectorStream } from './connector-stream.js';
import { DriftHourly } from './drift-hourly.js';
import { DriftSample } from './drift-sample.js';
import { ExchangeClock } from './exchange-clock.js';
import { ProjectionCheckpoint } from './projection-checkpoint.js';
import { ProjectionDeadLetter } from './projection-dead-letter.js';
import { ShadowOutcome } from './shadow-outcome.js';
import { UsageForecast } from './usage-forecast.js';

export {
  CacheUsage,
  ClockUsageForecast,
  ConnectorEvent,
  ConnectorOutbox,
  ConnectorStateCache,
  ConnectorStream,
  DriftHourly,
  DriftSample,
  ExchangeClock,
  ProjectionCheckpoint,
  ProjectionDeadLetter,
  ShadowOutcome,
  UsageForecast,
};

export const entities = [
  ConnectorEvent,
  ConnectorStream,
  ConnectorOutbox,
  ConnectorStateCache,
  ExchangeClock,
  DriftSample,
  DriftHourly,
  CacheUsage,
  ShadowOutcome,
  UsageForecast,
  ClockUsageForecast,
  ProjectionCheckpoint,
  ProjectionDeadLetter,
] as const;
