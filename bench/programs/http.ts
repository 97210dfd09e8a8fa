/**
 * The service over HTTP, on loopback: one lookup against the least that could answer it, a thousand in one request, and what a
 * flood of analyses does to lookups.
 *
 * The least is a bare Fastify route that runs the very statement of a lookup by `pg`, named, over a pool as large, and sends
 * the row. Both take turns in short rounds and are compared round by round. The memory tier is off for these, so that each
 * lookup is a query's, its own or one that it shares. Who asks is another process.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import fastify from 'fastify';
import { silentLogger } from '../../src/base/logging.js';
import { createConnectorState } from '../../src/composition/connector-state.js';
import { type ConnectorRef, cacheKeyOf } from '../../src/events/connector.js';
import { seededRandom } from '../../src/exchanges/simulator/random.js';
import { anybody } from '../../src/http/access/authentication.js';
import { createHttpServer } from '../../src/http/http-server.js';
import { pg } from '../../src/postgres/driver.js';
import { createPool } from '../../src/postgres/pool.js';
import { LOOKUP_SQL, LOOKUP_STATEMENT_NAME, lookupParameters } from '../../src/read-model/lookup.js';
import { connectorOf } from '../states.js';
import { median } from '../statistics.js';
import type { LoadAnswer, LoadRequest, LoadTask } from './http-load.js';
import { answer, readTask } from './task.js';

export interface HttpTask {
  readonly databaseUrl: string;
  readonly rows: number;
  readonly poolSize: number;
  readonly connections: readonly number[];
  readonly rounds: number;
  readonly roundSeconds: number;
}

export interface Compared {
  readonly ours: Round;
  readonly bare: Round;
  /** Medians of the rounds' ratios. */
  readonly ratio: number;
  readonly p99Ratio: number;
}

type Round = Pick<LoadAnswer, 'perSecond' | 'p50Ms' | 'p99Ms'>;

export interface HttpAnswer {
  readonly byConnections: readonly (Compared & { readonly connections: number })[];
  /** States a second: from memory, from PostgreSQL; against a route that reads the same body and sends the same bytes. */
  readonly batchFromMemory: Compared;
  readonly batchFromPostgres: Compared;
  /** `ours`: while analyses are asked for without pause; `bare`: without. */
  readonly flooded: Compared & { readonly analyses: number };
}

const BATCH = 1_000;
const BATCHES = 10;
const BATCH_CONNECTIONS = 4;
const CALM_CONNECTIONS = 16;
const FLOOD_CONNECTIONS = 12;
const DIFFERENT_PATHS = 500;

const { databaseUrl, rows, poolSize, connections, rounds, roundSeconds } = readTask<HttpTask>();
const random = seededRandom(1);

const loader = () => {
  const child = fork(fileURLToPath(new URL('./http-load.js', import.meta.url)));
  return {
    run: (task: Omit<LoadTask, 'seconds'>) =>
      new Promise<LoadAnswer>((resolve, reject) => {
        child.once('message', message => resolve(message as LoadAnswer));
        child.once('exit', code => reject(new Error(`the load ended with code ${code}`)));
        child.send({ ...task, seconds: roundSeconds } satisfies LoadTask);
      }),
    stop: () => child.disconnect(),
  };
};

async function serve(memoryEntries: number) {
  const options = {
    databaseUrl,
    poolSize,
    memoryEntries,
    memoryTtlMs: 3_600_000,
    logger: silentLogger,
    projection: 'worker',
    // A deadline missed on a busy machine would end the run; how long it is costs nothing.
    lookupDeadlineMs: 5_000,
    flushIntervalMs: 600_000,
  } as const;
  const [state, upkeep] = [await createConnectorState(options), await createConnectorState(options)];
  const analytics = createPool({ connectionString: databaseUrl, max: 3, log: silentLogger });
  const server = await createHttpServer({
    state,
    upkeep,
    analytics,
    authenticator: anybody,
    log: silentLogger,
    version: 'bench',
    // One caller here is all of them.
    limits: { requestsPerSecond: 10_000_000, eventLoopDelayMs: 0 },
  });
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  return {
    url,
    server,
    async close() {
      server.server.closeAllConnections();
      await server.close();
      await Promise.all([state.close(), upkeep.close(), analytics.end()]);
    },
  };
}

