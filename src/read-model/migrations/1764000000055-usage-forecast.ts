/**
 * When connectors and the exchanges' clocks are used (projections/usage-forecast.ts). All hits ever recorded belong in these
 * tables, so they are made from the first event on: by the worker when it starts, or by functions where the log is short.
 *
 * A row is written with nearly every page of events and has no index on what changes, so that a loose fill keeps its
 * updates on its page. Cache keys are compared by bytes, as in `connector_state_cache`: a page of a list is a range.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const HABIT = `
    since timestamptz NOT NULL,
    uses bigint NOT NULL,
    hour timestamptz NOT NULL,
    hour_uses bigint NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    before_at timestamptz,
    idle text NOT NULL,
    week_hours text NOT NULL,
    week_uses text NOT NULL`;

const TABLES = `
  CREATE TABLE usage_forecast (
    cache_key text COLLATE "C" NOT NULL,
    exchange text NOT NULL,
    environment text NOT NULL,
    scope text NOT NULL,${HABIT},
    CONSTRAINT usage_forecast_pkey PRIMARY KEY (cache_key, exchange, environment, scope)
  ) WITH (fillfactor = 50);
  CREATE TABLE clock_usage_forecast (
    exchange text NOT NULL,
    environment text NOT NULL,
    scope text NOT NULL,${HABIT},
    CONSTRAINT clock_usage_forecast_pkey PRIMARY KEY (exchange, environment, scope)
  ) WITH (fillfactor = 50);
`;

export class UsageForecast1764000000055 implements MigrationInterface {
  readonly name = 'UsageForecast1764000000055';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(TABLES);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only: restore a backup to go back');
  }
}
