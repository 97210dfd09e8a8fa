/**
 * Letting go of hits that are recorded as forgotten (src/projector/forgotten/), and of nothing else: the function goes by
 * the last forgetting in the log of which all parts are there.
 *
 * The partition of hits is not written to: nothing in it is deleted, no row is left for VACUUM, and the triggers that
 * refuse to change or remove an event stay as they are. What is to stay is copied into a new partition, which takes the
 * place of the old one; dropping that gives its room back at once. Hits never change, so most of them are copied while
 * appends go on; under the log's lock follow those that came meanwhile, and the exchange of the two tables. A CHECK
 * tells the server that the copy holds hits only, so that attaching it reads nothing.
 *
 * Why not a partition a month: `connector_event` promises that (stream, version) and (stream, event_id) are unique,
 * which PostgreSQL can promise of partitions only where the keys name the month; and each append would look for its
 * duplicates in every month there is. So whoever forgets pays, once for what he keeps, and nobody else.
 *
 * Runs with its owner's rights, for who drops a table must own it. A worker may call it, a function may not.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const SIGNATURE = 'connector_event_forget_hits(integer)';

const FORGET = `
CREATE FUNCTION connector_event_forget_hits(lock_wait_ms integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
AS $function$
#variable_conflict use_column
DECLARE
  told record;
  before_time timestamptz;
  until_position bigint;
  copied_to bigint;
  gone bigint;
BEGIN
  -- What is appended while the bulk is copied must be seen by the statement behind the lock.
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'connector_event_forget_hits needs the isolation level "read committed", not "%"',
      current_setting('transaction_isolation')
      USING ERRCODE = 'invalid_transaction_state',
            HINT = 'Set default_transaction_isolation of this role or database to "read committed".';
  END IF;
  PERFORM set_config('lock_timeout', lock_wait_ms::text, true);
  PERFORM set_config('statement_timeout', '0', true);
  -- One at a time. Not the log's lock: appends go on.
  PERFORM pg_advisory_xact_lock(1668507761, 'connector_event'::regclass::oid::integer);

  SELECT l.data ->> 'before' AS before, l.data ->> 'until' AS until INTO told
  FROM connector_event l
  WHERE l.stream = 'connector_state_forgotten-hits' AND NOT l.forgettable AND l.type = 'HitsForgotten'
    AND l.data ->> 'part' = l.data ->> 'parts'
    AND (l.data ->> 'parts')::bigint = (
      SELECT count(*) FROM connector_event p
      WHERE p.stream = l.stream AND NOT p.forgettable
        AND p.version > l.version - (l.data ->> 'parts')::bigint AND p.version <= l.version
        AND p.data ->> 'forgetting' = l.data ->> 'forgetting'
        AND (p.data ->> 'part')::bigint = (p.version - l.version + (l.data ->> 'parts')::bigint))
  ORDER BY l.version DESC LIMIT 1;
  IF NOT FOUND THEN
    RETURN 0;
  END IF;
  before_time := to_timestamp(told.before::bigint / 1000.0);
  SELECT e.position INTO until_position FROM connector_event e
  WHERE e.stream = substr(told.until, strpos(told.until, '@') + 1) AND NOT e.forgettable
    AND e.version = split_part(told.until, '@', 1)::bigint;
  IF until_position IS NULL THEN
    RETURN 0;
  END IF;
  EXECUTE 'SELECT count(*) FROM connector_event_hits WHERE position < $1 AND recorded_at < $2'
    INTO gone USING until_position, before_time;
  IF gone = 0 THEN
    RETURN 0;
  END IF;

  CREATE TABLE connector_event_hits_next (LIKE connector_event_hits INCLUDING ALL);
  IF NOT EXISTS (
    SELECT FROM pg_constraint c
    WHERE c.conrelid = 'connector_event_hits_next'::regclass AND c.conname = 'connector_event_hits_only') THEN
    ALTER TABLE connector_event_hits_next ADD CONSTRAINT connector_event_hits_only CHECK (forgettable);
  END IF;
  EXECUTE 'SELECT coalesce(max(position), 0) FROM connector_event_hits' INTO copied_to;
  EXECUTE 'INSERT INTO connector_event_hits_next SELECT * FROM connector_event_hits
    WHERE position <= $1 AND NOT (position < $2 AND recorded_at < $3)'
    USING copied_to, until_position, before_time;
  EXECUTE 'ANALYZE connector_event_hits_next';

  PERFORM pg_advisory_xact_lock(1668507760, 'connector_event'::regclass::oid::integer);
  EXECUTE 'INSERT INTO connector_event_hits_next SELECT * FROM connector_event_hits WHERE position > $1'
    USING copied_to;
  ALTER TABLE connector_event DETACH PARTITION connector_event_hits;
  DROP TABLE connector_event_hits;
  ALTER TABLE connector_event_hits_next RENAME TO connector_event_hits;
  ALTER TABLE connector_event ATTACH PARTITION connector_event_hits FOR VALUES IN (true);
  CREATE TRIGGER connector_event_hits_is_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON connector_event_hits
    FOR EACH STATEMENT EXECUTE FUNCTION connector_event_is_immutable();
  ALTER TABLE connector_event_hits ENABLE ALWAYS TRIGGER connector_event_hits_is_immutable;
  RETURN gone;
END
$function$;

REVOKE ALL ON FUNCTION ${SIGNATURE} FROM PUBLIC;

DO $pin$
BEGIN
  EXECUTE format('ALTER FUNCTION ${SIGNATURE} SET search_path = %I, pg_temp', current_schema());
END
$pin$;
`;

export class ForgetHits1764000000021 implements MigrationInterface {
  readonly name = 'ForgetHits1764000000021';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(FORGET);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only: restore a backup to go back');
  }
}
