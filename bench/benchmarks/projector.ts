/**
 * The projector catching up over a long log: how fast, and whether its memory stays where it is.
 *
 * Memory is judged by its trend over the last three quarters of the run (how: programs/project.ts). Until
 * November 2026 the last quarter was compared with the first, in which a process still grows to its working size,
 * and heaps of 11, 27, 27 and 27 MB, flat from the second quarter on, came out as more than doubled.
 */
import type { Benchmark } from '../benchmark.js';
import type { FillLogTask } from '../programs/fill-log.js';
import type { Growth, ProjectAnswer, ProjectTask, Quarter } from '../programs/project.js';
import { against, type Figure } from '../report.js';
import { runProgram } from '../run-program.js';

const CONNECTORS = 10_000;
/** What the pages under way hold differs from reading to reading; a leak would show in 750 000 events. */
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
      const memory = (name: string, { fromMb, toMb }: Growth): Figure => ({
        name: `memory, trend at the end: ${name}`,
        value: toMb,
        unit: 'MB',
        ...against('after the first quarter', fromMb, toMb),
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
          memory('resident', result.resident),
          memory('heap after forced collections', result.heap),
          { name: 'CPU time, a million events', value: result.cpuSecondsPerMillion, unit: 's' },
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
