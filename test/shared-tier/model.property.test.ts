/**
 * Whatever comes in between (late writes, lost messages, evictions, failovers that lose the last words, clocks that are set,
 * answers that take seconds), over a real Redis and its real scripts:
 *
 *  - what a reader is told to sign with is true within its bound,
 *  - no reader that asks after a condemnation was taken by Redis gets what it condemns.
 *
 * The database is a table in memory whose clock is the truth. Time is the test's own: `SteeredRedis` puts it in the place of
 * the server's, as another clock and another server would, and holds calls back.
 */
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import fc from 'fast-check';
import type { RedisClientType } from 'redis';
import type { ConnectorRef } from '../../src/events/connector.js';
import type { LookupKey, RawClock, RawState } from '../../src/read-model/lookup.js';
import { createKeys } from '../../src/shared-tier/keys.js';
import { uuidBytes } from '../../src/shared-tier/packed.js';
import { find } from '../../src/shared-tier/reader.js';
import { CONDEMN, READ, type Script, WRITE } from '../../src/shared-tier/scripts.js';
import { type Values, valuesOf } from '../../src/shared-tier/values.js';
import { type DatabaseAnswer, fill, publish, type WriterParts } from '../../src/shared-tier/writer.js';
import { itWhen } from '../support/it-when.js';
import { findRedis, NO_REDIS, type RedisServer, startRedis } from '../support/redis.js';

const itWithRedis = itWhen(findRedis() !== undefined, NO_REDIS);
const RUNS = Number(process.env.SHARED_TIER_RUNS ?? 60);
const START_MS = 1_790_000_000_000;
const CLOCK_ID = 'pg:7300000000000000001:1';
const REF: ConnectorRef = {
  userId: 'u',
  credentialId: 'c',
  exchange: 'BYBIT',
  environment: 'TESTNET',
  scope: 'default',
};
const KEY: LookupKey = { cacheKey: 'u_c', exchange: 'BYBIT', environment: 'TESTNET', scope: 'default' };
const LIFE_MS = 3_600_000;

/** What the readers met: a world in which nothing happens proves nothing. */
const seen = new Map<string, number>();
let server: RedisServer;
let client: RedisClientType;
const { RESP_TYPES } = await import('redis');
const BUFFERS = { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } };

beforeAll(async () => {
  if (!findRedis()) return;
  server = await startRedis();
  client = await server.client();
});
afterAll(() => server?.close());

/** The truth. */
class World {
  nowMs = START_MS;
  /** Redis' clock − the truth. */
  redisAheadMs = 7_200_000;
  generation = 0;
  version = 1;
  syncs = 0;
  state: { syncId: string; measuredAtMs: number; isValid: boolean } | undefined;
  readonly condemnedInRedis = new Set<string>();
  readonly clockPosition = () => this.version;

  sync(): void {
    this.version++;
    this.syncs++;
    const syncId = `00000000-0000-4000-8000-${String(this.syncs).padStart(12, '0')}`;
    this.state = { syncId, measuredAtMs: this.nowMs, isValid: true };
  }

  row(): Pick<DatabaseAnswer, 'state' | 'clock' | 'order'> {
    const { state } = this;
    if (!state) return { state: undefined, clock: undefined };
    const ends = state.measuredAtMs + LIFE_MS;
    const raw = {
      ...REF,
      scope: 'default',
      offsetMs: 145.25,
      uncertaintyMs: 3,
      referenceClock: CLOCK_ID,
      ...state,
      basis: 'measured',
      expiresAtMs: ends,
      ratePpm: 0,
      rateBoundPpm: 50,
    };
    const clock = {
      offsetMs: 145.25,
      uncertaintyMs: 3,
      syncId: state.syncId,
      measuredAtMs: state.measuredAtMs,
      expiresAtMs: ends,
      isValid: true,
      epoch: 1,
      epochStartedAtMs: 0,
      ratePpm: 0,
      rateBoundPpm: 50,
      contestedSinceMs: null,
      rivalHost: null,
      rivalSyncId: null,
      rivalOffsetMs: null,
      rivalUncertaintyMs: null,
      rivalMeasuredAtMs: null,
    };
    return {
      state: raw as RawState,
      clock: clock as RawClock,
      order: { streamVersion: this.version, clockPosition: `pg/${this.version}` },
    };
  }
}

