/**
 * Appending that expects no version, for one caller or many at once: the quick way of `connector_event_append`.
 *
 * It looks for nothing beforehand. The version of each stream comes out of the statement that moves it on, and that an
 * event is there already shows in the unique key; then what was done is undone, and the function of the first migration
 * does it again, which looks for each event. That is a retry after a lost answer, and rare. Columns come as arrays, the
 * data as one text: JSON escapes control characters, so U+001E can stand between two, and nothing has to be quoted twice.
 * (The function alone, with 500 events at load 6: 0.98 of a bare INSERT of the same rows, where the first one reaches
 * 0.67. The store around it: docs/benchmarks.md.)
 *
 * One row, since rows that were returned before a failure would stay in the result: the versions in the order given, the
 * position of the last, and which are new, null for all.
 *
 * Whoever may call the first function may call this one: a database that was granted from needs no new grant.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const SIGNATURE =
  'connector_event_append_together(uuid[], text[], text[], integer[], text, bigint[], text[], text[], text[], integer)';

const APPEND_TOGETHER = `
CREATE FUNCTION connector_event_append_together(
  ids uuid[], streams text[], types text[], schema_versions integer[], datas text, occurred bigint[], hosts text[],
  correlations text[], causations text[], lock_wait_ms integer,
  OUT versions bigint[], OUT last_position bigint, OUT are_new boolean[])
LANGUAGE plpgsql SECURITY DEFINER
SET enable_seqscan = off
AS $function$
#variable_conflict use_column
BEGIN
  -- A snapshot taken before the lock would not see what was stored while we waited for it.
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'connector_event_append_together needs the isolation level "read committed", not "%"',
      current_setting('transaction_isolation')
      USING ERRCODE = 'invalid_transaction_state',
            HINT = 'Set default_transaction_isolation of this role or database to "read committed".';
  END IF;

  PERFORM set_config('lock_timeout', lock_wait_ms::text, true);
  -- The lock of connector_event_append.
  PERFORM pg_advisory_xact_lock(1668507760, 'connector_event'::regclass::oid::integer);

  BEGIN
    WITH given AS MATERIALIZED (
      SELECT i.*, row_number() OVER (PARTITION BY i.stream ORDER BY i.n DESC) AS from_end
      FROM unnest(ids, streams, types, schema_versions, string_to_array(datas, chr(30)), occurred, hosts,
                  correlations, causations) WITH ORDINALITY
           AS i(id, stream, type, schema_version, data, occurred_at, host, correlation_id, causation_id, n)
    ),
    moved AS (
      INSERT INTO connector_stream AS s (stream, version)
      SELECT g.stream, count(*) FROM given g GROUP BY g.stream
      ON CONFLICT (stream) DO UPDATE SET version = s.version + excluded.version
      RETURNING s.stream, s.version
    ),
    placed AS (
      SELECT g.*, m.version - g.from_end + 1 AS version
      FROM given g JOIN moved m ON m.stream = g.stream COLLATE "C" ORDER BY g.n
    ),
    stored AS (
      INSERT INTO connector_event (position, stream, version, event_id, type, schema_version, data, occurred_at,
                                   host, correlation_id, causation_id, forgettable)
      SELECT nextval('connector_event_position'), p.stream, p.version, p.id, p.type, p.schema_version, p.data::jsonb,
             to_timestamp(p.occurred_at / 1000.0), p.host, p.correlation_id, p.causation_id,
             starts_with(p.stream, 'connector_state_hits-')
      FROM placed p
      RETURNING position, version
    )
    SELECT array_agg(s.version ORDER BY s.position), max(s.position) INTO versions, last_position FROM stored s;
    PERFORM pg_notify('connector_event', '');
  EXCEPTION WHEN unique_violation THEN
    SELECT array_agg(a.version ORDER BY a.n), max(a.position), array_agg(a.is_new ORDER BY a.n)
    INTO versions, last_position, are_new
    FROM connector_event_append(
      (SELECT jsonb_agg(jsonb_build_object(
          'id', i.id, 'stream', i.stream, 'type', i.type, 'schema_version', i.schema_version, 'data', i.data::jsonb,
          'occurred_at', i.occurred_at, 'host', i.host, 'correlation_id', i.correlation_id,
          'causation_id', i.causation_id) ORDER BY i.n)
        FROM unnest(ids, streams, types, schema_versions, string_to_array(datas, chr(30)), occurred, hosts,
                    correlations, causations) WITH ORDINALITY
             AS i(id, stream, type, schema_version, data, occurred_at, host, correlation_id, causation_id, n)),
      NULL, lock_wait_ms) WITH ORDINALITY AS a(event_id, stream, version, position, is_new, n);
  END;
END
$function$;

REVOKE ALL ON FUNCTION ${SIGNATURE} FROM PUBLIC;

DO $pin$
DECLARE
  grantee text;
BEGIN
  EXECUTE format('ALTER FUNCTION ${SIGNATURE} SET search_path = %I, pg_temp', current_schema());
  FOR grantee IN
    SELECT a.grantee::regrole::text
    FROM pg_proc p CROSS JOIN aclexplode(p.proacl) a
    WHERE p.oid = 'connector_event_append(jsonb, jsonb, integer)'::regprocedure
      AND a.grantee <> 0 AND a.grantee <> p.proowner AND a.privilege_type = 'EXECUTE'
  LOOP
    EXECUTE 'GRANT EXECUTE ON FUNCTION ${SIGNATURE} TO ' || grantee;
  END LOOP;
END
$pin$;
`;

export class AppendTogether1764000000017 implements MigrationInterface {
  readonly name = 'AppendTogether1764000000017';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(APPEND_TOGETHER);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only: restore a backup to go back');
  }
}
