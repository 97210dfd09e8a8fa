/**
 * What a tenant's login may do, and whether that is all it may. Row-level security holds a login to its rows in the tables
 * that have a policy, and nothing else does: so bind and list look at what the server says the login, and every role it
 * can become, has a right to.
 */
import type { Client } from 'pg';
import { pg } from '../postgres/driver.js';
import { APPEND_FUNCTIONS, EVENT_TABLES, PARTITION_FUNCTION, REPLICA_LINK, schemaOf } from './grants.js';
import { REMAKABLE } from './remake.js';

/** Where a tenant finds his rows, and those that are nobody's in particular. */
export const TENANT_TABLES = [
  'connector_event',
  'connector_outbox',
  'connector_state_cache',
  'drift_sample',
  'usage_forecast',
  'projection_dead_letter',
  'exchange_clock',
  'projection_checkpoint',
  REPLICA_LINK,
  'connector_state_migration',
];
/** Marks the login as a tenant's; see migrations/1764000000074. */
const MARK = 'connector_tenant_mark';

/** What PUBLIC may call by the migrations; none tells of anybody, and the last refuses who may not insert samples. */
const HARMLESS_FUNCTIONS = [
  'connector_state_clock_id()',
  'connector_tenant_user()',
  'connector_tenant_key()',
  PARTITION_FUNCTION,
];

/** Every table there is. What is none of these is somebody else's in the same schema. */
export const OUR_TABLES = [...EVENT_TABLES, ...REMAKABLE, 'connector_state_migration'];

/** `$1` names of our tables → with their partitions, and the sequences that they own. */
const OURS = `
tables AS (
  SELECT c.* FROM pg_class c
  WHERE c.relnamespace = quote_ident(current_schema())::regnamespace AND c.relkind IN ('r', 'p') AND (c.relname = ANY ($1::text[]) OR EXISTS (
    SELECT FROM pg_partition_ancestors(c.oid) a JOIN pg_class x ON x.oid = a.relid WHERE x.relname = ANY ($1::text[])))
), sequences AS (
  SELECT c.* FROM pg_class c JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
    AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') JOIN tables t ON t.oid = d.refobjid
  WHERE c.relkind = 'S'
), functions AS (
  SELECT f.* FROM pg_proc f
  WHERE f.pronamespace = quote_ident(current_schema())::regnamespace AND f.proname LIKE 'connector\\_%' AND f.prokind = 'f'
)`;

export async function grantTenant(client: Client, login: string): Promise<void> {
  const role = pg.escapeIdentifier(login);
  await revokeTenant(client, login);
  await client.query(`GRANT USAGE ON SCHEMA ${await schemaOf(client)} TO ${role}`);
  await client.query(`GRANT SELECT ON ${TENANT_TABLES.join(', ')} TO ${role}`);
  await client.query(`GRANT EXECUTE ON FUNCTION ${APPEND_FUNCTIONS.join(', ')} TO ${role}`);
  await client.query(`GRANT USAGE ON TYPE ${MARK} TO ${role}`);
}

/** Everything of ours that the role itself was granted, in whatever way. */
export async function revokeTenant(client: Client, login: string): Promise<void> {
  const role = pg.escapeIdentifier(login);
  const { rows } = await client.query<{ kind: string; names: string | null }>(
    `WITH ${OURS}
     SELECT 'TABLE' AS kind, string_agg(oid::regclass::text, ', ') AS names FROM tables
     UNION ALL SELECT 'SEQUENCE', string_agg(oid::regclass::text, ', ') FROM sequences
     UNION ALL SELECT 'FUNCTION', string_agg(oid::regprocedure::text, ', ') FROM functions`,
    [OUR_TABLES],
  );
  for (const { kind, names } of rows) {
    if (names !== null) await client.query(`REVOKE ALL ON ${kind} ${names} FROM ${role}`);
  }
  await client.query(`REVOKE ALL ON TYPE ${MARK} FROM ${role}`);
}

/**
 * `$2` login, `$3` tables that it may read, `$4` functions that it may call, `$5` those that anybody may. One row a right
 * too many. A view that does not ask as who reads it asks as its owner, whom no policy holds.
 */
