/** Forecasts for who has a {@link ConnectorState}: over its pool, once the tables are there. */
import type { Pool } from 'pg';
import { InvalidInputError } from '../base/errors.js';
import { HOUR_MS } from '../clock/use-habit.js';
import type {
  ClockForecast,
  ClockForecastQuery,
  ConnectorForecast,
  ConnectorForecastQuery,
} from '../forecast/forecasts.js';
import { toDatabaseError } from '../postgres/pool.js';

interface Within {
  /** How far ahead a probability looks, milliseconds: above 0. Default an hour. */
  readonly withinMs?: number | undefined;
}

/** Which policy the latest back-test that was kept calls for; nothing refreshes by it unless somebody makes it. */
export interface PolicyInUse {
  /** `none` where no policy won by the margin, and where nothing was trained yet. */
  readonly policy: string;
  /** Of the kept model whose back-test says so; undefined: none is kept, so this is the baseline. */
  readonly modelVersion: number | undefined;
}

export interface Forecasts {
  /** @throws ConnectorStateError `DATABASE_UNAVAILABLE` */
  forecastPolicy(): Promise<PolicyInUse>;
  /**
   * When each exchange's clock is used, and how likely it will be soon, by the table `clock_usage_forecast`. Whether it pays
   * to refresh ahead of that is another question: docs/forecast.md.
   * @example
   * const [clock] = await state.clockForecasts({ exchange: 'BYBIT', withinMs: 15 * 60_000 });
   * if (clock?.basis === 'history') console.log(clock.probability, clock.likelyAtMs);
   * @throws ConnectorStateError `DATABASE_UNAVAILABLE`, `INVALID_INPUT`
   */
  clockForecasts(query?: ClockForecastQuery & Within): Promise<ClockForecast[]>;
  /**
   * The same of connectors (`usage_forecast`), in the order of their cache keys: `limit` (default 100) of them behind `after`.
   * @throws ConnectorStateError `DATABASE_UNAVAILABLE`, `INVALID_INPUT`
   */
  connectorForecasts(query?: Partial<ConnectorForecastQuery> & Within): Promise<ConnectorForecast[]>;
}

export function createForecasts(pool: Pool, nowMs: () => number, ready: () => Promise<void>): Forecasts {
  const latest = async () => {
    const { inUse } = await import('../forecast/in-use.js');
    return inUse(pool);
  };
  const ask = async <T>(
    work: (module: typeof import('../forecast/forecasts.js')) => Promise<T>,
  ): Promise<T> => {
    await ready();
    try {
      return await work(await import('../forecast/forecasts.js'));
    } catch (error) {
      throw toDatabaseError(error);
    }
  };
  const ahead = ({ withinMs = HOUR_MS }: Within) => {
    if (withinMs > 0) return { nowMs: Math.round(nowMs()), withinMs };
    throw new InvalidInputError(`withinMs must be above 0 milliseconds, got ${String(withinMs)}`);
  };
  return {
    forecastPolicy: () =>
      ask(async () => {
        const { policy, modelVersion } = await latest();
        return { policy, modelVersion };
      }),
    async clockForecasts(query = {}) {
      const span = ahead(query);
      return ask(async ({ clockForecasts }) => {
        const { probability } = await latest();
        return clockForecasts(pool, { ...query, ...span, probability });
      });
    },
    async connectorForecasts(query = {}) {
      const span = ahead(query);
      return ask(async ({ connectorForecasts }) => {
        const { probability } = await latest();
        return connectorForecasts(pool, { limit: 100, ...query, ...span, probability });
      });
    },
  };
}
