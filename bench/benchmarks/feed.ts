/** The live feed over HTTP: many followers, one reader of the log. */
import type { Benchmark } from '../benchmark.js';
import type { FeedAnswer, FeedTask } from '../programs/feed.js';
import type { FillLogTask } from '../programs/fill-log.js';
import { against } from '../report.js';
import { runProgram } from '../run-program.js';

const PEER = 'bare node:http, same bytes';

export const feed: Benchmark = {
  name: 'feed',
  title: 'Live feed: 200 followers from the first event on, over HTTP',
  run: ({ server, signal, isQuick, progress }) =>
    server.withDatabase('feed', async databaseUrl => {
      const events = isQuick ? 2_000 : 300_000;
      const followers = 200;
      progress(`${events} events`);
      const fill: FillLogTask = { databaseUrl, connectors: 1_000, events };
      await runProgram<unknown>('fill-log', fill, { signal });
      progress(`${followers} followers`);
      const task: FeedTask = { databaseUrl, followers, events };
      const seen = await runProgram<FeedAnswer>('feed', task, { signal });
      const delivered = followers * events;
      return {
        figures: [
          {
            name: 'events delivered',
            value: delivered / seen.seconds,
            unit: '/s',
            peer: { name: PEER, value: delivered / seen.bareSeconds },
            ratio: seen.bareSeconds / seen.seconds,
          },
          {
            name: 'queries for a page of 500, of all together',
            value: seen.queries / seen.pages,
            unit: '×',
            // Besides the pages: which log it is and where it ends, asked once.
            limit: { on: 'value', kind: 'at most', value: isQuick ? 5 : 1.05 },
          },
          {
            name: 'out of order or twice',
            value: seen.disorder,
            unit: 'events',
            limit: { on: 'value', kind: 'at most', value: 0 },
          },
          { name: 'memory before', value: seen.rssBeforeMb, unit: 'MB' },
          { name: 'memory, most', value: seen.rssPeakMb, unit: 'MB' },
          {
            name: 'memory, trend at the end',
            value: seen.rssToMb,
            unit: 'MB',
            ...against('after the first quarter', seen.rssFromMb, seen.rssToMb),
            ...(!isQuick && { limit: { on: 'ratio', kind: 'at most', value: 1.2 } as const }),
          },
        ],
        notes: [
          `The tail looks for news once a second, whoever follows: ${seen.polls} queries that are not counted above.`,
          `${(seen.bytes / 1e9).toFixed(1)} GB were sent. Followers and service share the machine's processors; the peer reads no log and keeps all pages in memory.`,
        ],
      };
    }),
};
