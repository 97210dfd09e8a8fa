/**
 * That an event is stored once is told by its id, and no longer by the name of its stream and its id (decision 70).
 *
 * The key began with the stream's name: 114 bytes an event, as much as the other key that does, written all over the
 * index. Ids are made in the order of time, so this one grows at its end: 41 bytes an event. One id may stand in two
 * streams, so of the stream's name its hash is part of the key. Two streams whose hashes are alike (one pair of four
 * thousand million) cannot both have an event of the same id: the second is refused, loudly.
 *
 * The functions that look for an event say the hash and the partition as well, and the stream's name by IS NOT DISTINCT
 * FROM, for which no index is used: plans are often made while the log is empty, when all indexes seem alike, and one
 * that went by the stream would read all of it for each event. Their text is changed where it stands, wherever a
 * migration made it; rights and settings stay.
 *
 * The table is locked first: what is built is then built once, whoever comes meanwhile. Lookups do not read it.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const INDEX = `
  LOCK TABLE connector_event IN ACCESS EXCLUSIVE MODE;
  CREATE UNIQUE INDEX connector_event_id_key ON connector_event (event_id, hashtext(stream), forgettable);
  ALTER TABLE connector_event DROP CONSTRAINT connector_event_stream_event_id_forgettable_key;
`;

const SEARCHES = `
  DO $searches$
  DECLARE
    name text;
    old_body text;
    new_body text;
  BEGIN
    FOREACH name IN ARRAY ARRAY['connector_event_append(jsonb, jsonb, integer)', 'connector_event_import(jsonb, integer)']
    LOOP
      old_body := pg_get_functiondef(name::regprocedure);
      new_body := replace(old_body, 'p.stream = i.stream AND p.event_id = i.id',
        'p.event_id = i.id AND hashtext(p.stream) = hashtext(i.stream) AND p.stream IS NOT DISTINCT FROM i.stream'
        || ' AND p.forgettable = starts_with(i.stream, ''connector_state_hits-'')');
      IF new_body = old_body THEN
        RAISE EXCEPTION '% does not look for events as migrations made it', name;
      END IF;
      EXECUTE new_body;
    END LOOP;
  END
  $searches$;
`;

export class IdIndex1764000000071 implements MigrationInterface {
  readonly name = 'IdIndex1764000000071';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(INDEX);
    await queryRunner.query(SEARCHES);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only: restore a backup to go back');
  }
}
