/**
 * One connection for one piece of administrative work (a migration, a grant), and its failures as sentences.
 */
import type { Client } from 'pg';
import { ConnectorStateError, isConnectorStateError } from '../errors.js';
import { pg } from '../postgres/driver.js';
import { describeDatabaseError } from '../postgres/pool.js';

const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Runs `work` over a connection of its own, which is closed whatever happens.
 *
 * @throws ConnectorStateError `DATABASE_UNAVAILABLE` when the database cannot be reached, or refuses us
 */
export async function withConnection<T>(
  databaseUrl: string,
  applicationName: string,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    application_name: applicationName,
  });
  // A connection that breaks fails the query in flight; the event beside it must not end the process.
  client.on('error', () => {});
  try {
    await client.connect();
    return await work(client);
  } catch (error) {
    throw explainDatabaseError(error, databaseUrl);
  } finally {
    // After a failed connect there may be nothing left to end.
    await client.end().catch(() => {});
  }
}

/**
 * Connection and privilege errors as errors of ours, with the place but without the password; anything else
 * as it came.
 */
export function explainDatabaseError(error: unknown, databaseUrl: string): unknown {
  if (isConnectorStateError(error)) return error;
  const { code = '', message } = describeDatabaseError(error);
  const refusal = REFUSALS[code] ?? (isConnectionFailure(code, message) ? UNREACHABLE : undefined);
  if (refusal === undefined) return error;
  const text = refusal.replace('%said', code === '42501' ? message : code || message);
  return new ConnectorStateError('DATABASE_UNAVAILABLE', `${describeDatabase(databaseUrl)} ${text}`, {
    cause: error,
  });
}

const UNREACHABLE = 'cannot be reached (%said): start it, or correct DATABASE_URL.';

const REFUSALS: Readonly<Record<string, string>> = {
  '42501': 'refuses: %said. Use the role that owns the tables, or one that may create them in the schema.',
  '28P01': 'refuses the login: check the user and the password in DATABASE_URL.',
  '28000': 'refuses the login: check the user in DATABASE_URL, and pg_hba.conf on the server.',
  '3D000': 'does not exist: create it, or correct the name in DATABASE_URL.',
};

function isConnectionFailure(code: string, message: string): boolean {
  return (
    /^(ECONN|ENOTFOUND|EAI_|EHOST|ENET|ETIMEDOUT|EPIPE|ENOENT|08|57P0|53)/.test(code) ||
    /Connection terminated|timeout expired/i.test(message)
  );
}

/** Names a database without its user's password. */
export function describeDatabase(databaseUrl: string): string {
  try {
    const { hostname, port, pathname } = new URL(databaseUrl);
    return `the database ${decodeURIComponent(pathname.slice(1))} at ${hostname}:${port || 5432}`;
  } catch {
    return 'the database of DATABASE_URL';
  }
}
