/**
 * The live feed over HTTP: so many followers from the beginning, what they cost the database, and this process in memory.
 *
 * The peer is the least that could be sent: a bare `node:http` server that writes the same bytes, prepared, to as many.
 */
import { fork } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { silentLogger } from '../../src/base/logging.js';
import { createConnectorState } from '../../src/composition/connector-state.js';
import { anybody } from '../../src/http/access/authentication.js';
import { frameOf } from '../../src/http/feed/frames.js';
import { createHttpServer } from '../../src/http/http-server.js';
import { pg } from '../../src/postgres/driver.js';
import { createPool } from '../../src/postgres/pool.js';
import { trend } from '../statistics.js';
import type { FollowersAnswer, FollowersTask } from './feed-followers.js';
import { answer, readTask } from './task.js';

export interface FeedTask {
  readonly databaseUrl: string;
  readonly followers: number;
  readonly events: number;
}

export interface FeedAnswer extends FollowersAnswer {
  readonly pages: number;
  /** For what lies in the log; the tail's look for news each second is not one of them. */
  readonly queries: number;
  readonly polls: number;
  /** Before anybody followed, and the most while they did. */
  readonly rssBeforeMb: number;
  readonly rssPeakMb: number;
  /** Of the line through the last three quarters: where it begins and where it ends. */
  readonly rssFromMb: number;
  readonly rssToMb: number;
  readonly bareSeconds: number;
}

const PAGE = 500;
const SAMPLE_MS = 100;
const MB = 1024 * 1024;

const { databaseUrl, followers, events } = readTask<FeedTask>();

/** In a process of their own, so that they take no turns from the service. */
function follow(url: string): Promise<FollowersAnswer> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL('./feed-followers.js', import.meta.url)));
    child.once('message', message => resolve(message as FollowersAnswer));
    child.once('exit', code => reject(new Error(`the followers ended with code ${code}`)));
    child.send({ url, followers, events } satisfies FollowersTask);
  });
}

let queries = 0;
let polls = 0;
let head = Number.POSITIVE_INFINITY;
const { query } = pg.Client.prototype;
pg.Client.prototype.query = function (this: unknown, ...args: unknown[]) {
  const [from] = (args[0] as { values?: readonly unknown[] }).values ?? [];
  if (typeof from === 'bigint' && from >= head) polls += 1;
  else queries += 1;
  return (query as (...given: unknown[]) => unknown).apply(this, args);
} as typeof query;

const quiet = { databaseUrl, logger: silentLogger, projection: 'worker' } as const;
const state = await createConnectorState(quiet);
const upkeep = await createConnectorState(quiet);
const analytics = createPool({ connectionString: databaseUrl, max: 1, log: silentLogger });
const parts = { state, upkeep, analytics, authenticator: anybody, log: silentLogger, version: 'bench' };
const server = await createHttpServer(parts);
const url = await server.listen({ host: '127.0.0.1', port: 0 });
// What a service has loaded before anybody follows.
await (await state.feed()).follow({ from: 'end' })[Symbol.asyncIterator]().next();

const { rows } = await analytics.query<{ head: string }>('SELECT max(position) AS head FROM connector_event');
head = Number(rows[0]?.head);
const rssBefore = process.memoryUsage().rss;
const samples: [atMs: number, bytes: number][] = [];
const startedMs = performance.now();
const sampling = setInterval(() => {
  samples.push([performance.now() - startedMs, process.memoryUsage().rss]);
}, SAMPLE_MS);
queries = 0;
polls = 0;
const served = await follow(`${url}/v1/events/feed?from=beginning`);
const asked = { queries, polls };
clearInterval(sampling);
const endedMs = performance.now() - startedMs;
const rssAt = trend(samples.filter(([atMs]) => atMs > endedMs / 4));
const rssPeak = Math.max(rssBefore, ...samples.map(([, rss]) => rss));

const pages: (string | Buffer)[] = [];
for await (const batch of (await state.feed()).batches({ from: 'beginning' })) {
  if (batch.type !== 'events') break;
  pages.push(frameOf(batch, 'operator') ?? '');
}
server.server.closeAllConnections();
await server.close();

const bare = createServer((_request, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const send = (next: number): void => {
    const page = pages[next];
    if (page === undefined) return;
    if (response.write(page)) setImmediate(send, next + 1);
    else response.once('drain', () => send(next + 1));
  };
  send(0);
});
await new Promise<void>(resolve => bare.listen(0, '127.0.0.1', resolve));
const { seconds: bareSeconds } = await follow(`http://127.0.0.1:${(bare.address() as AddressInfo).port}/`);
bare.closeAllConnections();
bare.close();

await Promise.all([state.close(), upkeep.close(), analytics.end()]);
answer({
  ...served,
  pages: Math.ceil(events / PAGE),
  ...asked,
  rssBeforeMb: rssBefore / MB,
  rssPeakMb: rssPeak / MB,
  rssFromMb: rssAt(endedMs / 4) / MB,
  rssToMb: rssAt(endedMs) / MB,
  bareSeconds,
} satisfies FeedAnswer);
