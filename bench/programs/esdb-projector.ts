/** A live projector on EventStoreDB, as a process of its own, until it is interrupted. */
import { createEventStoreDbStore } from '../../src/event-store/eventstoredb/index.js';
import { pg } from '../../src/postgres/driver.js';
import { createProjector } from '../../src/projector/index.js';
import { answer, readTask } from './task.js';

export interface EsdbProjectorTask {
  readonly databaseUrl: string;
  readonly url: string;
}

export interface EsdbProjectorAnswer {
  readonly pages: number;
  readonly events: number;
}

const { databaseUrl, url } = readTask<EsdbProjectorTask>();
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 });
const store = createEventStoreDbStore({ url });
const projector = createProjector({ store, pool });
await projector.run({ signal: stop.signal });
const { pages, events } = projector.counters;
await store.close();
await pool.end();
answer({ pages, events } satisfies EsdbProjectorAnswer);