/** A host: its clock is off by `aheadMs`; its wall clock is the same. */
class Host {
  readonly parts: WriterParts;
  constructor(
    readonly world: World,
    readonly aheadMs: number,
    run: (script: Script, keys: readonly string[], args: readonly (string | Buffer)[]) => Promise<unknown>,
  ) {
    const now = () => world.nowMs + aheadMs;
    this.parts = {
      connections: { run },
      keys: createKeys('cs', false),
      now,
      wall: now,
      known: () => undefined,
      lifeMs: 900_000,
      ticketLifeMs: 10_000,
    };
  }
  /** What PostgreSQL says now. */
  ask(): DatabaseAnswer {
    const at = this.parts.now();
    return {
      ...this.world.row(),
      clockId: CLOCK_ID,
      sample: { sentAtMs: at, receivedAtMs: at, serverTimeMs: this.world.nowMs },
    };
  }
}

/** The real server, under the world's clock and name. */
const steered =
  (world: World, delay: () => Promise<void>) =>
  async (script: Script, keys: readonly string[], args: readonly (string | Buffer)[]): Promise<unknown> => {
    await delay();
    const realNowMs = Date.now();
    const shiftMs = world.nowMs + world.redisAheadMs - realNowMs;
    const given = [...args];
    if (script === WRITE) {
      if (given[0] !== `run${world.generation}`) return 'moved';
      given[0] = await realRunId();
      given[1] = String(Math.floor(Number(given[1]) - shiftMs));
    }
    const reply = await real(
      client.sendCommand(['EVAL', script.text, String(keys.length), ...keys, ...given] as never, BUFFERS),
    );
    if (script === CONDEMN) world.condemnedInRedis.add((args[0] as Buffer).toString('hex'));
    if (script !== READ) {
      await delay();
      return reply;
    }
    const [, packed, refused] = reply as unknown as [unknown, Buffer, unknown];
    const toldMs = world.nowMs + world.redisAheadMs;
    const [seconds, micros] = [Math.floor(toldMs / 1_000), Math.round((toldMs % 1_000) * 1_000)];
    const shifted = Buffer.from(packed);
    // The first is the link, which has no end.
    const [, ...ends] = (valuesOf(packed, keys.length) as Values).ends;
    for (const end of ends) {
      if (end <= 0) continue;
      shifted.writeUIntBE(Math.max(0, Math.round(shifted.readUIntBE(end - 6, 6) + shiftMs)), end - 6, 6);
    }
    await delay();
    return [`${seconds} ${micros} run${world.generation}`, shifted, refused];
  };

let runId: string | undefined;
async function realRunId(): Promise<string> {
  runId ??= /run_id:(\w+)/.exec(await client.info('server'))?.[1] as string;
  return runId;
}

const KINDS = [
  ...['read', 'read', 'read', 'read', 'sync', 'publish', 'publish', 'invalidate', 'evict', 'evict'],
  ...['failover', 'lose-tail', 'remember', 'advance', 'set-clock'],
] as const;

const step = fc.record({
  kind: fc.constantFrom(...KINDS),
  host: fc.nat({ max: 2 }),
  advanceMs: fc.constantFrom(1, 40, 2_000, 400_000, 2_000_000),
  setMs: fc.constantFrom(-7_200_000, -3_000, -180, 90, 700, 86_400_000),
  /** How many of those that wait go on before the next. */
  release: fc.constantFrom(0, 1, 2, 5, 50, 50),
});

