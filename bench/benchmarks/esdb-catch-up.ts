/** Reading a long log from EventStoreDB through the store, against the bare client. */
import type { Benchmark } from '../benchmark.js';
import { withEventStoreDb } from '../esdb-server.js';
import type { Compared, EsdbCatchUpAnswer, EsdbCatchUpTask } from '../programs/esdb-catch-up.js';
import type { Figure } from '../report.js';
import { runProgram } from '../run-program.js';

export const esdbCatchUp: Benchmark = {
  name: 'esdb-catch-up',
  title: 'EventStoreDB: catching up through the store and by the bare client',
  run: ({ signal, isQuick, progress }) =>
    withEventStoreDb(signal, async ({ url, description }) => {
      const events = isQuick ? 10_000 : 200_000;
      progress(`appending ${events} events, then rounds of reading them`);
      const task: EsdbCatchUpTask = { url, connectors: 1_000, events, rounds: isQuick ? 3 : 9 };
      const { subscribe, readAll, readsAtOnce } = await runProgram<EsdbCatchUpAnswer>('esdb-catch-up', task, {
        signal,
      });
      return {
        figures: [
          figure('subscription, pages of 1000', "the bare client's, same filter", subscribe),
          figure('readAll, pages of 1000', "the bare client's, one stream of all", readAll),
          figure('300 reads of 2000 events at once', 'the bare client', readsAtOnce),
        ],
        notes: [
          `Events a second. ${description}`,
          'The bare client parses data and metadata; the store checks them against the schema as well.',
        ],
      };
    }),
};

const figure = (name: string, peer: string, { store, bare, ratio }: Compared): Figure => ({
  name,
  value: store,
  unit: '/s',
  peer: { name: peer, value: bare },
  ratio,
  limit: { on: 'ratio', kind: 'at least', value: 0.9 },
});
