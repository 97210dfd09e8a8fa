/** What operations take over a link between a process and its database: the counts of docs/benchmarks.md as time. */
import type { Benchmark } from '../benchmark.js';
import type { RoundTripsAnswer, RoundTripsTask } from '../programs/round-trips.js';
import { against, type Figure } from '../report.js';
import { runProgram } from '../run-program.js';

/** In round trips of the bare client, what is waited for at most; a little of each is work. */
const GOALS: Readonly<Record<string, number>> = {
  'create + first get': 5.2,
  get: 1.2,
  history: 1.2,
  getStats: 1.2,
  'one fact + flush': 3.5,
  'get + sync + flush': 4.5,
  '20 syncs + one flush': 5,
  invalidate: 4.5,
  'close with one fact waiting': 5,
};

export const roundTrips: Benchmark = {
  name: 'round-trips',
  title: 'Round trips: the database is one link away (--rtt, milliseconds)',
  run: ({ server, signal, isQuick, progress, rttMs }) =>
    server.withDatabase('round_trips', async databaseUrl => {
      progress(`operations over a link of ${rttMs} ms`);
      const task: RoundTripsTask = { databaseUrl, rttMs, rounds: isQuick ? 2 : 7 };
      const { operations, bare } = await runProgram<RoundTripsAnswer>('round-trips', task, { signal });
      const figures = operations.map(({ name, projection, ms }): Figure => {
        const goal = projection === 'inline' ? GOALS[name] : undefined;
        return {
          name: `${name}, ${projection}`,
          value: ms,
          unit: 'ms',
          ...against('bare SELECT', bare.selectMs, ms),
          limit: goal === undefined ? undefined : { on: 'ratio', kind: 'at most', value: goal },
        };
      });
      return {
        figures,
        notes: [
          `Medians, over a link that holds all for half of ${rttMs} ms; the bare client goes through it as well, and`,
          `connects and asks once in ${bare.connectMs.toFixed(1)} ms. A ratio is so many round trips, as test/round-trips/ counts them,`,
          'and the work of both ends.',
        ],
      };
    }),
};
