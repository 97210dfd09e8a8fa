/**
 * What the adaptive policy needs of the read tables: the rate at which an offset moves on, what contradicts an
 * exchange's clock, and what the next fold of that clock remembers.
 *
 * The defaults are what a row of an older release means: an offset that may drift by 50 ppm, a clock that nobody
 * contradicts and that remembers nothing. Adding a column with a constant default rewrites no table.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const COLUMNS = `
  ALTER TABLE connector_state_cache
    ADD COLUMN rate_ppm double precision NOT NULL DEFAULT 0,
    ADD COLUMN rate_bound_ppm double precision NOT NULL DEFAULT 50;

  ALTER TABLE exchange_clock
    ADD COLUMN rate_ppm double precision NOT NULL DEFAULT 0,
    ADD COLUMN rate_bound_ppm double precision NOT NULL DEFAULT 50,
    ADD COLUMN contested_since timestamptz,
    ADD COLUMN rival_host text,
    ADD COLUMN rival_sync_id uuid,
    ADD COLUMN rival_offset double precision,
    ADD COLUMN rival_uncertainty_ms double precision,
    ADD COLUMN rival_measured_at timestamptz,
    ADD COLUMN memory text NOT NULL DEFAULT '';
`;

export class ClockDrift1764000000004 implements MigrationInterface {
  // Named, because a bundler that shortens class names would otherwise make it another migration.
  readonly name = 'ClockDrift1764000000004';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(COLUMNS);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only: restore a backup to go back');
  }
}
