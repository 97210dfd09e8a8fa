/** The contract's harness over PostgreSQL, and the tools of the tests that only PostgreSQL has. */
import { Socket } from 'node:net';
import type { Client, Pool } from 'pg';
import type { EventStore } from '../../src/event-store/event-store.js';
import {
  createPostgresEventStore,
  type PostgresEventStoreOptions,
} from '../../src/event-store/postgres/index.js';
import { serialiseEvent } from '../../src/event-store/serialise.js';
import type { NewEvent } from '../../src/events/event.js';
import { pg } from '../../src/postgres/driver.js';
import type { EventStoreHarness } from '../contract/harness.js';
import { createTestDatabase } from '../support/database.js';

export const APPEND_SQL = 'SELECT * FROM connector_event_append($1, NULL, 60000)';

/** The first argument of the SQL function. */
export const toSqlEvents = (events: readonly NewEvent[]): string =>
  JSON.stringify(
    events.map(event => ({
      ...event,
      schema_version: serialiseEvent(event).schemaVersion,
      occurred_at: event.occurredAt,
      correlation_id: event.correlationId,
      causation_id: event.causationId,
    })),
  );

/** Until `isTrue`, asked every few milliseconds; jest's own time limit bounds it. */
export async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await new Promise(resolve => setTimeout(resolve, 5));
}

export interface OpenStore {
  readonly store: EventStore;
  readonly pool: Pool;
}

export interface PostgresHarness extends EventStoreHarness {
  readonly url: string;
  openWith(options?: Partial<PostgresEventStoreOptions> & { readonly max?: number }): OpenStore;
  /** How many of pg_stat_activity's connections to the database `condition` (SQL) holds for. */
  countConnections(condition: string): Promise<number>;
  /** A connection of the test's own. */
  connect(url?: string): Promise<Client & { destroySocket(): void }>;
}

export async function createPostgresHarness(): Promise<PostgresHarness> {
  const database = await createTestDatabase();
  const { url } = database;
  const pools: Pool[] = [];
  const clients = new Set<Client>();

  const openWith: PostgresHarness['openWith'] = ({ max = 4, ...options } = {}) => {
    const pool = new pg.Pool({ connectionString: url, max });
    pool.on('error', () => undefined);
    pools.push(pool);
    return {
      pool,
      store: createPostgresEventStore({
        pool,
        listen: { connectionString: url },
        pollIntervalMs: 200,
        // A busy machine is no failure here; what deadlines do has tests of its own.
        appendTimeoutMs: 60_000,
        ...options,
      }),
    };
  };

  const connect: PostgresHarness['connect'] = async (to = url) => {
    const socket = new Socket();
    const client = new pg.Client({ connectionString: to, stream: () => socket });
    client.on('error', () => undefined);
    await client.connect();
    clients.add(client);
    return Object.assign(client, { destroySocket: () => void socket.destroy() });
  };

  let kills = 0;
  return {
    url,
    openWith,
    connect,
    open: async () => openWith().store,

    async countConnections(condition) {
      const client = await connect();
      const { rows } = await client.query<{ count: number }>(
        `SELECT count(*)::int AS count FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND ${condition}`,
      );
      await client.end();
      return rows[0]?.count ?? 0;
    },

    async crashWriter(events) {
      const kind = KILLS[kills++ % KILLS.length] as (typeof KILLS)[number];
      const writer = await connect();
      const ended = new Promise(resolve => writer.once('end', resolve));
      await kind(writer, toSqlEvents(events), async () => {
        const killer = await connect();
        await killer.query('SELECT pg_terminate_backend($1)', [
          (writer as unknown as { processID: number }).processID,
        ]);
        await killer.end();
      });
      await ended;
    },

    async writeRaw({ schemaVersion, ...event }) {
      const client = await connect();
      await client.query(APPEND_SQL, [
        JSON.stringify([
          { ...event, schema_version: schemaVersion, occurred_at: 1_764_000_000_000, host: 'raw/1' },
        ]),
      ]);
      await client.end();
    },

    async breakConnections() {
      const killer = await connect();
      await killer.query(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
      );
      await killer.end();
    },

    async close() {
      await Promise.all([...clients].map(client => client.end()));
      await Promise.all(pools.map(pool => pool.end()));
      await database.drop();
    },
  };
}

type Kill = (
  writer: Client & { destroySocket(): void },
  events: string,
  terminate: () => Promise<void>,
) => Promise<void>;

/** The moments at which a writer may die: before its commit, by the server's hand or its own; around it. */
const KILLS: readonly Kill[] = [
  async (writer, events, terminate) => {
    await writer.query('BEGIN');
    await writer.query(APPEND_SQL, [events]);
    await terminate();
  },
  async (writer, events) => {
    await writer.query('BEGIN');
    await writer.query(APPEND_SQL, [events]);
    writer.destroySocket();
  },
  async (writer, events) => {
    await writer.query('BEGIN');
    await writer.query(APPEND_SQL, [events]);
    writer.query('COMMIT').catch(() => undefined);
    setImmediate(() => writer.destroySocket());
  },
  async (writer, events, terminate) => {
    writer.query(APPEND_SQL, [events]).catch(() => undefined);
    await terminate();
  },
  async (writer, events) => {
    writer.query(APPEND_SQL, [events]).catch(() => undefined);
    setImmediate(() => writer.destroySocket());
  },
];
