/** Appends the workload to the log, a thousand events at a time. */
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import { pg } from '../../src/postgres/driver.js';
import { createWorkload } from '../workload.js';
import { answer, readTask } from './task.js';

export interface FillLogTask {
  readonly databaseUrl: string;
  readonly connectors: number;
  readonly events: number;
}

const BATCH = 1_000;

const { databaseUrl, connectors, events } = readTask<FillLogTask>();
const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 });
const store = createPostgresEventStore({ pool });
const workload = createWorkload({ connectors, events, endsAtMs: Date.now() });
const startedMs = performance.now();
for (let appended = 0; appended < events; appended += BATCH) {
  const size = Math.min(BATCH, events - appended);
  await store.append(Array.from({ length: size }, (_, i) => workload.next(appended + i)));
}
const perSecond = (events * 1_000) / (performance.now() - startedMs);
// What a log that was not written in one go has had done to it long ago.
await pool.query('VACUUM (ANALYZE) connector_event');
await pool.query('CHECKPOINT');
await store.close();
await pool.end();
answer({ perSecond });
