/** Appending to EventStoreDB through the store, against the bare client. */
import type { Benchmark } from '../benchmark.js';
import { withEventStoreDb } from '../esdb-server.js';
import type { EsdbAppendAnswer, EsdbAppendShape, EsdbAppendTask } from '../programs/esdb-append.js';
import { runProgram } from '../run-program.js';

const SHAPES: readonly EsdbAppendShape[] = [
  { callers: 1, batch: 1, streams: 'own' },
  { callers: 16, batch: 1, streams: 'own' },
  { callers: 16, batch: 1, streams: 'one' },
  { callers: 1, batch: 100, streams: 'own' },
  { callers: 16, batch: 100, streams: 'one' },
  { callers: 1, batch: 100, streams: 'connectors' },
  { callers: 1, batch: 1, streams: 'new' },
  { callers: 6, processes: 6, batch: 1, streams: 'one' },
];

const WHERE = {
  one: 'one stream',
  own: 'a stream a caller',
  connectors: 'streams of 1000 connectors',
  new: 'a new stream each',
};

export const esdbAppend: Benchmark = {
  name: 'esdb-append',
  title: 'EventStoreDB: appending through the store and by the bare client',
  run: ({ signal, isQuick, progress }) =>
    withEventStoreDb(signal, async ({ url, description }) => {
      progress('rounds of store and bare client');
      const task: EsdbAppendTask = {
        url,
        shapes: SHAPES,
        rounds: isQuick ? 3 : 11,
        roundMs: isQuick ? 200 : 1_000,
      };
      const { shapes } = await runProgram<EsdbAppendAnswer>('esdb-append', task, { signal });
      return {
        figures: shapes.map(({ shape, store, bare, ratio }) => ({
          name: nameOf(shape),
          value: store.perSecond,
          unit: '/s' as const,
          peer: { name: 'bare client', value: bare.perSecond },
          ratio: ratio.perSecond,
          limit: { on: 'ratio', kind: 'at least', value: 0.9 } as const,
        })),
        notes: [
          `Events a second. ${description}`,
          'The bare client appends the same events to streams of its own, at any revision, one call a stream.',
          'Six processes are six stores, or clients, in one process here; each append of the store names a revision, and conflicts.',
          'A new stream costs the store no look at it: the ids were made in this process and given to nobody before.',
        ],
      };
    }),
};

const nameOf = ({ callers, processes, batch, streams }: EsdbAppendShape): string =>
  `${callers === 1 ? '1 caller' : `${callers} ${processes ? 'processes' : 'callers'}`}, ${batch} event${batch === 1 ? '' : 's'}, ${WHERE[streams]}`;
