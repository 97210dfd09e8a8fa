/**
 * Whose clock judges (src/exchanges/clock-scope.ts) becomes part of what is kept about it.
 *
 * Everything from before is about the default scope, as a fold of the old events says too, so nothing need be rebuilt.
 * A column with a constant default rewrites no table, however large. The keys of the two small tables are made anew:
 * `exchange_clock` has a row for each clock, `drift_hourly` one an hour, clock and machine.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const COLUMNS = `
  ALTER TABLE connector_state_cache ADD COLUMN scope text NOT NULL DEFAULT 'default';
  ALTER TABLE drift_sample ADD COLUMN scope text NOT NULL DEFAULT 'default';

  ALTER TABLE exchange_clock
    ADD COLUMN scope text NOT NULL DEFAULT 'default',
    DROP CONSTRAINT exchange_clock_pkey,
    ADD CONSTRAINT exchange_clock_pkey PRIMARY KEY (exchange, environment, scope, reference_clock);

  ALTER TABLE drift_hourly
    ADD COLUMN scope text NOT NULL DEFAULT 'default',
    DROP CONSTRAINT drift_hourly_pkey,
    ADD CONSTRAINT drift_hourly_pkey
      PRIMARY KEY (hour, exchange, environment, scope, reference_clock, machine);
`;

export class ClockScope1764000000008 implements MigrationInterface {
  readonly name = 'ClockScope1764000000008';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(COLUMNS);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only: restore a backup to go back');
  }
}
