/**
 * Logins that are bound to one user each: functions that connect to the database by themselves and must not see each
 * other's rows. Opt-in: row-level security is switched on with the first and off behind the last
 * (migrations/1764000000074, decision 71).
 *
 *   bind    no right too many? ──► the row, the mark, the rights ──► policies looked at ──► commit
 *   unbind  the row and all rights go ──► the last one? policies looked at no more
 *
 * The role is made by whoever runs the server, as other roles are; a tenant's is a login of his own. One transaction, in
 * which the tables are locked for a moment when the first is bound and the last unbound: asked for a fraction of a second at
 * a time, for whatever queues for a table lets nobody else at it.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from 'pg';
import { ConnectorStateError, InvalidInputError } from '../base/errors.js';
import { parseId } from '../events/connector.js';
import { DatabaseError } from '../postgres/database-error.js';
import { BEGIN } from '../postgres/transactions.js';
import { withConnection } from './connection.js';
import { describeHolders, tableLockHolders } from './lock-holders.js';
import { GUARD, TENANTS } from './row-security.js';
import { excessOf, grantTenant, revokeTenant } from './tenant-rights.js';

export interface Tenant {
  /** A role of the server that may log in. */
  readonly login: string;
  readonly userId: string;
  /** Epoch milliseconds, the database's clock. */
  readonly boundAtMs: number;
}

export interface ListedTenant extends Tenant {
  /** What is not as it must be, as sentences: rights too many, a role that is gone. */
  readonly problems: readonly string[];
}

export interface TenantsOptions {
  /** How long to wait for other sessions' locks, in milliseconds. Default 60 000. */
  readonly waitMs?: number;
  /** Gives up and changes nothing. */
  readonly signal?: AbortSignal | undefined;
}

const APPLICATION = 'connector-state tenants';
const LOCK_NOT_AVAILABLE = '55P03';
const DEADLOCK = '40P01';
const TABLE_WAIT_MS = 200;
const PAUSE_MS = 500;

/**
 * Safe to repeat: it then gives the login the rights that a tenant has in this release.
 *
 * @param databaseUrl as the owner of the tables
 * @throws InvalidInputError when the user's id is malformed, or the login does not exist, may not log in, is bound to
 *   another user, or has a right that would let it past the policies; ConnectorStateError `DATABASE_NOT_MIGRATED`,
 *   `DATABASE_REFUSED`, `DATABASE_UNAVAILABLE`, also when the locks were not to be had
 */
