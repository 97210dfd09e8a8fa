/**
 * A login that is bound to one user, and row-level security that holds it to that user's rows (decision 71).
 *
 *   connector_tenant         which login is whose. Nobody but the owner may read or write it
 *   connector_tenant_mark    a type of no use: who may use it is a tenant. Rights follow a role that is renamed, and are in
 *                            every dump, where a row of a table does not and may not be; so a login that has the mark
 *                            and no row is refused everything, and does not pass for one that sees all. A type, for
 *                            nobody grants those by the dozen, as in GRANT … ON ALL FUNCTIONS
 *   connector_tenant_user()  the user of the session's login; null: the login is no tenant's. It goes by session_user, as
 *                            the policies do, which no SET, SET ROLE or function that runs as its owner changes
 *   connector_tenant_guard() switches row-level security on where a tenant is bound, and off where none is: who binds
 *                            none has policies that are never looked at
 *
 * Who has the mark is a tenant, and only then is looked up whose. A policy asks by (SELECT …), so once a statement. All are called `connector_tenant`, by which the guard finds them, and
 * are for PUBLIC: whoever is no tenant passes, the owner is never asked. Three kinds of tables: those with rows of users
 * show a tenant his own; those that sum up all users show him none, also where somebody grants him the right by mistake;
 * the clocks of exchanges, the checkpoints and the links of replicas are nobody's in particular and have no policy.
 * Partitions have none: they are read through their parent, and no role has a right to one.
 *
 * The functions that append run as their owner, whom no policy holds. So they look at each event of a tenant by
 * themselves: its type, its stream and the user in its data must be his. What is appended to an edge's stream is about an
 * exchange, and anybody's to append. Their text is changed where it stands, as in migration 71; rights stay.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** In the order of who projects and who appends: a policy is made under the lock of its table, and these lock several. */
const IN_TURN = `
LOCK TABLE projection_checkpoint IN EXCLUSIVE MODE;
SELECT pg_advisory_xact_lock(1668507760, 'connector_event'::regclass::oid::integer),
       pg_advisory_xact_lock(1668507760, 'connector_outbox'::regclass::oid::integer);
`;

const TENANTS = `
CREATE TABLE connector_tenant (
  login text COLLATE "C" NOT NULL CONSTRAINT connector_tenant_pkey PRIMARY KEY,
  user_id text NOT NULL,
  bound_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE DOMAIN connector_tenant_mark AS text;
REVOKE ALL ON TYPE connector_tenant_mark FROM PUBLIC;

CREATE FUNCTION connector_tenant_user() RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER
AS $function$
DECLARE
  found text;
BEGIN
  IF NOT has_type_privilege(session_user, 'connector_tenant_mark'::regtype, 'USAGE')
    -- Who may do as the owner does has it by that.
    OR pg_has_role(session_user, current_user, 'USAGE') THEN
    RETURN NULL;
  END IF;
  SELECT t.user_id INTO found FROM connector_tenant t WHERE t.login = session_user::text;
  IF found IS NULL THEN
    RAISE EXCEPTION 'the login % has a tenant''s rights and is bound to no user', session_user
      USING ERRCODE = 'insufficient_privilege',
            HINT = 'As the owner of the tables: connector-state tenants bind, or unbind.';
  END IF;
  RETURN found;
END
$function$;

-- As in every cache key and stream of the user's: see src/events/connector.ts.
CREATE FUNCTION connector_tenant_key() RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
AS $function$
BEGIN
  RETURN replace(replace(connector_tenant_user(), '%', '%25'), '_', '%5F') || '_';
END
$function$;
`;

/** So the service looks at no table for it, and a tenant at one. */
const IS_TENANT = "has_type_privilege(session_user, 'connector_tenant_mark'::regtype, 'USAGE')";
const OWN_STREAM = `starts_with(stream, (SELECT 'connector_state-' || connector_tenant_key()))
  OR starts_with(stream, (SELECT 'connector_state_hits-' || connector_tenant_key()))`;
const OWN_KEY = 'starts_with(cache_key, (SELECT connector_tenant_key()))';

/** By table: which rows are a tenant's. */
const OWN_ROWS = {
  connector_state_cache: 'user_id = (SELECT connector_tenant_user())',
  connector_event: OWN_STREAM,
  connector_stream: OWN_STREAM,
  connector_outbox: OWN_STREAM,
  drift_sample: OWN_KEY,
  usage_forecast: OWN_KEY,
  projection_dead_letter: OWN_STREAM,
  drift_hourly: 'false',
  cache_usage: 'false',
  shadow_outcome: 'false',
  clock_usage_forecast: 'false',
  usage_model: 'false',
  connector_api_key: 'false',
} as const;

const POLICIES = Object.entries(OWN_ROWS)
  .map(
    ([table, own]) =>
      `CREATE POLICY connector_tenant ON ${table} USING ((SELECT NOT ${IS_TENANT}) OR ${own});`,
  )
  .join('\n');

const GUARD = `
CREATE FUNCTION connector_tenant_guard() RETURNS void
LANGUAGE plpgsql
AS $function$
DECLARE
  is_wanted boolean := EXISTS (SELECT FROM connector_tenant) OR EXISTS (
    SELECT FROM pg_type t CROSS JOIN aclexplode(t.typacl) a
    WHERE t.oid = 'connector_tenant_mark'::regtype AND a.grantee <> t.typowner);
  named text;
BEGIN
  FOR named IN
    SELECT c.oid::regclass::text FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
    WHERE p.polname = 'connector_tenant' AND c.relrowsecurity <> is_wanted
      AND c.relnamespace = (SELECT t.relnamespace FROM pg_class t WHERE t.oid = 'connector_tenant'::regclass)
    ORDER BY c.relname
  LOOP
    EXECUTE format('ALTER TABLE %s %s ROW LEVEL SECURITY', named, CASE WHEN is_wanted THEN 'ENABLE' ELSE 'DISABLE' END);
  END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION connector_tenant_guard() FROM PUBLIC;
`;

