/**
 * The read tables, their checkpoints and their dead letters.
 *
 * There are no CHECK constraints: only the projector writes here, and a reader must bear any row anyway
 * (promise 9), so a check would turn a bad row that heals into a write that fails.
 *
 * `drift_sample` grows for ever, hence a partition a month. Partitions are made when the first sample of a
 * month arrives, by a function that runs as the owner of the tables, so that the projector's role needs no
 * right to change the schema; who may insert samples may call it. A new partition is filled in as a table of
 * its own and then attached, because CREATE TABLE … PARTITION OF would lock readers out of the whole history.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const TABLES = `
  CREATE TABLE connector_state_cache (
    id uuid NOT NULL CONSTRAINT connector_state_cache_pkey PRIMARY KEY,
    cache_key text COLLATE "C" NOT NULL CONSTRAINT connector_state_cache_cache_key_key UNIQUE,
    user_id text NOT NULL,
    credential_id text NOT NULL,
    exchange text NOT NULL,
    environment text NOT NULL,
    time_offset double precision NOT NULL DEFAULT 0,
    uncertainty_ms double precision NOT NULL,
    round_trip_ms double precision NOT NULL,
    sample_count integer NOT NULL,
    reference_clock text NOT NULL,
    sync_id uuid NOT NULL,
    basis text NOT NULL,
    sync_trigger text NOT NULL,
    last_sync_time timestamptz NOT NULL,
    is_valid boolean NOT NULL DEFAULT true,
    invalid_reason text,
    condemned_sync_id uuid,
    condemned_measured_at timestamptz,
    condemned_reference_clock text,
    ttl_ms bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    hit_count bigint NOT NULL DEFAULT 0,
    last_hit_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    stream_version bigint NOT NULL,
    position text NOT NULL
  ) WITH (fillfactor = 90);
  CREATE INDEX connector_state_cache_user_id_idx ON connector_state_cache (user_id);
  CREATE INDEX connector_state_cache_expires_at_idx ON connector_state_cache (expires_at);

  CREATE TABLE exchange_clock (
    exchange text NOT NULL,
    environment text NOT NULL,
    reference_clock text NOT NULL,
    time_offset double precision NOT NULL,
    uncertainty_ms double precision NOT NULL,
    sync_id uuid NOT NULL,
    measured_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    is_valid boolean NOT NULL,
    epoch integer NOT NULL,
    epoch_started_at timestamptz NOT NULL,
    sample_count bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    position text NOT NULL,
    CONSTRAINT exchange_clock_pkey PRIMARY KEY (exchange, environment, reference_clock)
  ) WITH (fillfactor = 50);

  CREATE TABLE drift_sample (
    event_id uuid NOT NULL,
    sampled_at timestamptz NOT NULL,
    cache_key text NOT NULL,
    exchange text NOT NULL,
    environment text NOT NULL,
    reference_clock text NOT NULL,
    host text NOT NULL,
    sync_id uuid NOT NULL,
    sync_trigger text NOT NULL,
    offset_ms double precision NOT NULL,
    uncertainty_ms double precision NOT NULL,
    round_trip_ms double precision NOT NULL,
    sample_count integer NOT NULL,
    position text NOT NULL,
    CONSTRAINT drift_sample_pkey PRIMARY KEY (sampled_at, sync_id)
  ) PARTITION BY RANGE (sampled_at);

  CREATE TABLE cache_usage (
    hour timestamptz NOT NULL,
    exchange text NOT NULL,
    environment text NOT NULL,
    tier text NOT NULL,
    sync_trigger text NOT NULL,
    failure_class text NOT NULL,
    hits bigint NOT NULL,
    misses bigint NOT NULL,
    syncs bigint NOT NULL,
    sync_failures bigint NOT NULL,
    auth_failures bigint NOT NULL,
    invalidations bigint NOT NULL,
    CONSTRAINT cache_usage_pkey PRIMARY KEY (hour, exchange, environment, tier, sync_trigger, failure_class)
  ) WITH (fillfactor = 50);

  CREATE TABLE projection_checkpoint (
    projection text NOT NULL CONSTRAINT projection_checkpoint_pkey PRIMARY KEY,
    position text,
    version integer NOT NULL,
    events bigint NOT NULL,
    updated_at timestamptz NOT NULL
  ) WITH (fillfactor = 20);

  CREATE TABLE projection_dead_letter (
    projection text NOT NULL,
    event_id uuid NOT NULL,
    stream text NOT NULL,
    event_type text NOT NULL,
    position text NOT NULL,
    error text NOT NULL,
    failed_at timestamptz NOT NULL,
    attempts integer NOT NULL,
    CONSTRAINT projection_dead_letter_pkey PRIMARY KEY (projection, event_id)
  );
`;

/** The schema is pinned to the one that is migrated, so that nobody's search_path can lead the owner astray. */
const PARTITION_FUNCTION = `
  DO $migration$
  BEGIN
    EXECUTE format($definition$
      CREATE FUNCTION connector_state_ensure_drift_partition(month timestamptz) RETURNS void
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
  $migration$;
`;

export class ReadTables1764000000002 implements MigrationInterface {
  readonly name = 'ReadTables1764000000002';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(TABLES);
    await queryRunner.query(PARTITION_FUNCTION);
  }

  async down(): Promise<void> {
    throw new Error(
      'migrations only go forward: restore a backup, or rebuild the read model from the events',
    );
  }
}
