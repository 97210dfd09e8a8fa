/** The projector catching up over a long log: how fast, and whether its memory stays where it is. */
import type { Benchmark } from '../benchmark.js';
import type { FillLogTask } from '../programs/fill-log.js';
import type { ProjectAnswer, ProjectTask, Quarter } from '../programs/project.js';
import { against, type Figure } from '../report.js';
import { runProgram } from '../run-program.js';

const CONNECTORS = 10_000;
/** Garbage is not collected at the same point of each quarter; a leak would show in a million events. */
const FLAT = 1.2;

export const projector: Benchmark = {
  name: 'projector',
  title: 'Projector: catching up 1 000 000 events of 10 000 connectors, all read tables',
  run: ({ server, signal, isQuick, progress }) =>
    server.withDatabase('projector', async databaseUrl => {
      const events = isQuick ? 60_000 : 1_000_000;
      progress(`appending ${events} events`);
      const fill: FillLogTask = { databaseUrl, connectors: CONNECTORS, events };
      const appended = await runProgram<{ perSecond: number }>('fill-log', fill, { signal });
      progress('catching up');
      const task: ProjectTask = { databaseUrl, events };
      const result = await runProgram<ProjectAnswer>('project', task, { signal });
      if (result.deadLetters > 0) throw new Error(`${result.deadLetters} events became dead letters`);
      const [first, , , last] = result.quarters as [Quarter, Quarter, Quarter, Quarter];
      const memory = (name: string, of: (quarter: Quarter) => number): Figure => ({
        name: `memory, last quarter: ${name}`,
        value: of(last),
        unit: 'MB',
        ...against('first quarter', of(first), of(last)),
        limit: { on: 'ratio', kind: 'at most', value: FLAT },
      });
      const list = (of: (quarter: Quarter) => number) =>
        result.quarters.map(quarter => Math.round(of(quarter)).toLocaleString('en-US')).join(' · ');
      return {
        figures: [
          {
            name: 'catching up',
            value: result.perSecond,
            unit: '/s',
            ...against('reading the log alone', result.readPerSecond, result.perSecond),
            limit: { on: 'value', kind: 'at least', value: 20_000 },
          },
          memory('resident', quarter => quarter.residentMb),
          memory('heap after collection', quarter => quarter.heapMb),
          { name: 'memory, peak: resident', value: result.peakMb, unit: 'MB' },
        ],
        notes: [
          `By quarter: ${list(quarter => quarter.perSecond)} events/s; ${list(quarter => quarter.residentMb)} MB`,
          `resident; ${list(quarter => quarter.heapMb)} MB of heap. ${result.rows.toLocaleString('en-US')} rows were written.`,
          `The log was appended through the store at ${Math.round(appended.perSecond).toLocaleString('en-US')} events/s, 1000 at a time.`,
        ],
      };
    }),
};
