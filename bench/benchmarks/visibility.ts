/** From an append to the row that a lookup reads, with a live projector. */
import type { Benchmark } from '../benchmark.js';
import type { VisibilityAnswer, VisibilityTask } from '../programs/visibility.js';
import { against } from '../report.js';
import { runProgram } from '../run-program.js';

const PEER = 'INSERT and NOTIFY to LISTEN';

export const visibility: Benchmark = {
  name: 'visibility',
  title: 'Live projector: from append() to a visible row',
  run: ({ server, signal, isQuick, progress }) =>
    server.withDatabase('visibility', async databaseUrl => {
      const appends = isQuick ? 20 : 500;
      progress(`${appends} appends`);
      const task: VisibilityTask = { databaseUrl, appends };
      const { p50Ms, p99Ms, appendMs, notifyMs } = await runProgram<VisibilityAnswer>('visibility', task, {
        signal,
      });
      return {
        figures: [
          { name: 'visible, p50', value: p50Ms, unit: 'ms', ...against(PEER, notifyMs, p50Ms) },
          { name: 'visible, p99', value: p99Ms, unit: 'ms', ...against(PEER, notifyMs, p99Ms) },
          {
            name: 'append acknowledged, p50',
            value: appendMs,
            unit: 'ms',
            ...against(PEER, notifyMs, appendMs),
          },
        ],
        notes: [
          'Time from the call. The peer waits for one commit to reach the disk, the visible row for two.',
        ],
      };
    }),
};
