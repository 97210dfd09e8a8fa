/**
 * Promise 10: a sync that contains the truth is never condemned. And, of any interleaving of answers that are late,
 * reordered, duplicated or lost: no bound is ever false, and once the world has been calm for one round trip nobody signs
 * outside the window.
 *
 * The real cache, connectors, envelopes and projections of several processes, in virtual time, over one database and
 * against an exchange whose clock is known (support/model-exchange.ts).
 */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { SimulatedDatabase } from '../../bench/clock/ours/database.js';
import { SteadyClock } from '../../bench/clock/world/true-clock.js';
import { VirtualTime } from '../../bench/clock/world/virtual-time.js';
import { silentLogger } from '../../src/base/logging.js';
import { ConnectorStateCacheService } from '../../src/cache/connector-state-cache-service.js';
import type { HostClock } from '../../src/clock/host-clock.js';
import { ConnectorWithCache, type InitResult } from '../../src/connectors/connector-with-cache.js';
import type { Fact, FactOf } from '../../src/events/event.js';
import type { AdapterOptions, ExchangeAdapter } from '../../src/exchanges/exchange-adapter.js';
import { profileOf } from '../../src/exchanges/registry.js';
import {
  type Judged,
  type ModelExchange,
  modelAdapter,
  QUICK_WAY,
  type Way,
} from '../support/model-exchange.js';
import type { SdkExchange } from '../support/two-exchanges.js';

const START_MS = 1_764_000_000_000;
const DATABASE = 'pg:7300000000000000001:1';
const STORED_AFTER_MS = 30;

class ModelConnector extends ConnectorWithCache {
  constructor(
    exchange: SdkExchange,
    create: (options: AdapterOptions) => ExchangeAdapter,
    cache: ConnectorStateCacheService,
    credentialId: string,
  ) {
    super(profileOf(exchange), create, {
      cache,
      userId: 'user',
      credentialId,
      environment: 'MAINNET',
      credentials: { apiKey: 'key', apiSecret: 'secret' },
    });
  }
}

interface Recorded {
  readonly atMs: number;
  readonly fact: Fact;
}

class Model {
  readonly time = new VirtualTime(START_MS);
  readonly facts: Recorded[] = [];
  readonly failures: string[] = [];
  readonly model: ModelExchange;
  readonly #database: SimulatedDatabase;
  readonly #processes: ConnectorStateCacheService[];
  readonly #connectors = new Map<string, ModelConnector>();
  readonly #ways: Way[] = [];
  /** True times at which the exchange's clock stepped. */
  readonly #steps: number[] = [];

