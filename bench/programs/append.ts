/**
 * Appending through the store against a bare INSERT of the same columns into a table with the same indexes. The
 * two take turns in short rounds. The bare one checks nothing: no schema, no stream versions, no duplicates,
 * and no order of commits, for which the store holds a lock.
 */
import { createRequire } from 'node:module';
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
    /** Emmett's store, where it is installed. */
    readonly emmett: { readonly rate: number; readonly ratio: number } | undefined;
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

/** All of a batch into one stream, as Emmett has it; ours then too. */
const ofOneStream = (events: readonly NewEvent[]): readonly NewEvent[] =>
  events.map(event => ({ ...event, stream: events[0]?.stream ?? event.stream }));

interface Emmett {
  append: Append;
  close(): Promise<void>;
}

/** A peer of bench/'s own: `npm ci --prefix bench` installs it. */
async function openEmmett(): Promise<Emmett | undefined> {
  const require = createRequire(`${process.cwd()}/bench/package.json`);
  let path: string;
  try {
    path = require.resolve('@event-driven-io/emmett-postgresql');
  } catch {
    return undefined;
  }
  const { getPostgreSQLEventStore } = require(path);
  const emmett = getPostgreSQLEventStore(task.databaseUrl);
  await emmett.schema.migrate();
  const append: Append = async events => {
    const messages = events.map(({ type, data, id }) => ({ type, data, metadata: { id } }));
    // Of two appends to one stream at once it refuses one, though no version was expected (findings/): who has to
    // store the facts tries again, as its command handlers do with `retry: { onVersionConflict: true }`.
    for (;;) {
      try {
        return await emmett.appendToStream(events[0]?.stream, messages);
      } catch (error) {
        if (!/ExpectedVersionConflict/.test((error as Error).constructor.name)) throw error;
      }
    }
  };
  return { append, close: () => emmett.close() };
}

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

const emmett = await openEmmett();
const throughStoreInOneStream: Append = events => store.append(ofOneStream(events));
const shapes = [];
for (const shape of task.shapes) {
  const appends = {
    store: throughStore,
    bare: bareInsert,
    ...(emmett && { emmett: emmett.append, one: throughStoreInOneStream }),
  };
  const rounds: Record<string, number>[] = [];
  // The first round warms up.
  for (let i = 0; i <= task.rounds; i++) {
    const round: Record<string, number> = {};
    for (const [name, append] of Object.entries(appends)) round[name] = await eventsPerSecond(append, shape);
    if (i > 0) rounds.push(round);
  }
  const of = (figure: (round: Record<string, number>) => number) => median(rounds.map(figure));
  const ratio = (a: string, b: string) => of(round => (round[a] as number) / (round[b] as number));
  shapes.push({
    shape,
    store: of(round => round.store as number),
    bare: of(round => round.bare as number),
    ratio: ratio('store', 'bare'),
    emmett: emmett && { rate: of(round => round.emmett as number), ratio: ratio('one', 'emmett') },
  });
}
await emmett?.close();
await store.close();
await pool.end();
answer({ shapes } satisfies AppendAnswer);
