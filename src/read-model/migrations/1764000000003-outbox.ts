/**
 * The outbox, where events wait for an event store that cannot be reached, and the function that takes over the
 * events of another store.
 *
 * Outbox: ids are handed out under an advisory lock that is held until the commit, so that the order of ids is the
 * order of commits and a relay that has seen an id has seen all below it. Rows are unique by stream and event
 * id, as in the log: the retry of an append whose answer was lost adds nothing. `dead_at` marks what the event
 * store called invalid. Dead rows stay for people to look at and count as waiting for nobody, hence the
 * partial index, which answers "does anything wait?" for every append.
 *
 * Import: like connector_event_append (1764000000001-event-store.ts), but it believes what it is told about
 * `recorded_at` and `position`, so nobody is granted it and only the owner of the tables may call it.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const OUTBOX = `
CREATE TABLE connector_outbox (
  id bigserial CONSTRAINT connector_outbox_pkey PRIMARY KEY,
  event_id uuid NOT NULL,
  stream text COLLATE "C" NOT NULL,
  envelope jsonb NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT date_trunc('milliseconds', clock_timestamp()),
  attempts integer NOT NULL DEFAULT 0,
  last_error text,
  dead_at timestamptz,
  CONSTRAINT connector_outbox_stream_event_id_key UNIQUE (stream, event_id)
);
CREATE INDEX connector_outbox_waiting_idx ON connector_outbox (id) WHERE dead_at IS NULL;
`;

/**
 * `events`: an array of envelopes, stored whole. With `only_behind` they are stored only if something waits already.
 * Returns whether they were (or are) there.
 */
const ADD = `
CREATE FUNCTION connector_outbox_add(events jsonb, only_behind boolean, lock_wait_ms integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
AS $function$
BEGIN
  PERFORM set_config('lock_timeout', lock_wait_ms::text, true);
  PERFORM pg_advisory_xact_lock(1668507760, 'connector_outbox'::regclass::oid::integer);
  IF only_behind AND NOT EXISTS (SELECT FROM connector_outbox WHERE dead_at IS NULL) THEN
    RETURN false;
  END IF;
  INSERT INTO connector_outbox (event_id, stream, envelope)
  SELECT (i.envelope ->> 'id')::uuid, i.envelope ->> 'stream', i.envelope
  FROM jsonb_array_elements(events) WITH ORDINALITY AS i(envelope, n)
  ORDER BY i.n
  ON CONFLICT (stream, event_id) DO NOTHING;
  RETURN true;
END
$function$;

REVOKE ALL ON FUNCTION connector_outbox_add(jsonb, boolean, integer) FROM PUBLIC;
`;

const IMPORT = `
CREATE FUNCTION connector_event_import(events jsonb, lock_wait_ms integer) RETURNS void
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
           recorded_at bigint, host text, correlation_id text, causation_id text, position bigint)) WITH ORDINALITY
         AS i(id, stream, type, schema_version, data, occurred_at, recorded_at, host, correlation_id,
              causation_id, position, n)
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
                                 recorded_at, host, correlation_id, causation_id, forgettable)
    SELECT p.place, p.stream, p.version, p.id, p.type, p.schema_version, p.data,
           to_timestamp(p.occurred_at / 1000.0), to_timestamp(p.recorded_at / 1000.0), p.host, p.correlation_id,
           p.causation_id, starts_with(p.stream, 'connector_state_hits-')
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

CREATE FUNCTION connector_event_import_in_order(place bigint, before bigint) RETURNS void
LANGUAGE plpgsql
AS $function$
BEGIN
  IF place <= before THEN
    RAISE EXCEPTION 'position % is not behind position %, which the log has already', place, before
      USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'Import into an empty event store, or continue the import that filled this one.';
  END IF;
END
$function$;

REVOKE ALL ON FUNCTION connector_event_import(jsonb, integer) FROM PUBLIC;
`;

/** What runs with its owner's rights must find the owner's tables, whatever the caller put in its search path. */
const PIN = ['connector_outbox_add(jsonb, boolean, integer)', 'connector_event_import(jsonb, integer)']
  .map(
    name => `
DO $pin$
BEGIN
  EXECUTE format('ALTER FUNCTION ${name} SET search_path = %I, pg_temp', current_schema());
END
$pin$;`,
  )
  .join('\n');

export class Outbox1764000000003 implements MigrationInterface {
  // Named, because a bundler that shortens class names would otherwise make it another migration.
  readonly name = 'Outbox1764000000003';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(OUTBOX);
    await runner.query(ADD);
    await runner.query(IMPORT);
    await runner.query(PIN);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only: restore a backup to go back');
  }
}
