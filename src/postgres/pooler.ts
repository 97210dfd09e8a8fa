/**
 * Whether a connection is a session of the server's, or a place in a pooler that gives each transaction another one.
 *
 * The server tells each connection its process id when it begins; a pooler makes one up. If the process that answers is
 * another one there is a pooler. It shares sessions if, while a second connection has a transaction open, that
 * transaction is found on what was the first one's process, or the first one's is another now, or has to wait.
 * (One that shares them in turn, over exactly as many as are in use, may pass for one that does not.)
 */

import { setTimeout as delay } from 'node:timers/promises';
import type { ClientBase, PoolClient } from 'pg';
import type { DriverClient } from './cancel.js';

/** `session`: a pooler that keeps a server's session for each connection. `transaction`: one that does not. */
export type Pooling = 'none' | 'session' | 'transaction';

/** A session that is nobody else's answers at once. */
const ANSWER_WITHIN_MS = 1_000;

/** @param borrow a second connection to the same place; given back */
export async function findPooling(client: ClientBase, borrow: () => Promise<PoolClient>): Promise<Pooling> {
  const first = await backendOf(client);
  if (first === (client as unknown as DriverClient).processID) return 'none';
  const other = await borrow();
  let isSound = false;
  try {
    await other.query('BEGIN');
    const second = await backendOf(other);
    const again = backendOf(client);
    const now = await Promise.race([again, delay(ANSWER_WITHIN_MS, undefined, { ref: false })]);
    await other.query('ROLLBACK');
    await again;
    isSound = true;
    return second === first || now !== first ? 'transaction' : 'session';
  } finally {
    other.release(!isSound);
  }
}

async function backendOf(client: ClientBase): Promise<number | undefined> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return rows[0]?.pid;
}
