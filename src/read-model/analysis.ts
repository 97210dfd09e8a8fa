/**
 * Reads that look back over much, each in a transaction of its own with settings of its own: a pooler may hand the connection
 * to somebody else afterwards, so nothing is set beyond it.
 *
 * No parallel workers: somebody who looks back may take one of the database's processors, but not several, from those who are
 * about to sign. Room for sorts, for what does not fit is sorted on disk. Compiling such statements costs more than it gains.
 */
import type { Pool, PoolClient } from 'pg';

const SETTINGS = `SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL jit = off; SET LOCAL work_mem = '32MB'`;

/** @throws whatever `pg` or `read` throws */
export async function analyse<T>(pool: Pool, read: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    // One snapshot.
    await client.query(`BEGIN READ ONLY; ${SETTINGS}`);
    const found = await read(client);
    await client.query('COMMIT');
    return found;
  } catch (error) {
    // A broken connection cannot roll back either, and need not.
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  } finally {
    client.release();
  }
}