describe('the shared tier, whatever comes in between', () => {
  itWithRedis('no bound is false, and nothing condemned comes back', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), fc.scheduler(), async (steps, s) => {
        await client.flushAll();
        const world = new World();
        let tail = new Map<string, Buffer>();
        const pending: Promise<unknown>[] = [];
        const later = (work: Promise<unknown>) => pending.push(work.catch(() => undefined));
        const run = steered(world, () => s.schedule(Promise.resolve()));
        const hosts = [new Host(world, 0, run), new Host(world, 0, run), new Host(world, 10_800_000, run)];

        async function read(reader: Host): Promise<void> {
          const condemned = new Set(world.condemnedInRedis);
          const [found] = await find(reader.parts, [{ ...REF, ...KEY }]);
          const outcome = found?.answer ? 'hit' : (found?.reason ?? 'nothing');
          seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
          if (found?.answer) {
            const { link, state } = found.answer;
            const truthMs = world.nowMs - reader.parts.now();
            // Placed at the moment of the answer.
            if (Math.abs(link.offsetMs - truthMs) > link.uncertaintyMs + 1e-3) {
              throw new Error(`${link.offsetMs} ± ${link.uncertaintyMs}, and it is ${truthMs}`);
            }
            const identity = uuidBytes(state.syncId)?.toString('hex') as string;
            if (state.isValid && condemned.has(identity)) throw new Error(`${state.syncId} was condemned`);
            return;
          }
          if (!found) return;
          await s.schedule(Promise.resolve());
          const answer = reader.ask();
          await s.schedule(Promise.resolve());
          if (answer.state) await fill(reader.parts, KEY, found, answer);
        }

        world.sync();
        later(publish((hosts[0] as Host).parts, [KEY], [(hosts[0] as Host).ask()]));
        await release(s, 50);

        const reads: Promise<void>[] = [];
        for (const each of steps) {
          const by = hosts[each.host] as Host;
          switch (each.kind) {
            case 'sync':
              world.sync();
              break;
            case 'invalidate': {
              const { state } = world;
              if (!state) break;
              const identity = uuidBytes(state.syncId) as Buffer;
              const { keys } = by.parts;
              later(
                run(
                  CONDEMN,
                  [keys.link('0'), keys.state('0', KEY.cacheKey)],
                  [identity, '900000', keys.channel, 'x'],
                ).then(() => {
                  if (world.state === state) {
                    world.version++;
                    world.state = { ...state, isValid: false };
                  }
                }),
              );
              break;
            }
            case 'publish':
              if (world.state) later(publish(by.parts, [KEY], [by.ask()]));
              break;
            case 'read':
              reads.push(read(by));
              break;
            case 'evict':
              await client.del(by.parts.keys.state('0', KEY.cacheKey));
              break;
            case 'remember':
              tail = await dump();
              break;
            case 'failover':
            case 'lose-tail':
              world.generation++;
              world.redisAheadMs += each.host * 1_234;
              if (each.kind === 'lose-tail') await restore(tail);
              break;
            case 'advance':
              // Nothing waits for seconds and is still listened to: what is under way answers late.
              world.nowMs += each.advanceMs;
              break;
            case 'set-clock':
              world.redisAheadMs += each.setMs;
              break;
          }
          await release(s, each.release);
        }
        await release(s, Number.POSITIVE_INFINITY);
        await Promise.all([...reads, ...pending]);
      }),
      { numRuns: RUNS },
    );
    for (const outcome of ['hit', 'absent', 'other-lineage', 'set-clock'])
      expect(seen.get(outcome)).toBeGreaterThan(0);
  });
});

/** Commands that the real server has not answered yet. */
let inFlight = 0;
async function real<T>(answer: Promise<T>): Promise<T> {
  inFlight++;
  try {
    return await answer;
  } finally {
    inFlight--;
  }
}

/** Lets so many of those that wait go on, one after the other, in an order that the scheduler draws. */
async function release(s: fc.Scheduler, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    do await new Promise(resolve => setImmediate(resolve));
    while (inFlight > 0);
    if (s.count() === 0) return;
    await s.waitOne();
  }
}

async function dump(): Promise<Map<string, Buffer>> {
  const kept = new Map<string, Buffer>();
  for (const key of await client.keys('*')) {
    const value = (await client.sendCommand(['GET', key], BUFFERS)) as Buffer | null;
    if (value) kept.set(key, value);
  }
  return kept;
}

async function restore(kept: Map<string, Buffer>): Promise<void> {
  await client.flushAll();
  for (const [key, value] of kept) await client.sendCommand(['SET', key, value] as never);
}
