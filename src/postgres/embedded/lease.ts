/**
 * Who uses the server: each handle holds one connection, its lease, and whoever leaves last stops it.
 *
 * Leaving: take the gate (an advisory lock) for oneself, count the other leases; none: stop the server while
 * holding the gate; some: go. Joining: connect, pass through the gate. Whoever connects before the count is
 * counted; whoever connects after it stands at the gate until the server ends, and then starts it anew. Two
 * that leave at once pass the gate one after the other, so one of them is the last. A connection that ends lets go of
 * the gate before it is gone from the list that is counted: so who goes takes its name off that list first.
 *
 * Whoever stands still at the gate keeps it, so the wait has an end: who joins looks again, and who leaves goes and lets it
 * be the last.
 *
 * A process that is killed loses its lease with its connection. If it was the last, the server stays up
 * until the next process joins it and leaves.
 *
 * The lease does not keep the process alive: one that forgets to stop ends when its work does.
 */
import type { Client } from 'pg';
import { pg } from '../driver.js';
import { SUPERUSER } from './cluster.js';
import { ownParameters } from './own-parameters.js';

const APPLICATION_NAME = 'connector-state embedded lease';
const LEFT = 'connector-state embedded, left';
/** Any number that nothing else uses in the database `postgres` of a server of ours. */
const GATE = 7_305_811;
const CONNECT_TIMEOUT_MS = 5_000;
/** The gate is held for the blink of an eye, or until the server has ended. */
export const GATE_MS = 5_000;
const LOCK_NOT_AVAILABLE = '55P03';

export interface Lease {
  /** Makes the database where it is missing. */
  ensureDatabase(name: string): Promise<void>;
  /**
   * `last`: nobody else holds a lease, and nobody can join until {@link Lease.close}: stop the server now.
   * `others`: the server goes on for them, this lease has ended.
   * `lost`: the connection broke earlier.
   */
  leave(): Promise<'last' | 'others' | 'lost'>;
  close(): Promise<void>;
}

/**
 * `not-yet`: starting, stopping, or between two servers; look again.
 * `wrong-password`: the server has another password than the file.
 */
export type JoinOutcome = Lease | 'not-yet' | 'wrong-password';

export async function join(port: number, password: string, gateMs = GATE_MS): Promise<JoinOutcome> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: SUPERUSER,
    password,
    database: 'postgres',
    application_name: APPLICATION_NAME,
    ...ownParameters(),
    ssl: false,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  let lost = false;
  client.on('error', () => {
    lost = true;
  });
  client.on('end', () => {
    lost = true;
  });
  try {
    await client.connect();
    await client.query(
      `BEGIN; SET LOCAL lock_timeout = ${gateMs}; SELECT pg_advisory_xact_lock_shared(${GATE}); COMMIT`,
    );
  } catch (error) {
    await end(client);
    const outcome = classify(error);
    if (outcome === undefined) throw error;
    return outcome;
  }
  // Idle from here on: it keeps the process alive only while it is asked something.
  const { ref, unref } = idleSwitch(client);
  unref();
  return {
    ensureDatabase: async name => {
      ref();
      await ensureDatabase(client, name).finally(unref);
    },
    leave: async () => {
      if (lost) return 'lost';
      ref();
      const verdict = await lookAround(client, gateMs);
      if (verdict !== 'last') await end(client);
      return verdict;
    },
    close: () => end(client),
  };
}

/** @types/pg does not know these two; pg has had them since version 7. */
function idleSwitch(client: Client): { ref(): void; unref(): void } {
  const switchable = client as Client & { ref(): void; unref(): void };
  return { ref: () => switchable.ref(), unref: () => switchable.unref() };
}

/** Takes the gate, which the connection keeps until it ends. */
async function lookAround(client: Client, gateMs: number): Promise<'last' | 'others' | 'lost'> {
  try {
    await client.query(`SET lock_timeout = ${gateMs}`);
    await client.query('SELECT pg_advisory_lock($1)', [GATE]);
    const { rows } = await client.query<{ others: number }>(
      `SELECT count(*)::int AS others FROM pg_stat_activity
       WHERE application_name = $1 AND pid <> pg_backend_pid()`,
      [APPLICATION_NAME],
    );
    if (rows[0]?.others === 0) return 'last';
    await client.query(`SET application_name = '${LEFT}'`);
    return 'others';
  } catch (error) {
    if ((error as { code?: string }).code === LOCK_NOT_AVAILABLE) return 'others';
    if (classify(error) !== undefined) return 'lost';
    // Its files are gone or unreadable: it serves nobody any more.
    if (/^(58|XX)/.test((error as { code?: string }).code ?? '')) return 'last';
    throw error;
  }
}

/** undefined: not one of the states a server passes through. */
function classify(error: unknown): 'not-yet' | 'wrong-password' | undefined {
  const { code, message } = error as { code?: string; message: string };
  switch (code) {
    case '28P01':
      return 'wrong-password';
    case '57P01': // ended by an administrator: the fast stop
    case '57P02': // a server process crashed
    case '57P03': // starting up or shutting down
    case '53300': // every connection is in use
    case LOCK_NOT_AVAILABLE: // somebody stands at the gate
    case 'ECONNREFUSED':
    case 'ECONNRESET':
    case 'EPIPE':
      return 'not-yet';
    default:
      return /Connection terminated|timeout expired/i.test(message) ? 'not-yet' : undefined;
  }
}

async function ensureDatabase(client: Client, name: string): Promise<void> {
  const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [name]);
  if (rowCount) return;
  try {
    await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`);
  } catch (error) {
    // Another process made it in the same instant: seen either by the check or by the unique index.
    const { code } = error as { code?: string };
    if (code !== '42P04' && code !== '23505') throw error;
  }
}

async function end(client: Client): Promise<void> {
  // A connection that is already gone has nothing left to end.
  await client.end().catch(() => {});
}
