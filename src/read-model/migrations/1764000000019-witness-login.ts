/**
 * Who appended: the database login, as the server knows it, beside what the event says of its host.
 *
 * A witness of an exchange's clock is known by both (src/clock/witness.ts). The payload's host is what the recording
 * process claims; `session_user` is nobody's claim: it is the login even inside the append functions, which run as
 * their owner, and no SET ROLE changes it. Both append functions leave the column out, so its default is all there is
 * to it, and whoever may only call them cannot say anything else.
 *
 * Events of before have null, and the first step rewrites no row: a default that is given along with the column would be
 * worked out once, now, and make the migrating login the author of all history.
 *
 * An import believes what it is told, as it does about `recorded_at`: the login is the one that appended in the other
 * store, and null where that store knew none. Only the owner may import.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const COLUMN = `
  ALTER TABLE connector_event ADD COLUMN login text;
  ALTER TABLE connector_event ALTER COLUMN login SET DEFAULT session_user;
`;

/** As 1764000000003 made it, but for the login. */
const IMPORT = `
CREATE OR REPLACE FUNCTION connector_event_import(events jsonb, lock_wait_ms integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET enable_seqscan = off
AS $function$
#variable_conflict use_column
DECLARE
  last_kept bigint;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'connector_event_import needs the isolation level "read committed", not "%"',
      current_setting('transaction_isolation')
      USING ERRCODE = 'invalid_transaction_state',
            HINT = 'Set default_transaction_isolation of this role or database to "read committed".';
  END IF;

  PERFORM set_config('lock_timeout', lock_wait_ms::text, true);
  PERFORM pg_advisory_xact_lock(1668507760, 'connector_event'::regclass::oid::integer);

  WITH given AS MATERIALIZED (
    SELECT i.*, row_number() OVER (PARTITION BY i.stream, i.id ORDER BY i.n) AS copy
    FROM ROWS FROM (jsonb_to_recordset(events) AS (
           id uuid, stream text COLLATE "C", type text, schema_version integer, data jsonb, occurred_at bigint,
           recorded_at bigint, host text, correlation_id text, causation_id text, position bigint, login text))
         WITH ORDINALITY
         AS i(id, stream, type, schema_version, data, occurred_at, recorded_at, host, correlation_id,
              causation_id, position, login, n)
    WHERE NOT EXISTS (SELECT FROM connector_event p WHERE p.stream = i.stream AND p.event_id = i.id)
  ),
  numbered AS (
    SELECT g.*, coalesce(s.version, 0) + row_number() OVER (PARTITION BY g.stream ORDER BY g.n) AS version
    FROM given g
    LEFT JOIN LATERAL (SELECT c.version FROM connector_stream c WHERE c.stream = g.stream LIMIT 1) s ON true
    WHERE g.copy = 1
  ),
  placed AS MATERIALIZED (
    SELECT o.*, coalesce(o.position, nextval('connector_event_position')) AS place
    FROM (SELECT * FROM numbered ORDER BY n) o
  ),
  -- Readers that have gone past a position never look below it again.
  checked AS MATERIALIZED (
    SELECT p.*, connector_event_import_in_order(
             p.place, coalesce(lag(p.place) OVER (ORDER BY p.n), (SELECT max(e.position) FROM connector_event e)))
    FROM placed p
  ),
  stored AS (
    INSERT INTO connector_event (position, stream, version, event_id, type, schema_version, data, occurred_at,
                                 recorded_at, host, correlation_id, causation_id, forgettable, login)
    SELECT p.place, p.stream, p.version, p.id, p.type, p.schema_version, p.data,
           to_timestamp(p.occurred_at / 1000.0), to_timestamp(p.recorded_at / 1000.0), p.host, p.correlation_id,
           p.causation_id, starts_with(p.stream, 'connector_state_hits-'), p.login
    FROM checked p
  ),
  moved AS (
    INSERT INTO connector_stream AS s (stream, version)
    SELECT p.stream, max(p.version) FROM placed p GROUP BY p.stream
    ON CONFLICT (stream) DO UPDATE SET version = excluded.version
  )
  SELECT max(p.position) INTO last_kept FROM placed p;

  IF last_kept IS NOT NULL THEN
    PERFORM setval('connector_event_position',
                   greatest(last_kept, (SELECT s.last_value FROM connector_event_position s)));
  END IF;
  PERFORM pg_notify('connector_event', '');
END
$function$;

-- Replacing a function takes its settings away.
DO $pin$
BEGIN
  EXECUTE format('ALTER FUNCTION connector_event_import(jsonb, integer) SET search_path = %I, pg_temp',
    current_schema());
END
$pin$;
`;

export class WitnessLogin1764000000019 implements MigrationInterface {
  readonly name = 'WitnessLogin1764000000019';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(COLUMN);
    await queryRunner.query(IMPORT);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only: restore a backup to go back');
  }
}
