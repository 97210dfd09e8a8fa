/**
 * What is done to a database while an application goes on: each fault as a client can bring it about, and undone at the end
 * however it ends.
 *
 *   lock      a table that lookups read is locked
 *   stall     whoever appends waits for the lock of appends
 *   reset     every connection of connector-state is broken, again and again
 *   restart   nobody may connect, and who was is cut off: what a restart looks like from outside
 */
import type { Client, ClientConfig } from 'pg';
import { toDatabaseError } from '../../postgres/database-error.js';
import { pg } from '../../postgres/driver.js';
import { UNBOUNDED } from '../../postgres/transactions.js';
import { sleep } from './sleep.js';

export const FAULTS = ['lock', 'stall', 'reset', 'restart'] as const;
export type Fault = (typeof FAULTS)[number];

/** Of the connection that brings them about, which is spared. */
const APPLICATION = 'connector-state chaos';
const RESET_EVERY_MS = 200;

/** The login lacks a right that the fault needs: it is left out. */
export class NotAllowed extends Error {}

const INSUFFICIENT_PRIVILEGE = '42501';

/** @throws NotAllowed; DatabaseError */
export async function inflict(url: string, fault: Fault, ms: number, signal: AbortSignal): Promise<void> {
  const client = await connect(url).catch(error => {
    throw toDatabaseError(error);
  });
  try {
    await HOW[fault](client, ms, signal);
  } catch (error) {
    if ((error as { code?: unknown }).code !== INSUFFICIENT_PRIVILEGE) throw toDatabaseError(error);
    throw new NotAllowed('this login may not do it: log in as the owner of the database');
  } finally {
    await client.end();
  }
}

async function connect(url: string): Promise<Client> {
  return opened(new pg.Client({ connectionString: url, application_name: APPLICATION }));
}

/** The same server and login, another database. */
function connectBeside({ host, port, user, password, ssl }: Client): Promise<Client> {
  return opened(
    new pg.Client({
      host,
      port,
      user,
      password,
      ssl,
      database: 'postgres',
      application_name: APPLICATION,
    } as ClientConfig),
  );
}

async function opened(client: Client): Promise<Client> {
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

async function holding(client: Client, statement: string, ms: number, signal: AbortSignal): Promise<void> {
  await client.query('BEGIN');
  // However soon the server would end who says nothing.
  await client.query(UNBOUNDED);
  await client.query(statement);
  await sleep(ms, signal);
  await client.query('ROLLBACK');
}

const OURS = `datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
  AND application_name LIKE 'connector-state%' AND application_name <> '${APPLICATION}'`;

const HOW: Readonly<Record<Fault, (client: Client, ms: number, signal: AbortSignal) => Promise<void>>> = {
  lock: (client, ms, signal) =>
    holding(client, 'LOCK TABLE connector_state_cache, exchange_clock IN ACCESS EXCLUSIVE MODE', ms, signal),

  stall: (client, ms, signal) =>
    holding(
      client,
      `SELECT pg_advisory_xact_lock(1668507760, 'connector_event'::regclass::oid::integer)`,
      ms,
      signal,
    ),

  async reset(client, ms, signal) {
    for (let spent = 0; spent < ms && !signal.aborted; spent += RESET_EVERY_MS) {
      await client.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${OURS}`);
      await sleep(RESET_EVERY_MS, signal);
    }
  },

  async restart(client, ms, signal) {
    const { rows } = await client.query<{ name: string }>('SELECT quote_ident(current_database()) AS name');
    const name = rows[0]?.name;
    // A database cannot be closed from within.
    const outside = await connectBeside(client);
    try {
      await outside.query(`ALTER DATABASE ${name} WITH ALLOW_CONNECTIONS false`);
      try {
        await client.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${OURS}`);
        await sleep(ms, signal);
      } finally {
        await outside.query(`ALTER DATABASE ${name} WITH ALLOW_CONNECTIONS true`);
      }
    } finally {
      await outside.end();
    }
  },
};
