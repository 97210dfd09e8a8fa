/** Appending events, one at a time and in batches, against bare INSERTs. */
import type { Benchmark } from '../benchmark.js';
import type { AppendAnswer, AppendTask } from '../programs/append.js';
import type { Figure } from '../report.js';
import { runProgram } from '../run-program.js';

/** By callers and events an append. */
const EMMETT_GOALS: Readonly<Record<string, number>> = { '1x1': 1.5, '16x1': 3, '1x100': 2, '4x100': 2 };

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
          { callers: 16, batch: 1 },
          { callers: 1, batch: 100 },
          { callers: 4, batch: 100 },
          { callers: 1, batch: 500 },
        ],
        rounds: isQuick ? 3 : 11,
        roundMs: isQuick ? 200 : 1_000,
      };
      const { shapes } = await runProgram<AppendAnswer>('append', task, { signal });
      return {
        figures: shapes.flatMap(({ shape, store, bare, ratio, emmett }): Figure[] => {
          const { callers, batch } = shape;
          const name = `${callers === 1 ? '1 caller' : `${callers} callers`}, ${batch} event${batch === 1 ? '' : 's'} an append`;
          const goal = EMMETT_GOALS[`${callers}x${batch}`];
          return [
            {
              name,
              value: store,
              unit: '/s',
              peer: { name: 'bare INSERT', value: bare },
              ratio,
              limit: batch === 500 ? { on: 'ratio', kind: 'at least', value: 0.9 } : undefined,
            },
            ...(emmett
              ? [
                  {
                    name: `${name}, to one stream`,
                    value: emmett.rate * emmett.ratio,
                    unit: '/s' as const,
                    peer: { name: 'Emmett', value: emmett.rate },
                    ratio: emmett.ratio,
                    limit:
                      goal === undefined
                        ? undefined
                        : { on: 'ratio' as const, kind: 'at least' as const, value: goal },
                  },
                ]
              : []),
          ];
        }),
        notes: [
          'The bare INSERT writes the same columns into a table with the same indexes. The store also checks schema,',
          'stream version and duplicates, and keeps the order of commits, for which appends queue and go together.',
          'A flush of the recorder is one append of up to 500 events. Beside Emmett (`npm ci --prefix bench` installs it)',
          'all events of an append go to one stream, as its interface has it. It refuses one of two appends that meet in a',
          'stream (findings/emmett-no-check-conflicts.sh); the bench tries again until it takes it.',
        ],
      };
    }),
};