export async function bindTenant(
  databaseUrl: string,
  { login, userId }: Pick<Tenant, 'login' | 'userId'>,
  options: TenantsOptions = {},
): Promise<void> {
  parseId('userId', userId);
  return changing(databaseUrl, options, async client => {
    await assertLogin(client, login);
    const { rows } = await client.query<{ userId: string }>(
      `SELECT user_id AS "userId" FROM ${TENANTS} WHERE login = $1`,
      [login],
    );
    const bound = rows[0]?.userId;
    if (bound !== undefined && bound !== userId) {
      throw new InvalidInputError(
        `the login ${JSON.stringify(login)} is bound to the user ${JSON.stringify(bound)}: unbind it first`,
      );
    }
    await client.query(`INSERT INTO ${TENANTS} (login, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, [
      login,
      userId,
    ]);
    await grantTenant(client, login);
    await client.query(GUARD);
    const excess = await excessOf(client, login);
    if (excess.length > 0) {
      throw new InvalidInputError(
        `the login ${JSON.stringify(login)} cannot be bound, for it could get past the policies: ${excess.slice(0, 5).join('; ')}. Take that from it, or bind a role of its own.`,
      );
    }
  });
}

/**
 * Takes all rights from the login that it was given in this schema.
 * @returns false: it was not bound
 * @throws as {@link bindTenant}
 */
export function unbindTenant(
  databaseUrl: string,
  login: string,
  options: TenantsOptions = {},
): Promise<boolean> {
  return changing(databaseUrl, options, async client => {
    const { rowCount } = await client.query(`DELETE FROM ${TENANTS} WHERE login = $1`, [login]);
    if (rowCount === 0) return false;
    if (await hasRole(client, login)) await revokeTenant(client, login);
    await client.query(GUARD);
    return true;
  });
}

/** @throws as {@link bindTenant} */
export function listTenants(databaseUrl: string, signal?: AbortSignal): Promise<ListedTenant[]> {
  const work = async (client: Client) => {
    const { rows } = await client.query<Tenant>(
      `SELECT login, user_id AS "userId", (extract(epoch FROM bound_at) * 1000)::float8 AS "boundAtMs"
         FROM ${TENANTS} ORDER BY user_id, login`,
    );
    const listed: ListedTenant[] = [];
    for (const tenant of rows) {
      const problems = (await hasRole(client, tenant.login))
        ? await excessOf(client, tenant.login)
        : ['there is no such role: unbind it'];
      listed.push({ ...tenant, problems });
    }
    return listed;
  };
  return withConnection(databaseUrl, APPLICATION, client => work(client).catch(explain), signal);
}

/** In one transaction, again and again while somebody else holds a table. */
function changing<T>(
  databaseUrl: string,
  { waitMs = 60_000, signal }: TenantsOptions,
  change: (client: Client) => Promise<T>,
): Promise<T> {
  const work = async (client: Client): Promise<T> => {
    const endMs = performance.now() + waitMs;
    for (;;) {
      await client.query(BEGIN);
      try {
        await client.query(`SET LOCAL lock_timeout = ${TABLE_WAIT_MS}`);
        await client.query(`LOCK TABLE ${TENANTS} IN SHARE ROW EXCLUSIVE MODE`);
        const result = await change(client);
        await client.query('COMMIT');
        return result;
      } catch (error) {
        await client.query('ROLLBACK').catch(() => undefined);
        const { code } = error as { code?: unknown };
        if (code !== LOCK_NOT_AVAILABLE && code !== DEADLOCK) return explain(error);
        if (performance.now() >= endMs) {
          const holders = describeHolders(await tableLockHolders(client).catch(() => []));
          throw new DatabaseError(
            'busy',
            `tables are locked by ${holders}, and nothing was changed: run it again, or with a longer --wait`,
            { cause: error },
          );
        }
      }
      await pause(PAUSE_MS, undefined, { ...(signal && { signal }) });
    }
  };
  return withConnection(databaseUrl, APPLICATION, work, signal);
}

async function hasRole(client: Client, login: string): Promise<boolean> {
  const { rowCount } = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [login]);
  return rowCount === 1;
}

async function assertLogin(client: Client, login: string): Promise<void> {
  const { rows } = await client.query<{ canLogin: boolean; projects: boolean; isSuper: boolean }>(
    `SELECT rolcanlogin AS "canLogin", rolsuper AS "isSuper",
            has_table_privilege(oid, 'connector_state_cache', 'INSERT') AS projects
       FROM pg_roles WHERE rolname = $1`,
    [login],
  );
  const [found] = rows;
  const named = JSON.stringify(login);
  if (!found) {
    throw new InvalidInputError(
      `role ${named} does not exist: create it first, for example CREATE ROLE … LOGIN PASSWORD …`,
    );
  }
  if (!found.canLogin) {
    throw new InvalidInputError(
      `role ${named} may not log in, and a tenant is known by the login of its session: ALTER ROLE … LOGIN, or bind the roles that do`,
    );
  }
  if (found.isSuper) {
    throw new InvalidInputError(`role ${named} is a superuser, whom no policy holds: give a role of its own`);
  }
  if (found.projects) {
    throw new InvalidInputError(
      `role ${named} may write the read tables, as a worker does or their owner: a tenant must not, so bind a role of its own`,
    );
  }
}

const MISSING_TABLE = '42P01';

function explain(error: unknown): never {
  if ((error as { code?: unknown }).code !== MISSING_TABLE) throw error;
  throw new ConnectorStateError(
    'DATABASE_NOT_MIGRATED',
    `the database lacks connector-state's tables (${(error as Error).message}): run \`connector-state migrate\` first.`,
    { cause: error },
  );
}
