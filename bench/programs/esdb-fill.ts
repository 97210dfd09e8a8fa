/** Appends the workload to EventStoreDB, a thousand events at a time, and says behind which position it lies. */
import { createEventStoreDbStore } from '../../src/event-store/eventstoredb/index.js';
import { createWorkload } from '../workload.js';
import { answer, readTask } from './task.js';

export interface EsdbFillTask {
  readonly url: string;
  readonly connectors: number;
  readonly events: number;
}

export interface EsdbFillAnswer {
  /** The last position before; left out in an empty log. */
  readonly after?: string;
  readonly perSecond: number;
}

const BATCH = 1_000;

const { url, connectors, events } = readTask<EsdbFillTask>();
const store = createEventStoreDbStore({ url });
const after = await store.head();
const workload = createWorkload({ connectors, events, endsAtMs: Date.now() });
const startedMs = performance.now();
for (let appended = 0; appended < events; appended += BATCH) {
  const size = Math.min(BATCH, events - appended);
  await store.append(Array.from({ length: size }, (_, i) => workload.next(appended + i)));
}
const perSecond = (events * 1_000) / (performance.now() - startedMs);
await store.close();
answer({ ...(after !== undefined && { after }), perSecond } satisfies EsdbFillAnswer);
