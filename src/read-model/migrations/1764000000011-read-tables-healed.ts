/**
 * Migration 2 was edited in place, twice, before migrations were held to their digests. A database that was made before
 * has another key on `drift_sample`, so that every page with a sample failed with 42P10 for good; and a function that
 * may make a month's partition twice. This brings both to where everybody else's are, and changes nothing there.
 *
 * Of one measurement that several connectors rest on, the old key let in a row for each; one of them stays. Which one
 * makes no difference: the versions of the projections have gone up since, so these tables are rebuilt.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const KEY = `
  DO $heal$
  BEGIN
    IF (SELECT string_agg(a.attname, ',' ORDER BY array_position(c.conkey, a.attnum))
        FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
        WHERE c.conrelid = 'drift_sample'::regclass AND c.contype = 'p') = 'sampled_at,sync_id'
    THEN
      RETURN;
    END IF;
    DELETE FROM drift_sample a USING drift_sample b
      WHERE a.sampled_at = b.sampled_at AND a.sync_id = b.sync_id AND a.event_id > b.event_id;
    ALTER TABLE drift_sample
      DROP CONSTRAINT drift_sample_pkey,
      ADD CONSTRAINT drift_sample_pkey PRIMARY KEY (sampled_at, sync_id);
  END
  $heal$;
`;

/** As migration 2 has it; CREATE OR REPLACE keeps its owner and who may call it. */
const FUNCTION = `
  DO $heal$
  BEGIN
    EXECUTE format($definition$
      CREATE OR REPLACE FUNCTION connector_state_ensure_drift_partition(month timestamptz) RETURNS void
      LANGUAGE plpgsql SECURITY DEFINER
      SET search_path = %1$I, pg_temp
      SET timezone = 'UTC'
      AS $function$
      DECLARE
        first_day timestamptz := date_trunc('month', month);
        next_first_day timestamptz := date_trunc('month', month) + interval '1 month';
        partition_name text := 'drift_sample_' || to_char(date_trunc('month', month), 'YYYY_MM');
      BEGIN
        IF month < '2000-01-01' OR month >= '2101-01-01' THEN
          RAISE EXCEPTION 'no partition for %%: samples lie between 2000 and 2100', month
            USING ERRCODE = 'datetime_field_overflow';
        END IF;
        IF NOT has_table_privilege(session_user, 'drift_sample', 'INSERT') THEN
          RAISE EXCEPTION 'permission denied: %% may not insert into drift_sample', session_user
            USING ERRCODE = 'insufficient_privilege';
        END IF;
        IF to_regclass(partition_name) IS NOT NULL THEN
          RETURN;
        END IF;
        -- The lock that attaching takes anyway; waiting for it also refreshes what this session knows of the
        -- catalogue (waiting for an advisory lock would not, and the next line would repeat the old answer).
        LOCK TABLE ONLY drift_sample IN SHARE UPDATE EXCLUSIVE MODE;
        IF to_regclass(partition_name) IS NOT NULL THEN
          RETURN;
        END IF;
        EXECUTE format('CREATE TABLE %%I (LIKE drift_sample INCLUDING ALL)', partition_name);
        EXECUTE format('ALTER TABLE drift_sample ATTACH PARTITION %%I FOR VALUES FROM (%%L) TO (%%L)',
          partition_name, first_day, next_first_day);
      END
      $function$
    $definition$, current_schema());
  END
  $heal$;
`;

export class ReadTablesHealed1764000000011 implements MigrationInterface {
  readonly name = 'ReadTablesHealed1764000000011';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(KEY);
    await queryRunner.query(FUNCTION);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only: restore a backup to go back');
  }
}