  constructor(exchange: SdkExchange, skewMs: number, edgeSkewMs: number, hostSkewsMs: readonly number[]) {
    this.model = { exchange, skewMs, edgeSkewMs, judged: [] as Judged[] };
    this.#database = new SimulatedDatabase([
      { id: DATABASE, clock: new SteadyClock(START_MS, 0, 0), fromMs: 0 },
    ]);
    this.#processes = hostSkewsMs.map((hostSkewMs, n) => this.#process(n, hostSkewMs));
  }

  #process(n: number, hostSkewMs: number): ConnectorStateCacheService {
    const { time } = this;
    const now = () => time.now() + hostSkewMs;
    const clock: HostClock = { now, wall: now, id: `host:machine-${n}/1` };
    return new ConnectorStateCacheService({
      batcher: {
        lookup: async key => {
          const sentAtMs = now();
          await time.until(time.now() + 1);
          const { serverTimeMs, ...found } = this.#database.find(key, time.now());
          await time.until(time.now() + 1);
          return { ...found, sample: { sentAtMs, receivedAtMs: now(), serverTimeMs } };
        },
      },
      recorder: {
        record: (fact: Fact) => {
          this.facts.push({ atMs: time.now(), fact });
          const by = { host: clock.id, occurredAt: Math.round(now()) };
          time.at(time.now() + STORED_AFTER_MS, () => this.#database.append([{ fact, by }], time.now()));
          return { fact, occurredAt: Math.round(now()), id: undefined };
        },
        recordHit() {},
      } as never,
      comparePositions: () => Promise.reject(new Error('not modelled')),
      store: () => Promise.reject(new Error('not modelled')),
      outbox: () => Promise.reject(new Error('not modelled')),
      pool: undefined as never,
      release: async () => {},
      clock,
      log: silentLogger,
      lookupDeadlineMs: 100,
      memoryEntries: 100,
      memoryTtlMs: 10_000,
      ttlMs: 900_000,
      cacheMode: 'on',
      firstContact: 'verify-first',
      clockPolicy: 'adaptive',
      random: () => 0.5,
    });
  }

  #connector(process: number, id: string): ModelConnector {
    const key = `${process} ${id}`;
    let connector = this.#connectors.get(key);
    if (!connector) {
      const cache = this.#processes[process % this.#processes.length] as ConnectorStateCacheService;
      const create = (options: AdapterOptions) =>
        modelAdapter(this.time, this.model, options, () => this.#ways.shift() ?? QUICK_WAY);
      connector = new ModelConnector(this.model.exchange, create, cache, id);
      this.#connectors.set(key, connector);
    }
    return connector;
  }

  /** What befalls the next requests, whoever makes them. */
  befall(ways: readonly Way[]): void {
    this.#ways.push(...ways);
  }

  calm(): void {
    this.#ways.length = 0;
  }

  step(byMs: number): void {
    this.model.skewMs += byMs;
    this.#steps.push(this.time.now());
  }

  async init(process: number, id: string): Promise<InitResult | undefined> {
    const begunAtMs = this.time.now();
    const connector = this.#connector(process, id);
    try {
      const result = await connector.initialize();
      const isSteady = !this.#steps.some(atMs => atMs >= begunAtMs);
      const unnoticed = this.#steps.length > 0;
      // What was measured before a step that nobody has noticed yet is excused: no bound covers a step.
      if (isSteady && !unnoticed) this.#hold(connector, result);
      return result;
    } catch {
      // Lost or late twice: told to the caller.
      return undefined;
    }
  }

  #hold(connector: ModelConnector, { offsetMs, uncertaintyMs }: InitResult): void {
    const { earliestMs, latestMs } = connector.now();
    const truthMs = this.time.now() + this.model.skewMs;
    if (truthMs < earliestMs - 0.01 || truthMs > latestMs + 0.01)
      this.failures.push(
        `said ${earliestMs}..${latestMs}, and it was ${truthMs} (${offsetMs} ± ${uncertaintyMs})`,
      );
  }

  /** Each condemned sync against the truth at the moment it was condemned. */
  condemnedThoughTrue(): string[] {
    const syncs = new Map<string, FactOf<'ConnectorSynced'>['data']>();
    const wrong: string[] = [];
    for (const { fact, atMs } of this.facts) {
      if (fact.type === 'ConnectorSynced') syncs.set(fact.data.syncId, fact.data);
      if (fact.type !== 'ConnectorStateInvalidated') continue;
      const sync = syncs.get(fact.data.condemnedSyncId);
      if (!sync) continue;
      // The database's clock is the true time.
      const skewMs = this.skewAt(atMs);
      const grownMs = ((atMs - sync.measuredAt) * 50) / 1e6 + 1;
      if (Math.abs(sync.offsetMs - skewMs) <= sync.uncertaintyMs - grownMs)
        wrong.push(`condemned ${sync.offsetMs} ± ${sync.uncertaintyMs}, and it was ${skewMs}`);
    }
    return wrong;
  }

  readonly #skews: { readonly fromMs: number; readonly skewMs: number }[] = [];

  remember(): void {
    this.#skews.push({ fromMs: this.time.now(), skewMs: this.model.skewMs });
  }

  skewAt(ms: number): number {
    return this.#skews.findLast(({ fromMs }) => fromMs <= ms)?.skewMs ?? this.model.skewMs;
  }
}

