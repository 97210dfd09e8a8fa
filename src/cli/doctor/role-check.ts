/**
 * What the role of DATABASE_URL may do, held against what `migrate` and `tenants bind` grant. An upgrade that brings a table
 * gives nobody a right to it until it is told the roles again, and each kind of right that is missing stops something else:
 * lookups, what looks back, projecting, or the use of a replica.
 */
import type { Pool } from 'pg';
import type { ProjectionMode } from '../../composition/settings.js';
import { APPEND_FUNCTIONS, READ_TABLES, READABLE, REPLICA_LINK } from '../../read-model/grants.js';
import { TENANT_TABLES } from '../../read-model/tenant-rights.js';
import { type Check, fail, ok, warn } from './check.js';

/** Which every lookup reads. */
const LOOKED_UP = ['connector_state_cache', 'exchange_clock'];

interface Rights {
  readonly role: string;
  readonly superuser: boolean;
  readonly tenant: boolean;
  readonly unread: readonly string[];
  readonly appends: boolean;
  readonly projects: boolean;
  /** Read tables that it may write, and those that it may not, or not in every way. */
  readonly written: number;
  readonly unwritten: readonly string[];
  readonly links: boolean;
  readonly relays: boolean;
  readonly rebuilds: boolean;
}

async function readRights(pool: Pool): Promise<Rights> {
  const { rows } = await pool.query<Rights>(
    `WITH written AS (
       SELECT name, to_regclass(name) AS id FROM unnest($1::text[]) AS name
     ), may AS (
       SELECT name, has_table_privilege(id, 'INSERT') AND has_table_privilege(id, 'UPDATE')
                      AND has_table_privilege(id, 'DELETE') AS all_of_it FROM written)
    SELECT current_user AS role, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,
           connector_tenant_user() IS NOT NULL AS tenant,
           ARRAY(SELECT name FROM unnest($2::text[]) AS name WHERE NOT has_table_privilege(name, 'SELECT')) AS unread,
           ${APPEND_FUNCTIONS.map(name => `has_function_privilege('${name}', 'EXECUTE')`).join(' AND ')} AS appends,
           has_table_privilege('connector_state_cache', 'INSERT')
             AND has_table_privilege('projection_checkpoint', 'UPDATE') AS projects,
           (SELECT count(*)::integer FROM may WHERE all_of_it) AS written,
           ARRAY(SELECT name FROM may WHERE NOT all_of_it) AS unwritten,
           has_table_privilege('${REPLICA_LINK}', 'INSERT') AND has_table_privilege('${REPLICA_LINK}', 'UPDATE')
             AND has_table_privilege('${REPLICA_LINK}', 'DELETE') AS links,
           has_table_privilege('connector_outbox', 'DELETE') AS relays,
           has_database_privilege(current_database(), 'TEMPORARY') AS rebuilds`,
    [READ_TABLES, [...READABLE, ...READ_TABLES, REPLICA_LINK]],
  );
  const rights = rows[0] as Rights;
  // The others sum up all users.
  const unread = rights.unread.filter(table => !rights.tenant || TENANT_TABLES.includes(table));
  return { ...rights, unread };
}

/** Whether the login is bound to one user; see `connector-state tenants`. */
export async function isTenant(pool: Pool): Promise<boolean> {
  const { rows } = await pool.query<{ tenant: boolean }>(
    'SELECT connector_tenant_user() IS NOT NULL AS tenant',
  );
  return rows[0]?.tenant === true;
}

interface Deployment {
  readonly projection: ProjectionMode;
  readonly hasRemoteEvents: boolean;
  /** Whose role is the server's own, of which no other is to be made. */
  readonly isEmbedded: boolean;
}

export async function checkRole(
  pool: Pool,
  { projection, hasRemoteEvents, isEmbedded }: Deployment,
): Promise<Check> {
  const { role, superuser, tenant, unread, appends, projects, written, unwritten, links, relays, rebuilds } =
    await readRights(pool);
  const reads = LOOKED_UP.every(table => !unread.includes(table));
  const may = Object.entries({ read: reads, append: appends, project: projects, relay: relays });
  const list = may.filter(([, has]) => has).map(([right]) => right);
  const said = `${role} may ${list.join(', ') || 'nothing'}`;
  const again = tenant
    ? `run \`connector-state tenants bind --login ${role}\` with its user again, as the owner of the tables`
    : `run \`connector-state migrate --${written > 0 ? 'worker' : 'functions'}-role ${role}\` as the owner of the tables`;
  if (!reads || !appends) return fail('role', said, again);
  if (projection === 'inline' && !(projects && (relays || !hasRemoteEvents))) {
    return fail(
      'role',
      `${said}, and PROJECTION is inline`,
      tenant
        ? 'set PROJECTION=worker here, and run `connector-state project` or `serve` as another role'
        : `set PROJECTION=worker and run \`connector-state project\`, or \`connector-state migrate --worker-role ${role}\` as the owner`,
    );
  }
  if (written > 0 && unwritten.length > 0) {
    return fail('role', `${said}, but not write ${unwritten.join(', ')}, so it cannot project`, again);
  }
  if (unread.length > 0) {
    return warn(
      'role',
      `${said}, but not read ${unread.join(', ')}, so what looks back at it fails (stats, drift, forecast, the service)`,
      again,
    );
  }
  if (!links && !tenant) {
    return warn(
      'role',
      `${said}, but not write ${REPLICA_LINK}, so it cannot note how far a read replica's clock is`,
      again,
    );
  }
  if (projects && !rebuilds) {
    return warn(
      'role',
      `${said}, but make no temporary tables, which a rebuild and an upgrade need`,
      `GRANT TEMPORARY ON DATABASE … TO ${role}`,
    );
  }
  if (superuser && !isEmbedded) {
    return warn(
      'role',
      `${said}; it is a superuser`,
      'in production give a role of its own: migrate --functions-role',
    );
  }
  return ok('role', said);
}
