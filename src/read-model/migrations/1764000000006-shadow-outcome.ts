/**
 * The histogram of what the cache would have done in shadow mode (projections/shadow-outcome.ts).
 *
 * No event before this migration can concern it, so on a database that has been projecting its checkpoint starts
 * where another projection's stands: from the first event the projector would have to read the whole log once more
 * before it came to anything new.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const TABLE = `
  CREATE TABLE shadow_outcome (
    hour timestamptz NOT NULL,
    exchange text NOT NULL,
    environment text NOT NULL,
    contact text NOT NULL,
    tier text NOT NULL,
    miss_reason text NOT NULL,
    error_up_to_ms double precision NOT NULL,
    inits bigint NOT NULL,
    stale bigint NOT NULL,
    unmeasured bigint NOT NULL,
    refused bigint NOT NULL,
    possibly_refused bigint NOT NULL,
    beyond_bound bigint NOT NULL,
    max_error_ms double precision NOT NULL,
    max_measured_uncertainty_ms double precision NOT NULL,
    min_tolerance_ms double precision NOT NULL,
    CONSTRAINT shadow_outcome_pkey
      PRIMARY KEY (hour, exchange, environment, contact, tier, miss_reason, error_up_to_ms)
  ) WITH (fillfactor = 50);
`;

const CHECKPOINT = `
  INSERT INTO projection_checkpoint (projection, position, version, events, updated_at)
  SELECT 'shadow_outcome', position, 1, events, clock_timestamp()
    FROM projection_checkpoint WHERE projection = 'cache_usage'
  ON CONFLICT (projection) DO NOTHING;
`;

export class ShadowOutcome1764000000006 implements MigrationInterface {
  readonly name = 'ShadowOutcome1764000000006';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(TABLE);
    await queryRunner.query(CHECKPOINT);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only: restore a backup to go back');
  }
}