const ms = (max: number) => fc.double({ min: 0, max, noNaN: true });
const way: fc.Arbitrary<Way> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ connectMs: ms(50), thereMs: ms(100), backMs: ms(100) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      connectMs: fc.oneof(fc.constant(0), ms(9_000)),
      thereMs: ms(12_000),
      backMs: ms(12_000),
      againMs: fc.option(ms(8_000), { nil: undefined }),
      isLost: fc.oneof(
        { weight: 9, arbitrary: fc.constant(false) },
        { weight: 1, arbitrary: fc.constant(true) },
      ),
      isStampless: fc.boolean(),
    }),
  },
);

const worlds = (steps: fc.Arbitrary<readonly { atMs: number; byMs: number }[]>) =>
  fc.record({
    exchange: fc.constantFrom<SdkExchange>('BYBIT', 'BINGX'),
    skewMs: fc.double({ min: -6_000, max: 6_000, noNaN: true }),
    edgeSkewMs: fc.double({ min: -10_000, max: 10_000, noNaN: true }),
    hostSkewsMs: fc.array(fc.double({ min: -60_000, max: 60_000, noNaN: true }), {
      minLength: 1,
      maxLength: 3,
    }),
    /** Whether somebody is there first, for whom the world is calm. */
    isWarm: fc.boolean(),
    inits: fc.array(
      fc.record({ atMs: ms(60_000), process: fc.nat({ max: 2 }), id: fc.constantFrom('a', 'b', 'c') }),
      { minLength: 1, maxLength: 12 },
    ),
    ways: fc.array(way, { maxLength: 40 }),
    steps,
  });

type Worlds = ReturnType<typeof worlds> extends fc.Arbitrary<infer T> ? T : never;

async function live(of: Worlds) {
  const it = new Model(of.exchange, of.skewMs, of.edgeSkewMs, of.hostSkewsMs);
  const { time } = it;
  it.remember();
  if (of.isWarm) {
    time.at(START_MS, () => void it.init(0, 'a'));
    await time.run();
  }
  const stormAtMs = time.now() + 1_000;
  it.befall(of.ways);
  for (const { atMs, process, id } of of.inits) time.at(stormAtMs + atMs, () => void it.init(process, id));
  for (const { atMs, byMs } of of.steps)
    time.at(stormAtMs + atMs, () => {
      it.step(byMs);
      it.remember();
    });
  await time.run();
  it.calm();
  return it;
}

/** One init after the other, the world being calm; a minute apart, so that what was recorded has arrived. */
async function calmly(
  it: Model,
  places: readonly (readonly [number, string])[],
): Promise<(InitResult | undefined)[]> {
  const results: (InitResult | undefined)[] = [];
  for (const [process, id] of places) {
    it.time.at(it.time.now() + 60_000, () => void it.init(process, id).then(result => results.push(result)));
    await it.time.run();
  }
  return results;
}

const PLACES = [
  [0, 'a'],
  [0, 'b'],
  [0, 'c'],
] as const;

describe('late, reordered, duplicated and lost answers', () => {
  it('condemn nothing that is true, make no bound false, and leave nobody signing outside the window', async () => {
    await fc.assert(
      fc.asyncProperty(worlds(fc.constant([])), async of => {
        const it = await live(of);
        const [first, ...others] = await calmly(it, PLACES);

        expect(it.condemnedThoughTrue()).toEqual([]);
        expect(it.failures).toEqual([]);
        // One round trip is enough to know.
        expect(first).toBeDefined();
        for (const result of others) expect(result?.authFailures).toBe(0);
      }),
      { numRuns: 150 },
    );
  }, 120_000);

  it('while the exchange’s clock steps, condemn nothing that is true either, and all heals in one refusal', async () => {
    const steps = fc.array(
      fc.record({ atMs: ms(60_000), byMs: fc.double({ min: -9_000, max: 9_000, noNaN: true }) }),
      { minLength: 1, maxLength: 2 },
    );
    await fc.assert(
      fc.asyncProperty(worlds(steps), async of => {
        const it = await live(of);
        const [first, ...others] = await calmly(it, PLACES);

        expect(it.condemnedThoughTrue()).toEqual([]);
        expect(first).toBeDefined();
        for (const result of others) expect(result?.authFailures).toBe(0);
      }),
      { numRuns: 100 },
    );
  }, 120_000);
});