/** `events`: as connector_event_append and connector_outbox_add take them. */
const CHECK = `
CREATE FUNCTION connector_tenant_check(events jsonb) RETURNS void
LANGUAGE plpgsql
AS $function$
DECLARE
  whose text := connector_tenant_user();
  own text := connector_tenant_key();
  e record;
BEGIN
  IF whose IS NULL THEN
    RETURN;
  END IF;
  FOR e IN
    SELECT i.event ->> 'stream' AS stream, i.event ->> 'type' AS type, i.event -> 'data' AS data
    FROM jsonb_array_elements(events) AS i(event)
  LOOP
    IF (CASE
      WHEN e.type IN ('ConnectorSynced', 'ConnectorSyncFailed', 'ConnectorAuthFailed', 'ConnectorRequestLate',
                      'ExchangeUnreachable', 'ConnectorStateInvalidated') THEN
        e.data ->> 'userId' = whose AND e.stream = 'connector_state-' || own
          || replace(replace(e.data ->> 'credentialId', '%', '%25'), '_', '%5F')
      WHEN e.type IN ('ConnectorStateHit', 'ConnectorShadowed') THEN
        e.data ->> 'userId' = whose AND e.stream = 'connector_state_hits-' || own
          || replace(replace(e.data ->> 'credentialId', '%', '%25'), '_', '%5F')
      WHEN e.type = 'ExchangeEdgeMeasured' THEN
        NOT e.data ? 'userId' AND e.stream = 'connector_state_hits-edge:' || (e.data ->> 'exchange') || ':'
          || (e.data ->> 'environment') || ':' || replace(coalesce(e.data ->> 'scope', 'default'), '_', '%5F')
      ELSE false END) IS NOT TRUE
    THEN
      RAISE EXCEPTION 'the login % is bound to one user, and % is not a fact of that user''s that it may record',
        session_user, coalesce(e.type, 'an event without a type')
        USING ERRCODE = 'VT001';
    END IF;
  END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION connector_tenant_check(jsonb) FROM PUBLIC;
`;

const BEFORE_APPENDING = "PERFORM set_config('lock_timeout', lock_wait_ms::text, true);";
const SAME = `IF ${IS_TENANT} THEN PERFORM connector_tenant_check(events); END IF;`;
const TOGETHER = `IF ${IS_TENANT} THEN
    PERFORM connector_tenant_check(coalesce((
      SELECT jsonb_agg(jsonb_build_object('stream', i.stream, 'type', i.type, 'data', i.data::jsonb))
      FROM unnest(streams, types, string_to_array(datas, chr(30))) AS i(stream, type, data)), '[]'));
  END IF;`;
const WAITING = 'IF only_behind AND NOT EXISTS (SELECT FROM connector_outbox WHERE dead_at IS NULL) THEN';
/** Whether others' events wait is nothing to a tenant. */
const OWN_WAITING = `IF only_behind AND NOT EXISTS (SELECT FROM connector_outbox WHERE dead_at IS NULL
      AND (connector_tenant_user() IS NULL OR ${OWN_STREAM})) THEN`;

const replaceIn = (signature: string, ...changes: readonly (readonly [string, string])[]) => `
DO $change$
DECLARE
  old_body text := pg_get_functiondef('${signature}'::regprocedure);
  new_body text := old_body;
BEGIN
  ${changes
    .map(
      ([from, to]) => `
  IF strpos(new_body, $from$${from}$from$) = 0 THEN
    RAISE EXCEPTION '${signature} is not as migrations made it';
  END IF;
  new_body := replace(new_body, $from$${from}$from$, $to$${to}$to$);`,
    )
    .join('')}
  EXECUTE new_body;
END
$change$;`;

const APPENDING = [
  replaceIn('connector_event_append(jsonb, jsonb, integer)', [
    BEFORE_APPENDING,
    `${SAME}\n  ${BEFORE_APPENDING}`,
  ]),
  replaceIn(
    'connector_event_append_together(uuid[], text[], text[], integer[], text, bigint[], text[], text[], text[], integer)',
    [BEFORE_APPENDING, `${TOGETHER}\n  ${BEFORE_APPENDING}`],
  ),
  replaceIn(
    'connector_outbox_add(jsonb, boolean, integer)',
    [BEFORE_APPENDING, `${SAME}\n  ${BEFORE_APPENDING}`],
    [WAITING, OWN_WAITING],
  ),
].join('\n');

const PIN = ['user()', 'key()', 'guard()', 'check(jsonb)']
  .map(
    name => `
DO $pin$
BEGIN
  EXECUTE format('ALTER FUNCTION connector_tenant_${name} SET search_path = %I, pg_temp', current_schema());
END
$pin$;`,
  )
  .join('\n');

export class Tenants1764000000074 implements MigrationInterface {
  readonly name = 'Tenants1764000000074';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(IN_TURN);
    await queryRunner.query(TENANTS);
    await queryRunner.query(GUARD);
    await queryRunner.query(CHECK);
    await queryRunner.query(PIN);
    await queryRunner.query(POLICIES);
    await queryRunner.query(APPENDING);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only: restore a backup to go back');
  }
}
