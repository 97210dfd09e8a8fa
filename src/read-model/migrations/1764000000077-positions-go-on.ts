/**
 * Positions go on behind what the log holds, whatever the sequence says.
 *
 * A restore of the tables alone leaves the sequence where it was, mostly at its start. Then events were given positions again
 * that others have: beside one of the other partition that was no conflict (the key of a partitioned table is a partition's),
 * so that they were acknowledged and lay before all checkpoints, where nobody reads on.
 *
 * Looked at in a session's first append, and again when the sequence was made anew or set back by ALTER, which gives it
 * another file: in each append it took 0.1 ms, a sixth of one event's.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const LOCK = "PERFORM pg_advisory_xact_lock(1668507760, 'connector_event'::regclass::oid::integer);";
const GO_ON = `
  IF current_setting('connector_state.positions_of', true)
    IS DISTINCT FROM pg_relation_filenode('connector_event_position'::regclass)::text
  THEN
    PERFORM setval('connector_event_position', l.last)
    FROM (SELECT max(e.position) AS last FROM connector_event e) l, connector_event_position s
    WHERE s.last_value < l.last OR (s.last_value = l.last AND NOT s.is_called);
    PERFORM set_config('connector_state.positions_of', pg_relation_filenode('connector_event_position')::text, false);
  END IF;`;

const goOnIn = (signature: string) => `
DO $change$
DECLARE
  old_body text := pg_get_functiondef('${signature}'::regprocedure);
BEGIN
  IF strpos(old_body, $from$${LOCK}$from$) = 0 THEN
    RAISE EXCEPTION '${signature} is not as migrations made it';
  END IF;
  EXECUTE replace(old_body, $from$${LOCK}$from$, $to$${LOCK}${GO_ON}$to$);
END
$change$;`;

export class PositionsGoOn1764000000077 implements MigrationInterface {
  readonly name = 'PositionsGoOn1764000000077';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(goOnIn('connector_event_append(jsonb, jsonb, integer)'));
    await queryRunner.query(
      goOnIn(
        'connector_event_append_together(uuid[], text[], text[], integer[], text, bigint[], text[], text[], text[], integer)',
      ),
    );
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only: restore a backup to go back');
  }
}
