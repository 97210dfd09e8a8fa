/**
 * `cache.get()` answered from memory, one awaited call after the other, in random order over as many connectors
 * as the task says. Its peers are `lru-cache` alone, awaited in the same way, and an awaited async function
 * that does nothing.
 */
import { LRUCache } from 'lru-cache';
import { silentLogger } from '../../src/base/logging.js';
import { cacheKeyOf } from '../../src/events/connector.js';
import { seededRandom } from '../../src/exchanges/simulator/random.js';
import { createConnectorState } from '../../src/index.js';
import { connectorOf } from '../states.js';
import { median } from '../statistics.js';
import { answer, readTask } from './task.js';

export interface MemoryTierTask {
  readonly databaseUrl: string;
  readonly connectors: number;
  readonly rounds: number;
  readonly callsPerRound: number;
}

/** Microseconds a call. */
export interface MemoryTierAnswer {
  readonly getUs: number;
  readonly lruUs: number;
  readonly awaitUs: number;
}

const task = readTask<MemoryTierTask>();
const state = await createConnectorState({
  databaseUrl: task.databaseUrl,
  logger: silentLogger,
  memoryEntries: task.connectors,
  memoryTtlMs: 3_600_000,
  lookupDeadlineMs: 5_000,
  projection: 'worker',
  flushIntervalMs: 600_000,
  maxPendingEvents: task.connectors * 2,
});
const refs = Array.from({ length: task.connectors }, (_, index) => connectorOf(index));
const lru = new LRUCache<string, object>({ max: task.connectors });
const keys = refs.map(cacheKeyOf);
for (const key of keys) lru.set(key, {});
for (const ref of refs) {
  const lookup = await state.cache.get(ref);
  if (!lookup.hit) throw new Error(`a lookup was a miss: ${lookup.reason}`);
}

const random = seededRandom(1);
const nothing = async () => undefined;

const contenders = {
  async get(index: number) {
    const lookup = await state.cache.get(refs[index] as (typeof refs)[number]);
    if (!lookup.hit || lookup.tier !== 'memory') throw new Error('a lookup was not answered from memory');
  },
  async lru(index: number) {
    if (!lru.get(keys[index] as string)) throw new Error('lru-cache lost an entry');
  },
  nothing,
};
type Name = keyof typeof contenders;

async function microsecondsPerCall(name: Name): Promise<number> {
  const call = contenders[name];
  const startedMs = performance.now();
  for (let i = 0; i < task.callsPerRound; i++) await call(Math.floor(random() * task.connectors));
  return ((performance.now() - startedMs) * 1_000) / task.callsPerRound;
}

const names = Object.keys(contenders) as Name[];
const rounds: Record<Name, number[]> = { get: [], lru: [], nothing: [] };
for (const name of names) await microsecondsPerCall(name);
for (let i = 0; i < task.rounds; i++) {
  for (const name of names) rounds[name].push(await microsecondsPerCall(name));
}
answer({
  getUs: median(rounds.get),
  lruUs: median(rounds.lru),
  awaitUs: median(rounds.nothing),
} satisfies MemoryTierAnswer);
// The counted hits are of no use to anybody: the process ends without storing them.
process.exit();