const bare = fastify({ logger: false });
const pool = new pg.Pool({ connectionString: databaseUrl, max: poolSize });
bare.get<{ Params: Required<ConnectorRef> }>(
  '/v1/connectors/:exchange/:environment/:userId/:credentialId/state',
  async ({ params }) => {
    const found = await pool.query<unknown[]>({
      name: LOOKUP_STATEMENT_NAME,
      text: LOOKUP_SQL,
      values: lookupParameters([{ ...params, scope: 'default', cacheKey: cacheKeyOf(params) }]),
      rowMode: 'array',
    });
    return found.rows[0];
  },
);
let sameBytes = '';
bare.post('/v1/states', { bodyLimit: 2 ** 22 }, async (_request, reply) => {
  void reply.type('application/json; charset=utf-8');
  return reply.send(sameBytes);
});
const bareUrl = await bare.listen({ host: '127.0.0.1', port: 0 });

const medians = (answers: readonly LoadAnswer[], times = 1): Round => ({
  perSecond: times * median(answers.map(({ perSecond }) => perSecond)),
  p50Ms: median(answers.map(({ p50Ms }) => p50Ms)),
  p99Ms: median(answers.map(({ p99Ms }) => p99Ms)),
});

const load = loader();

type Ask = () => Promise<LoadAnswer>;

async function compare(ours: Ask, other: Ask, times = 1): Promise<Compared> {
  // Connections open, statements are planned for good, the code is compiled.
  await other();
  await ours();
  const [mine, theirs]: [LoadAnswer[], LoadAnswer[]] = [[], []];
  for (let i = 0; i < rounds; i++) {
    const order = [() => ours().then(done => mine.push(done)), () => other().then(done => theirs.push(done))];
    for (const next of i % 2 === 0 ? order : order.reverse()) await next();
  }
  const failed = [...mine, ...theirs].reduce((sum, round) => sum + round.failed, 0);
  if (failed > 0) throw new Error(`${failed} requests failed`);
  const ratios = (of: (round: LoadAnswer) => number) =>
    median(mine.map((round, i) => of(round) / of(theirs[i] as LoadAnswer)));
  return {
    ours: medians(mine, times),
    bare: medians(theirs, times),
    ratio: ratios(({ perSecond }) => perSecond),
    p99Ratio: ratios(({ p99Ms }) => p99Ms),
  };
}

const anyPath = (): LoadRequest => {
  const { exchange, environment, userId, credentialId } = connectorOf(Math.floor(random() * rows));
  return { method: 'GET', path: `/v1/connectors/${exchange}/${environment}/${userId}/${credentialId}/state` };
};
const paths = Array.from({ length: DIFFERENT_PATHS }, anyPath);
const batches = Array.from({ length: BATCHES }, (_, batch): LoadRequest => {
  const refs = Array.from({ length: BATCH }, (_each, i) => connectorOf((batch * BATCH + i) % rows));
  return { method: 'POST', path: '/v1/states', body: JSON.stringify({ connectors: refs }) };
});

const lookups = (url: string, many: number): Ask => {
  return () => load.run({ url, connections: many, requests: paths });
};
const states = (url: string): Ask => {
  return () => load.run({ url, connections: BATCH_CONNECTIONS, requests: batches });
};

const fromPostgres = await serve(0);
const byConnections = [];
for (const each of connections) {
  const compared = await compare(lookups(fromPostgres.url, each), lookups(bareUrl, each));
  byConnections.push({ connections: each, ...compared });
}

const { body: sent } = await fromPostgres.server.inject({
  method: 'POST',
  url: '/v1/states',
  headers: { host: 'localhost', 'content-type': 'application/json' },
  payload: batches[0]?.body as string,
});
sameBytes = sent;
const batchFromPostgres = await compare(states(fromPostgres.url), states(bareUrl), BATCH);

const flood = loader();
let analyses = 0;
const asked: LoadRequest[] = ['drift?bucketMs=3600000', 'usage', 'drift?bucketMs=60000&from=24h'].map(
  path => ({
    method: 'GET',
    path: `/v1/analytics/${path}`,
  }),
);
const flooded = await compare(
  async () => {
    const around = flood.run({ url: fromPostgres.url, connections: FLOOD_CONNECTIONS, requests: asked });
    const seen = await lookups(fromPostgres.url, CALM_CONNECTIONS)();
    analyses += (await around).perSecond * roundSeconds;
    return seen;
  },
  lookups(fromPostgres.url, CALM_CONNECTIONS),
);
flood.stop();
await fromPostgres.close();

const fromMemory = await serve(BATCH * BATCHES);
const batchFromMemory = await compare(states(fromMemory.url), states(bareUrl), BATCH);
await fromMemory.close();
load.stop();
await bare.close();
await pool.end();
answer({
  byConnections,
  batchFromMemory,
  batchFromPostgres,
  flooded: { ...flooded, analyses },
} satisfies HttpAnswer);
process.exit();
