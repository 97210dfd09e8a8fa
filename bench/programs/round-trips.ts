/** Plays the operations of test/round-trips/ over a link with a delay, and times them. */

import { silentLogger } from '../../src/base/logging.js';
import { createConnectorState } from '../../src/composition/connector-state.js';
import { pg } from '../../src/postgres/driver.js';
import { OPERATIONS, type Stage } from '../../test/round-trips/operations.js';
import { startLink } from '../link.js';
import { median } from '../statistics.js';
import { answer, readTask } from './task.js';

export interface RoundTripsTask {
  readonly databaseUrl: string;
  readonly rttMs: number;
  readonly rounds: number;
}

export interface RoundTripsAnswer {
  readonly operations: readonly {
    readonly name: string;
    readonly projection: 'inline' | 'worker';
    readonly ms: number;
  }[];
  readonly bare: { readonly connectMs: number; readonly selectMs: number };
}

const task = readTask<RoundTripsTask>();

/** A server plans a statement anew, and reads its catalogue, the first times that a connection brings it. */
const TIMES = 8;

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}

async function overLink<T>(work: (stage: Stage) => Promise<T>): Promise<T> {
  const link = await startLink(task.databaseUrl, task.rttMs);
  const opened: { close(): Promise<void> }[] = [];
  const stage: Stage = {
    link: { url: link.url, count: timed },
    times: TIMES,
    async start(options) {
      const state = await createConnectorState({
        databaseUrl: link.url,
        // As in production.
        autoMigrate: false,
        // What a deadline does is not the question here.
        lookupDeadlineMs: 10_000,
        flushIntervalMs: 600_000,
        logger: silentLogger,
        ...options,
      });
      opened.push(state);
      return state;
    },
  };
  try {
    return await work(stage);
  } finally {
    for (const state of opened) await state.close();
    await link.close();
  }
}

async function medianOf(play: (stage: Stage) => Promise<number>): Promise<number> {
  const figures: number[] = [];
  for (let round = 0; round < task.rounds; round++) figures.push(await overLink(play));
  return median(figures);
}

const bareFigures: { connectMs: number; selectMs: number }[] = [];
for (let round = 0; round < task.rounds; round++) {
  await overLink(async ({ link }) => {
    const client = new pg.Client({ connectionString: link.url });
    const select = () => client.query('SELECT 1');
    const connectMs = await timed(() => client.connect().then(select));
    for (let left = TIMES; left > 1; left--) await select();
    bareFigures.push({ connectMs, selectMs: await timed(select) });
    await client.end();
  });
}

const operations = [];
for (const projection of ['inline', 'worker'] as const) {
  for (const [name, play] of Object.entries(OPERATIONS)) {
    const as = (stage: Stage) =>
      play({ ...stage, start: options => stage.start({ projection, ...options }) });
    operations.push({ name, projection, ms: await medianOf(as) });
  }
}
answer({
  operations,
  bare: {
    connectMs: median(bareFigures.map(({ connectMs }) => connectMs)),
    selectMs: median(bareFigures.map(({ selectMs }) => selectMs)),
  },
} satisfies RoundTripsAnswer);
