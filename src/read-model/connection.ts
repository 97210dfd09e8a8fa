/**
 * One connection for one piece of administrative work (a migration, a grant, a first contact), and its failures as
 * sentences.
 */
import type { Client } from 'pg';
import { withDeadline } from '../base/deadline.js';
import { isConnectorStateError } from '../base/errors.js';
import { type DriverClient, requestCancel } from '../postgres/cancel.js';
import { DatabaseError, describeDatabaseError, reasonOf, remedyOf } from '../postgres/database-error.js';
import { placeOf } from '../postgres/database-url.js';
import { pg } from '../postgres/driver.js';
import { faultOfUrl } from '../postgres/url-fault.js';

const CONNECT_TIMEOUT_MS = 10_000;
/** How long the server may take to close a connection before it is cut. */
const GOODBYE_TIMEOUT_MS = 1_000;
/** Who only wants to hear that the URL is wrong does not wait for a server that is slow. */
const FIRST_CONTACT_TIMEOUT_MS = 3_000;

/**
 * Runs `work` over a connection of its own, which is closed whatever happens.
 *
 * @param signal ends the statement under way on the server and makes the call fail at once
 * @throws ConnectorStateError `DATABASE_UNAVAILABLE` when the database cannot be reached, `DATABASE_REFUSED` when it
 *   refuses us; the signal's reason
 */
export async function withConnection<T>(
  databaseUrl: string,
  applicationName: string,
  work: (client: Client) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  signal?.throwIfAborted();
  try {
    return await connected(databaseUrl, applicationName, CONNECT_TIMEOUT_MS, work, signal);
  } catch (error) {
    signal?.throwIfAborted();
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
  signal?: AbortSignal,
): Promise<T> {
  // Reads the certificate files that the URL names.
  const client = new pg.Client({
    connectionString: databaseUrl,
    connectionTimeoutMillis: connectTimeoutMs,
    application_name: applicationName,
  });
  // A connection that breaks fails the query in flight; the event beside it must not end the process.
  client.on('error', () => {});
  const cancel = async () => {
    const driver = client as unknown as DriverClient;
    // A server at work does not notice that its client has left.
    await requestCancel(driver, GOODBYE_TIMEOUT_MS);
    driver.connection.stream.destroy();
  };
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    await client.connect();
    return await work(client);
  } finally {
    signal?.removeEventListener('abort', cancel);
    // After a failed connect there may be nothing left to end, and a server that stands still does not say goodbye.
    await withDeadline(client.end(), GOODBYE_TIMEOUT_MS, () =>
      (client as unknown as DriverClient).connection.stream.destroy(),
    ).catch(() => undefined);
  }
}

/**
 * Errors of the connection and refusals as errors of ours, with the place but without the password; anything else
 * as it came.
 */
export function explainDatabaseError(error: unknown, databaseUrl: string): unknown {
  if (isConnectorStateError(error)) return error;
  const fault = faultOfUrl(error, 'DATABASE_URL');
  const reason = fault === undefined ? reasonOf(error) : 'unreachable';
  const text = fault ?? explanationOf(reason, error);
  if (text === undefined) return error;
  return new DatabaseError(reason, `${describeDatabase(databaseUrl)} ${text}`, { cause: error });
}

function explanationOf(reason: ReturnType<typeof reasonOf>, error: unknown): string | undefined {
  const { code = '', message } = describeDatabaseError(error);
  switch (reason) {
    case 'missing-right':
      return `refuses: ${message}. Use the role that owns the tables, or one that may create them in the schema.`;
    case 'unreachable':
      // It answers, and is in trouble itself: its files, its memory.
      if (/^(58|XX)/.test(code)) return `fails (${code}: ${message}): look into the server's log.`;
      // What is no error of a server at all may be one of ours.
      return /^(E[A-Z_]+$|08|57)/.test(code) || /Connection terminated|timeout/i.test(message)
        ? `cannot be reached (${code || message}): start it, or correct DATABASE_URL.`
        : undefined;
    case 'busy':
    case 'interrupted':
    case 'read-only':
    case 'pooler':
    case 'isolation':
      return `refuses (${code}: ${message}): ${remedyOf(error)}.`;
    default:
      return undefined;
  }
}

/** Names a database without its user's password. */
export function describeDatabase(databaseUrl: string): string {
  const { host, database } = placeOf(databaseUrl);
  return `the database ${database} at ${host}`;
}