const EXCESS = `
WITH ${OURS}, become AS (
  SELECT r.* FROM pg_roles r WHERE pg_has_role($2::name, r.oid, 'MEMBER')
), views AS (
  SELECT DISTINCT v.oid, v.relname FROM pg_class v JOIN pg_rewrite w ON w.ev_class = v.oid
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
    JOIN tables t ON t.oid = d.refobjid
  WHERE v.relkind = 'm' OR v.relkind = 'v' AND NOT EXISTS (
    SELECT FROM pg_options_to_table(v.reloptions) o WHERE o.option_name = 'security_invoker' AND o.option_value::boolean)
)
SELECT format('%s is a superuser', rolname) AS excess FROM become WHERE rolsuper
UNION ALL SELECT format('%s has BYPASSRLS', rolname) FROM become WHERE rolbypassrls
UNION ALL SELECT format('%s has CREATEROLE', rolname) FROM become WHERE rolcreaterole
UNION ALL SELECT format('%s has REPLICATION', rolname) FROM become WHERE rolreplication
UNION ALL SELECT format('it is a member of %s', rolname) FROM become WHERE rolname LIKE 'pg\\_%'
UNION ALL SELECT format('%s owns %s', b.rolname, t.relname) FROM become b JOIN tables t ON t.relowner = b.oid
-- Who inherits from it is marked as a tenant too, and bound to nobody.
UNION ALL SELECT format('%s inherits its rights, and would see nothing', r.rolname) FROM pg_roles r
  WHERE r.rolname <> $2::name AND NOT r.rolsuper AND pg_has_role(r.oid, $2::name, 'USAGE')
    AND NOT EXISTS (SELECT FROM tables t WHERE pg_has_role(r.oid, t.relowner, 'USAGE'))
-- A schema of another login's name comes before ours in the path of that login.
UNION ALL SELECT format('%s may create schemas', rolname)
  FROM become WHERE NOT rolsuper AND has_database_privilege(oid, current_database(), 'CREATE')
UNION ALL SELECT format('%s may create in schema %s', rolname, current_schema())
  FROM become WHERE NOT rolsuper AND has_schema_privilege(oid, current_schema(), 'CREATE')
UNION ALL SELECT format('%s may %s %s', b.rolname, k.kind, t.relname)
  FROM become b, tables t, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS k(kind)
  WHERE NOT b.rolsuper AND has_any_column_privilege(b.oid, t.oid, k.kind)
    AND NOT (k.kind = 'SELECT' AND t.relname = ANY ($3::text[]))
UNION ALL SELECT format('%s may %s %s', b.rolname, k.kind, t.relname)
  FROM become b, tables t, unnest(ARRAY['DELETE', 'TRUNCATE', 'TRIGGER']) AS k(kind)
  WHERE NOT b.rolsuper AND has_table_privilege(b.oid, t.oid, k.kind)
UNION ALL SELECT format('%s may read the view %s', b.rolname, v.relname)
  FROM become b, views v WHERE NOT b.rolsuper AND has_any_column_privilege(b.oid, v.oid, 'SELECT')
UNION ALL SELECT format('%s may use the sequence %s', b.rolname, s.relname)
  FROM become b, sequences s WHERE NOT b.rolsuper AND has_sequence_privilege(b.oid, s.oid, 'USAGE, SELECT, UPDATE')
UNION ALL SELECT format('%s may call %s', b.rolname, f.oid::regprocedure)
  FROM become b, functions f WHERE NOT b.rolsuper AND f.prosecdef AND has_function_privilege(b.oid, f.oid, 'EXECUTE')
    AND NOT f.oid = ANY ($4::regprocedure[]::oid[]) AND NOT f.oid = ANY ($5::regprocedure[]::oid[])
UNION ALL SELECT format('default privileges will let %s %s tables that %s makes', coalesce(b.rolname, 'PUBLIC'),
    a.privilege_type, pg_get_userbyid(d.defaclrole))
  FROM pg_default_acl d CROSS JOIN aclexplode(d.defaclacl) a LEFT JOIN become b ON b.oid = a.grantee
  WHERE d.defaclobjtype = 'r' AND (a.grantee = 0 OR b.oid IS NOT NULL) AND a.grantee <> d.defaclrole
    AND d.defaclnamespace IN (0, quote_ident(current_schema())::regnamespace)
    AND d.defaclrole IN (SELECT t.relowner FROM tables t)
ORDER BY 1`;

/** What the login, or a role it can become, may do beyond what a tenant may; sentences, none where all is well. */
export async function excessOf(client: Client, login: string): Promise<string[]> {
  const { rows } = await client.query<{ excess: string }>(EXCESS, [
    OUR_TABLES,
    login,
    TENANT_TABLES,
    APPEND_FUNCTIONS,
    HARMLESS_FUNCTIONS,
  ]);
  return rows.map(({ excess }) => excess);
}
