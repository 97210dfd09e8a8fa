/** A slow consumer of a long log in EventStoreDB: whether its slowness reaches the server, or piles up in memory. */
import type { Benchmark } from '../benchmark.js';
import { withEventStoreDb } from '../esdb-server.js';
import type { EsdbFillAnswer, EsdbFillTask } from '../programs/esdb-fill.js';
import type { EsdbMemoryAnswer, EsdbMemoryTask, MemoryQuarter } from '../programs/esdb-memory.js';
import { against, type Figure } from '../report.js';
import { runProgram } from '../run-program.js';

const CONNECTORS = 10_000;
/** Garbage is not collected at the same point of each quarter; a leak would show in a million events. */
const FLAT = 1.2;
/** A page that was handed out, one in the making, and what fits into buffers and sockets on the way. */
const MAX_AHEAD = 20_000;

/** Some ten thousand events a second, a fraction of what the store reads. */
const PAGE_WORK_MS = 25;

const whole = (value: number): string => Math.round(value).toLocaleString('en-US');

export const esdbMemory: Benchmark = {
  name: 'esdb-memory',
  title: 'EventStoreDB: following 1 000 000 events with a consumer that is slower than the server',
  run: ({ signal, isQuick, progress }) =>
    withEventStoreDb(signal, async ({ url, counterPort, description }) => {
      const events = isQuick ? 60_000 : 1_000_000;
      progress(`appending ${events} events`);
      const fill: EsdbFillTask = { url, connectors: CONNECTORS, events };
      const { after, perSecond: filled } = await runProgram<EsdbFillAnswer>('esdb-fill', fill, { signal });
      progress('following them');
      const task: EsdbMemoryTask = { url, counterPort, after, events, pageWorkMs: PAGE_WORK_MS };
      const { quarters, perSecond, peakMb, aheadEvents } = await runProgram<EsdbMemoryAnswer>(
        'esdb-memory',
        task,
        { signal },
      );
      const [first, , , last] = quarters as [MemoryQuarter, MemoryQuarter, MemoryQuarter, MemoryQuarter];
      const flat = (name: string, of: (quarter: MemoryQuarter) => number): Figure => ({
        name: `last quarter: ${name}`,
        value: of(last),
        unit: 'MB',
        ...against('first quarter', of(first), of(last)),
        limit: { on: 'ratio', kind: 'at most', value: FLAT },
      });
      const list = (of: (quarter: MemoryQuarter) => number) =>
        quarters.map(quarter => whole(of(quarter))).join(' · ');
      return {
        figures: [
          flat('resident', quarter => quarter.residentMb),
          flat('heap after collection', quarter => quarter.heapMb),
          { name: 'peak: resident', value: peakMb, unit: 'MB' },
          ...(aheadEvents === undefined
            ? []
            : [
                {
                  name: 'events sent ahead of the consumer',
                  value: aheadEvents,
                  unit: 'events',
                  limit: { on: 'value', kind: 'at most', value: MAX_AHEAD },
                } as const,
              ]),
        ],
        notes: [
          `The consumer worked ${PAGE_WORK_MS} ms on each page of 500: ${whole(perSecond)} events/s. By quarter:`,
          `${list(quarter => quarter.residentMb)} MB resident; ${list(quarter => quarter.heapMb)} MB of heap.`,
          `The log was appended through the store at ${whole(filled)} events/s, 1000 at a time.`,
          description,
        ],
      };
    }),
};
