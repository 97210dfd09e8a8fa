/** From an append to EventStoreDB to the row that a lookup reads, with a live projector, at a steady rate. */
import type { Benchmark } from '../benchmark.js';
import { withEventStoreDb } from '../esdb-server.js';
import type { EsdbProjectorTask } from '../programs/esdb-projector.js';
import type { EsdbVisibilityAnswer, EsdbVisibilityTask } from '../programs/esdb-visibility.js';
import { against } from '../report.js';
import { runProgram } from '../run-program.js';

const APPENDS_PER_SECOND = 1_000;
const MAX_P99_MS = 50;
const PEER = 'append acknowledged, p50';

export const esdbVisibility: Benchmark = {
  name: 'esdb-visibility',
  title: 'EventStoreDB: from append() to a visible row, at 1000 events a second, one an append',
  run: ({ server, signal, isQuick, progress }) =>
    server.withDatabase('esdb_visibility', databaseUrl =>
      withEventStoreDb(signal, async ({ url, description }) => {
        const seconds = isQuick ? 3 : 30;
        progress(`${seconds} s of appends`);
        const task: EsdbVisibilityTask = {
          databaseUrl,
          url,
          appendsPerSecond: APPENDS_PER_SECOND,
          seconds,
        };
        const found = await besideProjector({ databaseUrl, url }, signal, () =>
          runProgram<EsdbVisibilityAnswer>('esdb-visibility', task, { signal }),
        );
        const { p50Ms, p99Ms, maxMs, appendP50Ms, appendP99Ms, appends, perSecond } = found;
        return {
          figures: [
            { name: 'visible, p50', value: p50Ms, unit: 'ms', ...against(PEER, appendP50Ms, p50Ms) },
            {
              name: 'visible, p99',
              value: p99Ms,
              unit: 'ms',
              ...against(PEER, appendP50Ms, p99Ms),
              limit: { on: 'value', kind: 'at most', value: MAX_P99_MS },
            },
            { name: 'visible, longest', value: maxMs, unit: 'ms' },
            { name: 'append acknowledged, p99', value: appendP99Ms, unit: 'ms' },
          ],
          notes: [
            `${appends.toLocaleString('en-US')} appends, ${Math.round(perSecond)} a second, one process; the projector is another.`,
            description,
          ],
        };
      }),
    ),
};

/** Runs `work` while a projector runs, and fails with it. */
async function besideProjector<T>(
  task: EsdbProjectorTask,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const done = new AbortController();
  const projecting = runProgram('esdb-projector', task, { signal: AbortSignal.any([signal, done.signal]) });
  const stopped = projecting.then(() => {
    throw new Error('the projector ended by itself');
  });
  try {
    return await Promise.race([work(), stopped]);
  } finally {
    done.abort();
    await projecting.catch(() => undefined);
  }
}
