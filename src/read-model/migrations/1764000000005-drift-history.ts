/**
 * The history of drift by the hour, and where a sample's stamp came from.
 *
 * `drift_hourly` is small (a row an hour, clock and machine) and is read by ranges of hours, which is what its key
 * begins with: new rows go to the end of the index, and no second index is needed. Rows of the current hour are
 * updated with every page of events and carry no index on what changes, so a loose fill keeps these updates on
 * their pages.
 *
 * `source` has a default, so that adding it rewrites no partition, however large; the rows of before are given theirs by
 * the rebuild that the new version of the projection asks for.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const TABLES = `
  ALTER TABLE drift_sample ADD COLUMN source text NOT NULL DEFAULT '';

  CREATE TABLE drift_hourly (
    hour timestamptz NOT NULL,
    exchange text NOT NULL,
    environment text NOT NULL,
    reference_clock text NOT NULL,
    machine text NOT NULL,
    sync_id uuid NOT NULL,
    samples integer NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    min_offset_ms double precision NOT NULL,
    max_offset_ms double precision NOT NULL,
    mean_offset_ms double precision NOT NULL,
    tightest_uncertainty_ms double precision NOT NULL,
    first_offset_ms double precision NOT NULL,
    first_uncertainty_ms double precision NOT NULL,
    first_known_at timestamptz NOT NULL,
    offset_ms double precision NOT NULL,
    uncertainty_ms double precision NOT NULL,
    known_at timestamptz NOT NULL,
    steps integer NOT NULL,
    step_after timestamptz,
    stepped_at timestamptz,
    step_ms double precision,
    weight double precision NOT NULL,
    weight_squares double precision NOT NULL,
    centre_ms double precision NOT NULL,
    centre_offset_ms double precision NOT NULL,
    time_squares double precision NOT NULL,
    time_offsets double precision NOT NULL,
    offset_squares double precision NOT NULL,
    round_trip_min_ms double precision NOT NULL,
    round_trips_to5 integer NOT NULL,
    round_trips_to10 integer NOT NULL,
    round_trips_to25 integer NOT NULL,
    round_trips_to50 integer NOT NULL,
    round_trips_to100 integer NOT NULL,
    round_trips_to250 integer NOT NULL,
    round_trips_to500 integer NOT NULL,
    round_trips_to1000 integer NOT NULL,
    round_trips_over integer NOT NULL,
    position text NOT NULL,
    CONSTRAINT drift_hourly_pkey PRIMARY KEY (hour, exchange, environment, reference_clock, machine)
  ) WITH (fillfactor = 70);
`;

export class DriftHistory1764000000005 implements MigrationInterface {
  readonly name = 'DriftHistory1764000000005';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(TABLES);
  }

  async down(): Promise<void> {
    throw new Error(
      'migrations only go forward: restore a backup, or rebuild the read model from the events',
    );
  }
}
