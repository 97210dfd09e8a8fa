/**
 * The event store: the log, the version of each stream, and the one function that appends.
 *
 * Everything hangs on the advisory lock that `connector_event_append` holds until its transaction ends. It makes
 * the order of positions the order of commits (PostgreSQL shows a transaction's rows before it releases its
 * locks), so a reader that has seen position n has seen everything below n; and it makes version checks and
 * the search for duplicates exact. Its key holds the table's oid, so that two installations in one database
 * do not wait for each other. The price is that appends queue; one statement an append keeps the queue moving.
 *
 * The log is split by whether its stream may be forgotten. Which streams those are is a fact of the schema
 * (a check constraint), so that one stream never lies in two partitions and the unique keys mean what they say.
 *
 * Nobody changes or removes an event, not even the owner: triggers refuse it, also on a partition addressed by
 * its own name and also for a session in replica mode. Statement triggers, because a row trigger says
 * nothing when no row matches, and TRUNCATE has no other.
 *
 * The function runs with its owner's rights and a pinned search path. An application's role needs no more than
 *   GRANT SELECT ON connector_event, connector_stream TO app;
 *   GRANT EXECUTE ON FUNCTION connector_event_append(jsonb, jsonb, integer) TO app;
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const TABLES = `
CREATE TABLE connector_event (
  position bigint NOT NULL,
  stream text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  event_id uuid NOT NULL,
  type text NOT NULL,
  schema_version integer NOT NULL,
  data jsonb NOT NULL,
  occurred_at timestamptz NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT date_trunc('milliseconds', clock_timestamp()),
  host text NOT NULL,
  correlation_id text,
  causation_id text,
  forgettable boolean NOT NULL CHECK (forgettable = starts_with(stream, 'connector_state_hits-')),
  PRIMARY KEY (position, forgettable),
  UNIQUE (stream, version, forgettable),
  UNIQUE (stream, event_id, forgettable)
) PARTITION BY LIST (forgettable);

CREATE TABLE connector_event_kept PARTITION OF connector_event FOR VALUES IN (false);
CREATE TABLE connector_event_hits PARTITION OF connector_event FOR VALUES IN (true);

CREATE SEQUENCE connector_event_position OWNED BY connector_event.position;

-- Updated with every append: room on the page keeps those updates out of the index.
CREATE TABLE connector_stream (
  stream text COLLATE "C" PRIMARY KEY,
  version bigint NOT NULL
) WITH (fillfactor = 80);
`;

/**
 * `events`: an array of { id, stream, type, schema_version, data, occurred_at (epoch ms), host, correlation_id,
 * causation_id }. `expected`: { stream: version }, 0 for a stream that must not exist, or null.
 *
 * `lock_wait_ms`: a client that gave up cannot tell its server process, which would go on queueing for the
 * lock; a hundred retries behind one stuck holder would use up all connections. So the wait ends here too.
 *
 * The planner settings: the plan is made once per connection, often while the tables are empty. What is
 * cheapest then (reading the whole table) would be kept when it has a million rows.
 */
