/** Logs with another past than the one that was projected: what backups, new containers and wrong URLs leave. */
import type { Pool } from 'pg';
import type { TransferableEventStore } from '../../src/event-store/event-store.js';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import { pg } from '../../src/postgres/driver.js';
import { createTestDatabase } from '../support/database.js';

/** As if the log had been restored from a backup that was taken after its first `kept` events. */
export async function restoreOlder(pool: Pool, kept: number): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    for (const table of ['connector_event', 'connector_event_kept', 'connector_event_hits']) {
      await client.query(`ALTER TABLE ${table} DISABLE TRIGGER USER`);
    }
    await client.query(
      `DELETE FROM connector_event WHERE position NOT IN
        (SELECT position FROM connector_event ORDER BY position LIMIT $1)`,
      [kept],
    );
    for (const table of ['connector_event', 'connector_event_kept', 'connector_event_hits']) {
      await client.query(`ALTER TABLE ${table} ENABLE ALWAYS TRIGGER ${table}_is_immutable`);
    }
    await client.query('DELETE FROM connector_stream');
    await client.query(
      'INSERT INTO connector_stream SELECT stream, max(version) FROM connector_event GROUP BY stream',
    );
    await client.query(
      `SELECT setval('connector_event_position', coalesce(max(position), 0) + 1, false) FROM connector_event`,
    );
    await client.query('COMMIT');
  } finally {
    client.release();
  }
}

export interface AnotherLog {
  readonly store: TransferableEventStore;
  close(): Promise<void>;
}

/** An event store in a database of its own, as `EVENT_STORE_URL` may name. */
export async function givenAnotherLog(): Promise<AnotherLog> {
  const database = await createTestDatabase();
  const pool = new pg.Pool({ connectionString: database.url, max: 4 });
  pool.on('error', () => undefined);
  const store = createPostgresEventStore({ pool, pollIntervalMs: 10 });
  return {
    store,
    async close() {
      await store.close();
      await pool.end();
      await database.drop();
    },
  };
}
