/**
 * What the tables of habits cost the projector, and how long a forecast of many connectors takes.
 *
 * The log is caught up in turns with and without the two tables, each time over empty read tables and with a new
 * projector; the first turn of each warms the code and is not counted.
 */
import { projections } from '../../projections/index.js';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import { connectorForecasts } from '../../src/forecast/forecasts.js';
import { pg } from '../../src/postgres/driver.js';
import { createProjector } from '../../src/projector/index.js';
import { answer, readTask } from './task.js';

export interface ForecastTask {
  readonly databaseUrl: string;
  readonly rounds: number;
  readonly connectors: number;
}

export interface ForecastAnswer {
  /** Events a second, by round. */
  readonly withHabits: readonly number[];
  readonly without: readonly number[];
  /** Milliseconds, by round: read and computed. */
  readonly forecastMs: readonly number[];
  readonly forecasts: number;
}

const HABITS = ['usage_forecast', 'clock_usage_forecast'];

const { databaseUrl, rounds, connectors } = readTask<ForecastTask>();
const pool = new pg.Pool({ connectionString: databaseUrl, max: 4 });
const store = createPostgresEventStore({ pool });

async function caughtUp(hasHabits: boolean): Promise<number> {
  const chosen = hasHabits ? projections : projections.filter(({ name }) => !HABITS.includes(name));
  for (const { table } of projections) await pool.query(`TRUNCATE ${table.name}`);
  await pool.query('TRUNCATE projection_checkpoint');
  await pool.query('CHECKPOINT');
  const projector = createProjector({ store, pool, projections: chosen });
  const startedMs = performance.now();
  const { events } = await projector.catchUp();
  return (events * 1_000) / (performance.now() - startedMs);
}

const withHabits: number[] = [];
const without: number[] = [];
for (let round = 0; round <= rounds; round++) {
  // Whoever goes second finds the log in memory, so they take turns.
  const order = round % 2 === 0 ? [true, false] : [false, true];
  for (const hasHabits of order) {
    const perSecond = await caughtUp(hasHabits);
    if (round > 0) (hasHabits ? withHabits : without).push(perSecond);
  }
}

// Of some weeks' use: forty bins of idle times, and as many hours of the week.
await pool.query('TRUNCATE usage_forecast');
await pool.query(
  `INSERT INTO usage_forecast
     SELECT 'user' || i || '_main', 'BYBIT', 'MAINNET', 'default', now() - interval '42 days', 401,
            date_trunc('hour', now()), 1, now() - interval '5 minutes', now() - interval '5 minutes',
            now() - interval '3 hours',
            (SELECT string_agg(((i + b * 7) % 240 + b * 240) || ':' || (1 + (i + b) % 19), ' ') FROM generate_series(0, 3) b)
              || (SELECT string_agg(' ' || (1440 + b * 60) || ':' || (1 + (i + b) % 9), '') FROM generate_series(0, 35) b),
            (SELECT string_agg(b * 4 || ':' || (1 + (i + b) % 6), ' ') FROM generate_series(0, 39) b),
            (SELECT string_agg(b * 4 || ':' || (1 + (i + b) % 60), ' ') FROM generate_series(0, 39) b)
       FROM generate_series(1, $1::integer) i`,
  [connectors],
);
await pool.query('VACUUM (ANALYZE) usage_forecast');
const forecastMs: number[] = [];
let forecasts = 0;
for (let round = 0; round <= rounds; round++) {
  const startedMs = performance.now();
  const found = await connectorForecasts(pool, { limit: connectors, nowMs: Date.now(), withinMs: 900_000 });
  if (round > 0) forecastMs.push(performance.now() - startedMs);
  forecasts = found.filter(({ basis }) => basis === 'history').length;
}

await store.close();
await pool.end();
answer({ withHabits, without, forecastMs, forecasts } satisfies ForecastAnswer);
