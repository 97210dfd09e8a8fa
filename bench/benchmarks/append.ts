/** Appending events, one at a time and in batches, against bare INSERTs. */
import type { Benchmark } from '../benchmark.js';
import type { AppendAnswer, AppendTask } from '../programs/append.js';
import { runProgram } from '../run-program.js';

export const append: Benchmark = {
  name: 'append',
  title: 'Append: events through the store, every commit waits for the disk',
  run: ({ server, signal, isQuick, progress }) =>
    server.withDatabase('append', async databaseUrl => {
      progress('rounds of store and bare INSERT');
      const task: AppendTask = {
        databaseUrl,
        shapes: [
          { callers: 1, batch: 1 },
          { callers: 8, batch: 1 },
          { callers: 1, batch: 20 },
          { callers: 1, batch: 500 },
        ],
        rounds: isQuick ? 3 : 11,
        roundMs: isQuick ? 200 : 1_000,
      };
      const { shapes } = await runProgram<AppendAnswer>('append', task, { signal });
      return {
        figures: shapes.map(({ shape: { callers, batch }, store, bare, ratio }) => ({
          name: `${callers === 1 ? '1 caller' : `${callers} callers`}, ${batch} event${batch === 1 ? '' : 's'} an append`,
          value: store,
          unit: '/s' as const,
          peer: { name: 'bare INSERT', value: bare },
          ratio,
        })),
        notes: [
          'The bare INSERT writes the same columns into a table with the same indexes. The store also checks schema,',
          'stream version and duplicates, and keeps the order of commits, for which appends queue: that is the price',
          'shown with 8 callers. A flush of the recorder is one append of up to 500 events.',
        ],
      };
    }),
};
