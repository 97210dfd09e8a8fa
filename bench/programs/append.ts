/**
 * Appending through the store against a bare INSERT of the same columns into a table with the same indexes. The
 * two take turns in short rounds. The bare one checks nothing: no schema, no stream versions, no duplicates,
 * and no order of commits, for which the store holds a lock.
 */
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import type { NewEvent } from '../../src/events/event.js';
import { pg } from '../../src/postgres/driver.js';
import { median } from '../statistics.js';
import { createWorkload } from '../workload.js';
import { answer, readTask } from './task.js';

export interface AppendTask {
  readonly databaseUrl: string;
  readonly shapes: readonly AppendShape[];
  readonly rounds: number;
  readonly roundMs: number;
}

export interface AppendShape {
  readonly callers: number;
  /** Events an append. */
  readonly batch: number;
}

export interface AppendAnswer {
  readonly shapes: readonly {
    readonly shape: AppendShape;
    /** Events a second. */
    readonly store: number;
    readonly bare: number;
    /** Median of the rounds' ratios. */
    readonly ratio: number;
  }[];
}

type Append = (events: readonly NewEvent[]) => Promise<unknown>;

const BARE_TABLE = `
CREATE TABLE bare_event (LIKE connector_event_kept INCLUDING INDEXES INCLUDING DEFAULTS);
CREATE SEQUENCE bare_position`;

const BARE_INSERT = `
INSERT INTO bare_event (position, stream, version, event_id, type, schema_version, data, occurred_at, host, forgettable)
SELECT nextval('bare_position'), u.stream, u.version, u.id, u.type, 1, u.data, to_timestamp(u.at / 1000), 'bench/1', false
  FROM unnest($1::text[], $2::bigint[], $3::uuid[], $4::text[], $5::jsonb[], $6::float8[])
    AS u (stream, version, id, type, data, at)`;

const task = readTask<AppendTask>();
const pool = new pg.Pool({ connectionString: task.databaseUrl, max: 10 });
await pool.query(BARE_TABLE);
const store = createPostgresEventStore({ pool });
const workload = createWorkload({ connectors: 10_000, events: 1_000_000, endsAtMs: Date.now() });
let made = 0;
const nextBatch = (size: number) => Array.from({ length: size }, () => workload.next(made++));

const throughStore: Append = events => store.append(events);

let bareVersion = 0;
const bareInsert: Append = events =>
  pool.query({
    name: 'bare_insert',
    text: BARE_INSERT,
    values: [
      events.map(event => event.stream),
      events.map(() => ++bareVersion),
      events.map(event => event.id),
      events.map(event => event.type),
      events.map(event => JSON.stringify(event.data)),
      events.map(event => event.occurredAt),
    ],
  });

async function eventsPerSecond(append: Append, { callers, batch }: AppendShape): Promise<number> {
  let events = 0;
  const startedMs = performance.now();
  const endsMs = startedMs + task.roundMs;
  const caller = async () => {
    while (performance.now() < endsMs) {
      await append(nextBatch(batch));
      events += batch;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return (events * 1_000) / (performance.now() - startedMs);
}

const shapes = [];
for (const shape of task.shapes) {
  await eventsPerSecond(throughStore, shape);
  await eventsPerSecond(bareInsert, shape);
  const rounds: { store: number; bare: number }[] = [];
  for (let i = 0; i < task.rounds; i++) {
    rounds.push({
      store: await eventsPerSecond(throughStore, shape),
      bare: await eventsPerSecond(bareInsert, shape),
    });
  }
  shapes.push({
    shape,
    store: median(rounds.map(round => round.store)),
    bare: median(rounds.map(round => round.bare)),
    ratio: median(rounds.map(round => round.store / round.bare)),
  });
}
await store.close();
await pool.end();
answer({ shapes } satisfies AppendAnswer);
