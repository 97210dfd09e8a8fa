/** The service: lookups, batches, and lookups beside a flood of analyses. */
import type { Benchmark } from '../benchmark.js';
import type { FillLogTask } from '../programs/fill-log.js';
import type { HttpAnswer, HttpTask } from '../programs/http.js';
import type { ProjectTask } from '../programs/project.js';
import { against, type Figure, type Limit } from '../report.js';
import { runProgram } from '../run-program.js';
import { fillClocks, fillStates } from '../states.js';

const ROWS = 100_000;
/** What the ratio to the bare route is to be, by connections: with the more of them lookups share more queries. */
const WANTED: Readonly<Record<number, number>> = { 64: 0.8, 256: 1.5 };

const atLeast = (on: Limit['on'], value: number): Limit => ({ on, kind: 'at least', value });

export const http: Benchmark = {
  name: 'http',
  title: 'Service: lookups among 100 000 connectors over HTTP, a pool of 10, load by autocannon',
  run: ({ server, signal, isQuick, progress }) =>
    server.withDatabase('http', async databaseUrl => {
      const events = isQuick ? 60_000 : 200_000;
      progress(`${events} events to analyse`);
      const fill: FillLogTask = { databaseUrl, connectors: 1_000, events };
      await runProgram<unknown>('fill-log', fill, { signal });
      await runProgram<unknown>('project', { databaseUrl, events } satisfies ProjectTask, { signal });
      progress(`${ROWS} states`);
      await fillStates(databaseUrl, ROWS, 'instead');
      await fillClocks(databaseUrl, 'instead');
      progress('asking');
      const task: HttpTask = {
        databaseUrl,
        rows: ROWS,
        poolSize: 10,
        connections: [64, 256],
        rounds: isQuick ? 1 : 7,
        roundSeconds: isQuick ? 1 : 3,
      };
      const seen = await runProgram<HttpAnswer>('http', task, { signal });
      const { flooded, batchFromMemory, batchFromPostgres } = seen;
      const lookups = seen.byConnections.flatMap(({ connections, ours, bare, ratio, p99Ratio }): Figure[] => [
        {
          name: `lookups, ${connections} connections`,
          value: ours.perSecond,
          unit: '/s',
          peer: { name: 'bare Fastify and pg', value: bare.perSecond },
          ratio,
          limit: atLeast('ratio', WANTED[connections] ?? 0),
        },
        {
          name: `lookups, ${connections} connections, p99`,
          value: ours.p99Ms,
          unit: 'ms',
          peer: { name: 'bare Fastify and pg', value: bare.p99Ms },
          ratio: p99Ratio,
        },
      ]);
      const batch = (from: string, { ours, bare, ratio }: typeof batchFromMemory, limit?: Limit): Figure => ({
        name: `states, 1 000 a request, from ${from}`,
        value: ours.perSecond,
        unit: '/s',
        peer: { name: 'bare Fastify, same body and bytes', value: bare.perSecond },
        ratio,
        limit,
      });
      return {
        figures: [
          ...lookups,
          batch('memory', batchFromMemory, atLeast('value', 150_000)),
          batch('PostgreSQL', batchFromPostgres),
          {
            name: 'lookups beside a flood of analyses, p99',
            value: flooded.ours.p99Ms,
            unit: 'ms',
            ...against('without', flooded.bare.p99Ms, flooded.ours.p99Ms),
            ratio: flooded.p99Ratio,
            limit: { on: 'ratio', kind: 'at most', value: 1.5 },
          },
        ],
        notes: [
          `${Math.round(flooded.analyses)} analyses were answered during the flood. Service, database and who asks share the machine's processors.`,
          'Ratios are medians over paired rounds. Lookups that come while all connections are busy share a query.',
        ],
      };
    }),
};
