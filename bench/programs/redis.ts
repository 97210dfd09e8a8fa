/**
 * Lookups through Redis, memory off, in paired rounds: `cache.get()`, a bare client's GET and MGET, the Redis tiers of
 * bentocache and cacheable (memory off too) where they are installed, and `cache.get()` from PostgreSQL alone.
 *
 * Each contender gets the same random connectors; a round is so many callers that ask one after the other.
 */
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { createClient } from 'redis';
import { silentLogger } from '../../src/base/logging.js';
import { cacheKeyOf } from '../../src/events/connector.js';
import { seededRandom } from '../../src/exchanges/simulator/random.js';
import { createConnectorState } from '../../src/index.js';
import { connectorOf } from '../states.js';
import { median } from '../statistics.js';
import { answer, readTask } from './task.js';

export interface RedisTask {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly rows: number;
  readonly rounds: number;
  readonly roundMs: number;
}

/** Calls a second, medians over rounds; ratios are medians of the rounds' own. */
export interface RedisAnswer {
  readonly callers: readonly { readonly callers: number; readonly rates: Readonly<Record<string, number>> }[];
  /** A thousand at once, in milliseconds. */
  readonly thousandMs: { readonly ours: number; readonly mget: number; readonly ratio: number };
  readonly bytesPerState: number;
}

type Call = (index: number) => Promise<unknown>;
const task = readTask<RedisTask>();
const refs = Array.from({ length: task.rows }, (_, index) => connectorOf(index));
const keys = refs.map(cacheKeyOf);
const random = seededRandom(1);
const any = () => Math.floor(random() * task.rows);

const common = {
  databaseUrl: task.databaseUrl,
  logger: silentLogger,
  memoryEntries: 0,
  lookupDeadlineMs: 20_000,
  projection: 'worker',
  flushIntervalMs: 600_000,
  maxPendingEvents: 10_000_000,
} as const;
const shared = await createConnectorState({ ...common, redisUrl: task.redisUrl, poolSize: 10 });
const alone = await createConnectorState({ ...common, poolSize: 10 });
const bare = createClient({ url: task.redisUrl });
/** As `cache.get()` has it, and cacheable's older client by default. */
const untimed = createClient({ url: task.redisUrl, commandOptions: { timeout: 0 } });
await Promise.all([bare.connect(), untimed.connect()]);

const emptyBytes = Number(/used_memory:(\d+)/.exec(await bare.info('memory'))?.[1]);
for (let from = 0; from < task.rows; from += 1_000)
  await shared.cache.getMany(refs.slice(from, from + 1_000));
await untilShared();
const fullBytes = Number(/used_memory:(\d+)/.exec(await bare.info('memory'))?.[1]);
const bytesPerState = (fullBytes - emptyBytes) / task.rows;
const value = 'x'.repeat(60);
for (let from = 0; from < task.rows; from += 1_000) {
  await bare.mSet(keys.slice(from, from + 1_000).map((key): [string, string] => [`bare:${key}`, value]));
}

const contenders: Record<string, Call> = {
  async ours(index) {
    const found = await shared.cache.get(refs[index] as (typeof refs)[number]);
    if (!found.hit || found.tier !== 'redis') throw new Error('a lookup was not answered by Redis');
  },
  bare: index => bare.get(`bare:${keys[index]}`),
  'bare without a time-out': index => untimed.get(`bare:${keys[index]}`),
  async postgres(index) {
    const found = await alone.cache.get(refs[index] as (typeof refs)[number]);
    if (!found.hit) throw new Error('a lookup was a miss');
  },
  ...(await peers()),
};

const names = Object.keys(contenders);
const callers = [];
for (const count of [1, 64]) {
  const rounds: Record<string, number[]> = Object.fromEntries(names.map(name => [name, []]));
  for (const name of names) await rate(name, count);
  for (let n = 0; n < task.rounds; n++) for (const name of names) rounds[name]?.push(await rate(name, count));
  callers.push({
    callers: count,
    rates: Object.fromEntries(names.map(name => [name, median(rounds[name] as number[])])),
  });
}

const [ours, mget]: [number[], number[]] = [[], []];
for (let n = 0; n < Math.max(5, task.rounds * 3); n++) {
  const wanted = Array.from({ length: Math.min(1_000, task.rows) }, any);
  ours.push(
    await took(() => shared.cache.getMany(wanted.map(index => refs[index] as (typeof refs)[number]))),
  );
  mget.push(await took(() => bare.mGet(wanted.map(index => `bare:${keys[index]}`))));
}
answer({
  callers,
  thousandMs: {
    ours: median(ours),
    mget: median(mget),
    ratio: median(ours.map((ms, i) => ms / (mget[i] as number))),
  },
  bytesPerState,
} satisfies RedisAnswer);
process.exit();

async function rate(name: string, count: number): Promise<number> {
  const call = contenders[name] as Call;
  const endMs = performance.now() + task.roundMs;
  let calls = 0;
  const startedMs = performance.now();
  await Promise.all(
    Array.from({ length: count }, async () => {
      while (performance.now() < endMs) {
        await call(any());
        calls++;
      }
    }),
  );
  return (calls * 1_000) / (performance.now() - startedMs);
}

async function took(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}

/** Fills are not waited for by who caused them. */
async function untilShared(): Promise<void> {
  for (;;) {
    const found = await shared.cache.getMany(refs.slice(-1_000));
    if (found.every(each => each.hit && each.tier === 'redis')) return;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}

/** A peer that has nothing is quick. */
function isThere(found: unknown): void {
  if (found === undefined || found === null) throw new Error('a peer had nothing');
}

/** What is not installed in bench/ takes no part. */
async function peers(): Promise<Record<string, Call>> {
  const require = createRequire(new URL('../../../bench/package.json', import.meta.url));
  const load = (name: string) => import(pathToFileURL(require.resolve(name)).href);
  const found: Record<string, Call> = {};
  try {
    const { BentoCache, bentostore } = await load('bentocache');
    const { redisDriver } = await load('bentocache/drivers/redis');
    const port = Number(new URL(task.redisUrl).port);
    const driver = redisDriver({ connection: { host: '127.0.0.1', port } });
    const bento = new BentoCache({ default: 'shared', stores: { shared: bentostore().useL2Layer(driver) } });
    await Promise.all(keys.slice(0, 1_000).map(key => bento.set({ key, value: { value } })));
    found.bentocache = async index => isThere(await bento.get({ key: keys[index % 1_000] as string }));
  } catch (error) {
    process.stderr.write(`bentocache takes no part: ${(error as Error).message}\n`);
  }
  try {
    const { Cacheable } = await load('cacheable');
    // It is CommonJS, whose default export Node has one deeper.
    const { default: exported } = await load('@keyv/redis');
    const KeyvRedis = exported.default ?? exported;
    const { Keyv } = await load('keyv');
    const cacheable = new Cacheable({
      primary: new Keyv({ store: new KeyvRedis(task.redisUrl) }),
      stats: false,
    });
    await Promise.all(keys.slice(0, 1_000).map(key => cacheable.set(key, { value })));
    found.cacheable = async index => isThere(await cacheable.get(keys[index % 1_000] as string));
  } catch (error) {
    process.stderr.write(`cacheable takes no part: ${(error as Error).message}\n`);
  }
  return found;
}