const APPEND = `
CREATE FUNCTION connector_event_append(events jsonb, expected jsonb, lock_wait_ms integer)
RETURNS TABLE (event_id uuid, stream text, version bigint, "position" bigint, is_new boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET enable_seqscan = off
AS $function$
#variable_conflict use_column
DECLARE
  conflict jsonb;
BEGIN
  -- A snapshot taken before the lock would not see what was stored while we waited for it.
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'connector_event_append needs the isolation level "read committed", not "%"',
      current_setting('transaction_isolation')
      USING ERRCODE = 'invalid_transaction_state',
            HINT = 'Set default_transaction_isolation of this role or database to "read committed".';
  END IF;

  PERFORM set_config('lock_timeout', lock_wait_ms::text, true);
  PERFORM pg_advisory_xact_lock(1668507760, 'connector_event'::regclass::oid::integer);

  -- A stream all of whose events are there already is a retry: whatever it expected came true the first time.
  IF expected IS NOT NULL THEN
    SELECT jsonb_build_object('stream', e.key, 'actual', coalesce(s.version, 0)) INTO conflict
    FROM jsonb_each_text(expected) e
    LEFT JOIN connector_stream s ON s.stream = e.key
    WHERE coalesce(s.version, 0) <> e.value::bigint
      AND EXISTS (
        SELECT FROM jsonb_to_recordset(events) AS i(id uuid, stream text)
        WHERE i.stream = e.key AND NOT EXISTS (
          SELECT FROM connector_event p WHERE p.stream = i.stream AND p.event_id = i.id))
    ORDER BY e.key COLLATE "C"
    LIMIT 1;
    IF FOUND THEN
      RAISE EXCEPTION 'a stream is not at its expected version' USING ERRCODE = 'VC001', DETAIL = conflict;
    END IF;
  END IF;

  RETURN QUERY
  WITH given AS MATERIALIZED (
    SELECT i.*, old.version AS old_version, old.position AS old_position,
           row_number() OVER (PARTITION BY i.stream, i.id ORDER BY i.n) AS copy
    FROM ROWS FROM (jsonb_to_recordset(events) AS (
           id uuid, stream text COLLATE "C", type text, schema_version integer, data jsonb, occurred_at bigint,
           host text, correlation_id text, causation_id text)) WITH ORDINALITY
         AS i(id, stream, type, schema_version, data, occurred_at, host, correlation_id, causation_id, n)
    LEFT JOIN LATERAL (
      SELECT p.version, p.position FROM connector_event p
      WHERE p.stream = i.stream AND p.event_id = i.id LIMIT 1) old ON true
  ),
  numbered AS (
    SELECT g.*, coalesce(s.version, 0) + row_number() OVER (PARTITION BY g.stream ORDER BY g.n) AS version
    FROM given g
    LEFT JOIN LATERAL (SELECT c.version FROM connector_stream c WHERE c.stream = g.stream LIMIT 1) s ON true
    WHERE g.old_version IS NULL AND g.copy = 1
  ),
  placed AS MATERIALIZED (
    SELECT o.*, nextval('connector_event_position') AS position
    FROM (SELECT * FROM numbered ORDER BY n) o
  ),
  stored AS (
    INSERT INTO connector_event (position, stream, version, event_id, type, schema_version, data, occurred_at,
                                 host, correlation_id, causation_id, forgettable)
    SELECT p.position, p.stream, p.version, p.id, p.type, p.schema_version, p.data,
           to_timestamp(p.occurred_at / 1000.0), p.host, p.correlation_id, p.causation_id,
           starts_with(p.stream, 'connector_state_hits-')
    FROM placed p
  ),
  moved AS (
    INSERT INTO connector_stream AS s (stream, version)
    SELECT p.stream, max(p.version) FROM placed p GROUP BY p.stream
    ON CONFLICT (stream) DO UPDATE SET version = excluded.version
  ),
  -- A hint only, and once: a listener reads what there is, and polls anyway.
  told AS MATERIALIZED (
    SELECT pg_notify('connector_event', '') FROM (SELECT FROM placed LIMIT 1) any_new
  )
  SELECT g.id, g.stream, coalesce(g.old_version, p.version), coalesce(g.old_position, p.position),
         g.n IS NOT DISTINCT FROM p.n
  FROM given g
  LEFT JOIN placed p ON p.stream = g.stream AND p.id = g.id
  LEFT JOIN told ON true
  ORDER BY g.n;
END
$function$;

REVOKE ALL ON FUNCTION connector_event_append(jsonb, jsonb, integer) FROM PUBLIC;

DO $pin$
BEGIN
  EXECUTE format(
    'ALTER FUNCTION connector_event_append(jsonb, jsonb, integer) SET search_path = %I, pg_temp',
    current_schema());
END
$pin$;
`;

const IMMUTABLE = `
CREATE FUNCTION connector_event_is_immutable() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
  RAISE EXCEPTION '% on % is not allowed: events are facts, and are never changed or removed', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation',
          HINT = 'Append an event that corrects the earlier one; read tables are corrected by \`connector-state rebuild\`.';
END
$function$;

${['connector_event', 'connector_event_kept', 'connector_event_hits']
  .map(
    table => `
CREATE TRIGGER ${table}_is_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON ${table}
  FOR EACH STATEMENT EXECUTE FUNCTION connector_event_is_immutable();
ALTER TABLE ${table} ENABLE ALWAYS TRIGGER ${table}_is_immutable;`,
  )
  .join('\n')}
`;

export class EventStore1764000000001 implements MigrationInterface {
  // Named, because a bundler that shortens class names would otherwise make it another migration.
  readonly name = 'EventStore1764000000001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(TABLES);
    await runner.query(APPEND);
    await runner.query(IMMUTABLE);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only: restore a backup to go back');
  }
}
