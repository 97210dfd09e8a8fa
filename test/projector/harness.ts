/** A migrated database with a store, projectors over it, and a look at what is in the tables. */
import type { Client, Pool } from 'pg';
import { whyUnbelievable } from '../../projections/belief.js';
import { projections as allProjections, type Projection, type TableRow } from '../../projections/index.js';
import { silentLogger } from '../../src/base/logging.js';
import type { EventStore } from '../../src/event-store/event-store.js';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import type { KnownEvent, NewEvent, StoredEvent } from '../../src/events/event.js';
import { pg } from '../../src/postgres/driver.js';
import { createPool } from '../../src/postgres/pool.js';
import { createProjector, type Projector, type ProjectorOptions } from '../../src/projector/index.js';
import { decodeRow } from '../../src/projector/row-codec.js';
import { tableSql } from '../../src/projector/table-sql.js';
import { createTestDatabase } from '../support/database.js';
import { plainFold } from '../support/plain-fold.js';

export interface Harness {
  readonly url: string;
  readonly pool: Pool;
  readonly store: EventStore;
  projector(options?: Partial<ProjectorOptions>): Projector;
  append(...events: NewEvent[]): Promise<void>;
  /** Past the schema, as another release would. */
  appendRaw(event: { id: string; stream: string; type: string; data: object }): Promise<void>;
  /** The live rows of a table, by their key. */
  rows(projection: Projection): Promise<TableRow[]>;
  /** What the rows ought to be, from the log and the plain fold. */
  expectedRows(projection: Projection): Promise<TableRow[]>;
  /** `work` with a session of its own, as another process would have. */
  asAnother<T>(work: (client: Client) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

const HINTED_POLL_MS = 10;

export async function createHarness(options: { migrated?: boolean } = {}): Promise<Harness> {
  const database = await createTestDatabase(options);
  // As everything gets it: a connection that breaks while it is lent out ends no process.
  const pool = createPool({ connectionString: database.url, max: 8, log: silentLogger });
  const store = createPostgresEventStore({ pool, pollIntervalMs: HINTED_POLL_MS });

  const events = async () => {
    const all: StoredEvent[] = [];
    for (;;) {
      const page = await store.readAll({ after: all.at(-1)?.position, limit: 1_000 });
      if (page.length === 0) break;
      all.push(...page);
    }
    return all.filter((event): event is StoredEvent & KnownEvent => event.decoded === 'known');
  };

  return {
    url: database.url,
    pool,
    store,
    projector: options => createProjector({ store, pool, ...options }),
    async append(...events) {
      await store.append(events);
    },
    async appendRaw({ id, stream, type, data }) {
      const event = {
        id,
        stream,
        type,
        schema_version: 1,
        data,
        occurred_at: 1_760_000_000_000,
        host: 'h/1',
      };
      await pool.query('SELECT connector_event_append($1, NULL, 1000)', [JSON.stringify([event])]);
    },
    async rows(projection) {
      const sql = tableSql(projection);
      const list = sql.columns.map(({ name, type }) => {
        if (type === 'timestamptz') return `(extract(epoch from ${name}) * 1000)::float8::text`;
        return type === 'boolean' ? `left(${name}::text, 1)` : `${name}::text`;
      });
      const { rows } = await pool.query<(string | null)[]>({
        text: `SELECT ${list} FROM ${sql.table}`,
        rowMode: 'array',
      });
      const decoded = rows.map(cells => decodeRow(sql.columns, cells));
      return byKey(projection, decoded);
    },
    async expectedRows(projection) {
      return byKey(
        projection,
        plainFold(
          projection,
          (await events()).filter(event => !whyUnbelievable(event)),
        ),
      );
    },
    async asAnother(work) {
      const client = new pg.Client({ connectionString: database.url });
      client.on('error', () => undefined);
      await client.connect();
      try {
        return await work(client);
      } finally {
        await client.end();
      }
    },
    async close() {
      await store.close();
      await pool.end();
      await database.drop();
    },
  };
}

function byKey(projection: Projection, rows: TableRow[]): TableRow[] {
  const key = (row: TableRow) => JSON.stringify(projection.table.key.map(field => row[field]));
  return rows.sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

/** All live rows and all expected ones, by table: for `expect(live).toEqual(expected)`. */
export async function liveAndExpected(
  harness: Harness,
  projections: readonly Projection[] = allProjections,
): Promise<{ live: object; expected: object }> {
  const live: Record<string, TableRow[]> = {};
  const expected: Record<string, TableRow[]> = {};
  for (const projection of projections) {
    live[projection.name] = await harness.rows(projection);
    expected[projection.name] = await harness.expectedRows(projection);
  }
  return { live, expected };
}

/** Looks again until it holds; fails the test when it does not within ten seconds. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`waited ten seconds for: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}
