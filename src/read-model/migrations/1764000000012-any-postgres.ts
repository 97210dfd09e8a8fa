/**
 * What any PostgreSQL that a team has allows us to rely on: the identity of the server whose clock answers, and an outbox
 * that does not go by a snapshot older than its lock.
 *
 * The identity. Two servers must never be called the same, for an offset kept against the clock of one would be applied
 * by that of the other. One server may come to be called differently: that costs a new measurement.
 *
 *   a primary      pg:<system identifier>:<timeline>
 *                  The first is the same on every physical copy of a cluster, also on a clone's; a copy that is promoted
 *                  starts a timeline. The timeline is that of the WAL being written: the control file's is of the last
 *                  checkpoint, which after a fast promotion is still to come and names the server that failed.
 *   a standby      … and :standby-<its address>
 *                  Its timeline is its primary's, and several have the same.
 *   refused        pg:<system identifier, or "unknown">:since-<microseconds>[:standby-<its address>]
 *                  Managed services refuse the control functions (Amazon's Aurora), or the WAL's. Then the moment
 *                  at which the server process started stands for the server: anybody may read it, every server
 *                  has its own (a standby, a clone and a promoted copy are each started once), and after a restart
 *                  the same machine counts as a new clock and is measured once more.
 *
 * What cannot be told apart even so: two servers thawed from one snapshot of a running machine, memory included. And a
 * clone made by copying the files of a stopped primary, when both run as primaries: PostgreSQL itself has nothing
 * that differs, until one of them is promoted or, as every tool for clones does, recovers to a timeline of its own.
 *
 * The function runs with its owner's rights, so that every role is told the same name of the same server.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const IDENTITY = `
CREATE FUNCTION connector_state_clock_id() RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
AS $function$
DECLARE
  cluster text;
  line text;
  standby boolean := pg_is_in_recovery();
BEGIN
  BEGIN
    SELECT s.system_identifier INTO STRICT cluster FROM pg_control_system() s;
  EXCEPTION WHEN OTHERS THEN
    cluster := NULL;
  END;
  BEGIN
    IF standby THEN
      SELECT c.timeline_id INTO STRICT line FROM pg_control_checkpoint() c;
    ELSE
      line := ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer;
    END IF;
  EXCEPTION WHEN OTHERS THEN
    line := NULL;
  END;
  IF cluster IS NULL OR line IS NULL THEN
    line := 'since-' || (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint;
  END IF;
  RETURN 'pg:' || coalesce(cluster, 'unknown') || ':' || line
      || CASE WHEN standby THEN ':standby-' || coalesce(host(inet_server_addr()), 'local') ELSE '' END;
END
$function$;

GRANT EXECUTE ON FUNCTION connector_state_clock_id() TO PUBLIC;
`;

/** As 1764000000003 made it, but for the check. */
const ADD = `
CREATE OR REPLACE FUNCTION connector_outbox_add(events jsonb, only_behind boolean, lock_wait_ms integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
AS $function$
BEGIN
  -- A snapshot taken before the lock would not see what was stored, or taken away, while we waited for it.
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'connector_outbox_add needs the isolation level "read committed", not "%"',
      current_setting('transaction_isolation')
      USING ERRCODE = 'invalid_transaction_state',
            HINT = 'Set default_transaction_isolation of this role or database to "read committed".';
  END IF;

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
`;

/** What runs with its owner's rights must find the owner's tables. Replacing a function takes its settings away. */
const PIN = ['connector_outbox_add(jsonb, boolean, integer)', 'connector_state_clock_id()']
  .map(
    name => `
DO $pin$
BEGIN
  EXECUTE format('ALTER FUNCTION ${name} SET search_path = %I, pg_temp', current_schema());
END
$pin$;`,
  )
  .join('\n');

export class AnyPostgres1764000000012 implements MigrationInterface {
  // Named, because a bundler that shortens class names would otherwise make it another migration.
  readonly name = 'AnyPostgres1764000000012';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(IDENTITY);
    await runner.query(ADD);
    await runner.query(PIN);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only: restore a backup to go back');
  }
}
