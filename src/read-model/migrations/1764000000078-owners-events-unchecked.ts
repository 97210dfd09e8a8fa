/**
 * The owner's events are not taken apart to be checked, for he is no tenant.
 *
 * Whoever may do as the owner does may also use `connector_tenant_mark` (migration 74), by which the functions that append
 * tell tenants from others; so each of his events was read as JSON and put together again for connector_tenant_check(),
 * which then asked whose they are and looked at none. That was a quarter of the server's time for a hundred events, and
 * an eighth for one, of every service that connects as the owner of the tables. Now the functions ask that first, as
 * connector_tenant_user() does: they run as the owner, so current_user is he.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const HAS_MARK = "IF has_type_privilege(session_user, 'connector_tenant_mark'::regtype, 'USAGE')";
const IS_NOT_OWNER = "AND NOT pg_has_role(session_user, current_user, 'USAGE')";

const APPENDING = [
  'connector_event_append(jsonb, jsonb, integer)',
  'connector_event_append_together(uuid[], text[], text[], integer[], text, bigint[], text[], text[], text[], integer)',
  'connector_outbox_add(jsonb, boolean, integer)',
];

const changeIn = (signature: string) => `
DO $change$
DECLARE
  old_body text := pg_get_functiondef('${signature}'::regprocedure);
BEGIN
  IF strpos(old_body, $from$${HAS_MARK} THEN$from$) = 0 THEN
    RAISE EXCEPTION '${signature} is not as migrations made it';
  END IF;
  EXECUTE replace(old_body, $from$${HAS_MARK} THEN$from$, $to$${HAS_MARK} ${IS_NOT_OWNER} THEN$to$);
END
$change$;`;

export class OwnersEventsUnchecked1764000000078 implements MigrationInterface {
  readonly name = 'OwnersEventsUnchecked1764000000078';

  async up(queryRunner: QueryRunner): Promise<void> {
    for (const signature of APPENDING) await queryRunner.query(changeIn(signature));
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only: restore a backup to go back');
  }
}
