/**
 * How long it takes from the call of an append until the read table shows it, with a live projector in the same
 * process. A reader on a connection of its own asks for the row again and again.
 *
 * The peer is the least that any follower could take here: a bare INSERT with a NOTIFY, until a bare LISTEN
 * hears it. Both wait for one commit to reach the disk; the projector's own commit is a second one.
 */
import type { Client } from 'pg';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import { cacheKeyOf } from '../../src/events/connector.js';
import { newEventId } from '../../src/events/ids.js';
import { stateStreamOf } from '../../src/events/streams.js';
import { seededRandom } from '../../src/exchanges/simulator/random.js';
import { pg } from '../../src/postgres/driver.js';
import { createProjector } from '../../src/projector/index.js';
import { connectorOf } from '../states.js';
import { median, quantile } from '../statistics.js';
import { syncOf } from '../workload.js';
import { answer, readTask } from './task.js';

export interface VisibilityTask {
  readonly databaseUrl: string;
  readonly appends: number;
}

export interface VisibilityAnswer {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly appendMs: number;
  readonly notifyMs: number;
}

const WARM_UP = 20;
const DEADLINE_MS = 10_000;

const task = readTask<VisibilityTask>();
const pool = new pg.Pool({ connectionString: task.databaseUrl, max: 6 });
const store = createPostgresEventStore({ pool, listen: { connectionString: task.databaseUrl } });
const projector = createProjector({ store, pool });
const stop = new AbortController();
const running = projector.run({ signal: stop.signal });

const reader = new pg.Client({ connectionString: task.databaseUrl });
await reader.connect();
const random = seededRandom(1);

async function appendAndSee(index: number): Promise<{ appendMs: number; visibleMs: number }> {
  const ref = connectorOf(index % 100);
  const atMs = Date.now();
  const startedMs = performance.now();
  const { position } = await store.append([
    {
      type: 'ConnectorSynced',
      data: syncOf(ref, atMs, random),
      id: newEventId(),
      stream: stateStreamOf(ref),
      occurredAt: atMs,
      host: 'bench/1',
    },
  ]);
  const appendedMs = performance.now();
  for (;;) {
    const { rowCount } = await reader.query({
      name: 'is_visible',
      text: 'SELECT FROM connector_state_cache WHERE cache_key = $1 AND position = $2',
      values: [cacheKeyOf(ref), position],
    });
    const nowMs = performance.now();
    if (rowCount === 1) return { appendMs: appendedMs - startedMs, visibleMs: nowMs - startedMs };
    if (nowMs - appendedMs > DEADLINE_MS) throw new Error(`not visible after ${DEADLINE_MS} ms`);
  }
}

async function notifyAndHear(sender: Client): Promise<number> {
  const heard = new Promise<void>(resolve => reader.once('notification', () => resolve()));
  const startedMs = performance.now();
  await sender.query(
    "WITH stored AS (INSERT INTO bare_note VALUES (1) RETURNING 1) SELECT pg_notify('bench', '') FROM stored",
  );
  await heard;
  return performance.now() - startedMs;
}

for (let i = 0; i < WARM_UP; i++) await appendAndSee(i);
const seen = [];
for (let i = 0; i < task.appends; i++) seen.push(await appendAndSee(i));
stop.abort();
await running;

await reader.query('CREATE TABLE bare_note (note integer)');
await reader.query('LISTEN bench');
const sender = new pg.Client({ connectionString: task.databaseUrl });
await sender.connect();
const notifyMs: number[] = [];
for (let i = 0; i < WARM_UP + task.appends; i++) notifyMs.push(await notifyAndHear(sender));

await sender.end();
await reader.end();
await store.close();
await pool.end();
answer({
  p50Ms: median(seen.map(({ visibleMs }) => visibleMs)),
  p99Ms: quantile(
    seen.map(({ visibleMs }) => visibleMs),
    0.99,
  ),
  appendMs: median(seen.map(({ appendMs }) => appendMs)),
  notifyMs: median(notifyMs.slice(WARM_UP)),
} satisfies VisibilityAnswer);
