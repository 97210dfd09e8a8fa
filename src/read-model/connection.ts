/**
 * One connection for one piece of administrative work (a migration, a grant, a first contact), and its failures as
 * sentences.
 */
import type { Client } from 'pg';
import { ConnectorStateError, isConnectorStateError } from '../errors.js';
import { pg } from '../postgres/driver.js';
import { describeDatabaseError } from '../postgres/pool.js';
import { faultOfUrl } from '../postgres/url-fault.js';

const CONNECT_TIMEOUT_MS = 10_000;
/** Who only wants to hear that the URL is wrong does not wait for a server that is slow. */
const FIRST_CONTACT_TIMEOUT_MS = 3_000;

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
  try {
    return await connected(databaseUrl, applicationName, CONNECT_TIMEOUT_MS, work);
  } catch (error) {
    throw explainDatabaseError(error, databaseUrl);
  }
}

/**
 * The first contact with a database.
 *
 * @param setting what the URL was given as, for the sentence
 * @returns what only another URL can mend, as a sentence; `undefined` when the database answers, and when what is
 *   the matter may pass
 */
export async function findFaultOfUrl(databaseUrl: string, setting: string): Promise<string | undefined> {
  try {
    await connected(databaseUrl, 'connector-state', FIRST_CONTACT_TIMEOUT_MS, async () => undefined);
    return undefined;
  } catch (error) {
    return describeFaultOfUrl(error, databaseUrl, setting);
  }
}

/** The same of a failure that was met already. */
export function describeFaultOfUrl(error: unknown, databaseUrl: string, setting: string): string | undefined {
  const fault = faultOfUrl(error, setting);
  return fault && `${describeDatabase(databaseUrl)} ${fault}`;
}

async function connected<T>(
  databaseUrl: string,
  applicationName: string,
  connectTimeoutMs: number,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  // Reads the certificate files that the URL names.
  const client = new pg.Client({
    connectionString: databaseUrl,
    connectionTimeoutMillis: connectTimeoutMs,
    application_name: applicationName,
  });
  // A connection that breaks fails the query in flight; the event beside it must not end the process.
  client.on('error', () => {});
  try {
    await client.connect();
    return await work(client);
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
  const text =
    faultOfUrl(error, 'DATABASE_URL') ??
    (code === INSUFFICIENT_PRIVILEGE
      ? `refuses: ${message}. Use the role that owns the tables, or one that may create them in the schema.`
      : isConnectionFailure(code, message)
        ? `cannot be reached (${code || message}): start it, or correct DATABASE_URL.`
        : undefined);
  if (text === undefined) return error;
  return new ConnectorStateError('DATABASE_UNAVAILABLE', `${describeDatabase(databaseUrl)} ${text}`, {
    cause: error,
  });
}

const INSUFFICIENT_PRIVILEGE = '42501';

function isConnectionFailure(code: string, message: string): boolean {
  return (
    /^(ECONN|EAI_|EHOST|ENET|ETIMEDOUT|EPIPE|ENOENT|08|57P0|53)/.test(code) ||
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
