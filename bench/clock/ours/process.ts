/**
 * One run of a program that uses the cache: the real service and the real connectors, on a simulated host.
 *
 * The service is watched where it hands out states, so that the offset behind each timestamp is known exactly: what
 * signs is one of the states last handed out, and the timestamp tells which (see {@link SimulatedProcess.behind}).
 */
import { randomUUID } from 'node:crypto';
import { ConnectorStateCacheService } from '../../../src/cache/connector-state-cache-service.js';
import { appliedOffset, type Lookup, type UsableState } from '../../../src/cache/lookup.js';
import { type LookupAnswer, LookupTimeoutError } from '../../../src/cache/lookup-batcher.js';
import type { Recorder } from '../../../src/cache/recorder.js';
import type { OffsetEstimate } from '../../../src/clock/offset.js';
import { linkToSelf } from '../../../src/clock/reference.js';
import { biasOf, DEFAULT_RANGE } from '../../../src/clock/request-window.js';
import type { ClockPolicy } from '../../../src/clock/ttl.js';
import { ConnectorWithCache } from '../../../src/connectors/connector-with-cache.js';
import { type ConnectorRef, scopeOf } from '../../../src/events/connector.js';
import { silentLogger } from '../../../src/logging.js';
import type { LookupKey } from '../../../src/read-model/lookup.js';
import { DEFAULT_MEMORY_TTL_MS } from '../../../src/settings.js';
import type { Dice } from '../world/dice.js';
import type { SimulatedExchange } from '../world/exchange.js';
import type { ProcessPlace } from '../world/traffic.js';
import type { VirtualTime } from '../world/virtual-time.js';
import type { Weather } from '../world/weather.js';
import { type AdapterPlace, createSimulatedAdapter } from './adapter.js';
import type { SimulatedDatabase } from './database.js';
import { SimulatedRecorder } from './recorder.js';

/** As settings.ts has them by default. */
const LOOKUP_DEADLINE_MS = 100;
const TTL_MS = 15 * 60_000;
/** Of the default 10 000; a function sees a few connectors, and making room for more takes longer than its init. */
const [SERVER_ENTRIES, FUNCTION_ENTRIES] = [1_000, 16];

export interface ProcessParts {
  readonly time: VirtualTime;
  readonly database: SimulatedDatabase;
  readonly place: ProcessPlace;
  readonly dice: Dice;
  readonly clockPolicy: ClockPolicy;
  /** A reply of the database came, in true time. */
  readonly onLookup?: (lookup: {
    sentAtMs: number;
    stampedAtMs: number;
    receivedAtMs: number;
    clockId: string;
  }) => void;
}

export class SimulatedProcess {
  readonly #parts: ProcessParts;
  readonly #service: WatchedService;
  readonly #recorder: SimulatedRecorder;
  readonly #connectors = new Map<string, SimulatedConnector>();
  /** True time until which a connection to the database is open. */
  #databaseWarmUntilMs = Number.NEGATIVE_INFINITY;
  /** Of the init that asks now; lookups of overlapping inits are told apart by their connector. */
  readonly #weathers = new Map<string, { weather: Weather; queries: number }>();

  constructor(parts: ProcessParts) {
    const { place, clockPolicy } = parts;
    this.#parts = parts;
    this.#recorder = new SimulatedRecorder(parts);
    this.#service = new WatchedService({
      batcher: { lookup: key => this.#lookup(key) },
      recorder: this.#recorder as unknown as Recorder,
      comparePositions: () => Promise.reject(new Error('not simulated')),
      store: () => Promise.reject(new Error('not simulated')),
      outbox: () => Promise.reject(new Error('not simulated')),
      pool: undefined as never,
      release: async () => {},
      clock: place.clock,
      log: silentLogger,
      lookupDeadlineMs: LOOKUP_DEADLINE_MS,
      memoryEntries: place.isServerless ? FUNCTION_ENTRIES : SERVER_ENTRIES,
      memoryTtlMs: DEFAULT_MEMORY_TTL_MS,
      ttlMs: TTL_MS,
      cacheMode: 'on',
      firstContact: 'verify-first',
      clockPolicy,
      random: () => parts.dice.unit(),
    });
  }

  /** A connector that is not busy; a function makes a new one each time, a server keeps them. */
  connector(ref: ConnectorRef, exchange: SimulatedExchange, weather: Weather): SimulatedConnector {
    const key = `${ref.userId} ${ref.credentialId}`;
    this.#weathers.set(`${ref.userId}_${ref.credentialId}`, { weather, queries: 0 });
    const kept = this.#connectors.get(key);
    if (kept && !kept.isBusy) return kept;
    const { time, place } = this.#parts;
    const at: AdapterPlace = {
      time,
      host: place.host,
      exchange,
      line: undefined,
      warmUntilMs: Number.NEGATIVE_INFINITY,
    };
    const connector = new SimulatedConnector(at, this.#service, ref);
    if (!place.isServerless) this.#connectors.set(key, connector);
    return connector;
  }

  /** What the process has to tell is sent now, as a function does before it ends. */
  flush(): void {
    this.#recorder.send();
  }

  /** @throws Error when no state that was handed out gives this timestamp now */
  behind(ref: ConnectorRef, timestampMs: number): SignedWith {
    const nowMs = this.#parts.place.clock.now();
    for (const state of this.#service.handedOut(ref)) {
      const estimate = appliedOffset(state, nowMs);
      const biasMs = biasOf(DEFAULT_RANGE, estimate.uncertaintyMs);
      if (Math.floor(nowMs + estimate.offsetMs + biasMs) === timestampMs) return { state, estimate, nowMs };
    }
    throw new Error(`${ref.userId} ${ref.credentialId} signed ${timestampMs} with a state nobody gave it`);
  }

  async #lookup(key: LookupKey): Promise<LookupAnswer> {
    const { time, database, place, onLookup } = this.#parts;
    const { host, clock } = place;
    const line = this.#weathers.get(key.cacheKey);
    if (!line) throw new Error(`nobody initialises ${key.cacheKey}`);
    const { setUpMs, upMs, processingMs, downMs } = line.weather.query(line.queries++);
    const askedAtMs = time.now();
    const deadlineAtMs = askedAtMs + LOOKUP_DEADLINE_MS;
    const isCold = askedAtMs >= this.#databaseWarmUntilMs;
    const readyAtMs = askedAtMs + (isCold ? setUpMs : 0);
    const arrivesAtMs = readyAtMs + upMs + processingMs;
    if (database.isDown(arrivesAtMs) || arrivesAtMs + downMs > deadlineAtMs) {
      await time.until(host.awakeAt(deadlineAtMs));
      // A query that is cut off ends its connection; one that is still being made is kept for the next.
      const isMade = isCold && readyAtMs > deadlineAtMs && !database.isDown(readyAtMs);
      this.#databaseWarmUntilMs = isMade ? readyAtMs + DATABASE_IDLE_MS : Number.NEGATIVE_INFINITY;
      throw new LookupTimeoutError(LOOKUP_DEADLINE_MS);
    }
    if (isCold) await time.until(host.awakeAt(readyAtMs));
    const sentAtMs = clock.now();
    const sentAtTrueMs = time.now();
    // The rows are read when the query arrives, not when it was sent.
    await time.until(sentAtTrueMs + upMs + processingMs);
    const stampedAtMs = time.now();
    const found = database.find(key, stampedAtMs);
    await time.until(host.awakeAt(stampedAtMs + downMs));
    this.#databaseWarmUntilMs = time.now() + DATABASE_IDLE_MS;
    onLookup?.({ sentAtMs: sentAtTrueMs, stampedAtMs, receivedAtMs: time.now(), clockId: found.clockId });
    const { serverTimeMs, ...answer } = found;
    return { ...answer, sample: { sentAtMs, receivedAtMs: clock.now(), serverTimeMs } };
  }
}

/** As the pool's idle time-out. */
const DATABASE_IDLE_MS = 30_000;

export interface SignedWith {
  readonly state: UsableState;
  /** Exchange minus host, at `nowMs`. */
  readonly estimate: OffsetEstimate;
  /** By the process's clock. */
  readonly nowMs: number;
}

export class SimulatedConnector extends ConnectorWithCache {
  readonly place: AdapterPlace;
  /** True while an init is under way. */
  isBusy = false;

  constructor(place: AdapterPlace, cache: ConnectorStateCacheService, ref: ConnectorRef) {
    super(ref.exchange, options => createSimulatedAdapter(place, options), {
      ...ref,
      cache,
      credentials: { apiKey: 'key', apiSecret: 'secret' },
    });
    this.place = place;
  }
}

class WatchedService extends ConnectorStateCacheService {
  /** By connector: the last answer, and what was set after it. */
  readonly #answers = new Map<string, { lookup: Lookup; set: UsableState[] }>();

  override async get(...args: Parameters<ConnectorStateCacheService['get']>): Promise<Lookup> {
    const lookup = await super.get(...args);
    this.#answers.set(keyOf(args[0]), { lookup, set: [] });
    return lookup;
  }

  override set(...args: Parameters<ConnectorStateCacheService['set']>): UsableState {
    const state = super.set(...args);
    this.#answers.get(keyOf(args[0]))?.set.unshift(state);
    return state;
  }

  /** The likeliest first. */
  handedOut(ref: ConnectorRef): UsableState[] {
    const answer = this.#answers.get(keyOf(ref));
    if (!answer) return [];
    const { lookup, set } = answer;
    if (lookup.hit) return [...set, lookup.state];
    const link = lookup.link ?? linkToSelf(this.clock);
    const states = [...set, lookup.exchangeClock, lookup.between, lookup.ended, guess(ref, link)];
    return states.filter(state => state !== undefined);
  }
}

const keyOf = (ref: ConnectorRef) => `${ref.userId} ${ref.credentialId}`;

/** With nothing known of the exchange: the reference clock itself. */
const guess = (ref: ConnectorRef, link: UsableState['link']): UsableState => ({
  exchange: ref.exchange,
  environment: ref.environment,
  scope: scopeOf(ref),
  syncId: randomUUID(),
  basis: 'measured',
  estimate: { offsetMs: 0, uncertaintyMs: Number.POSITIVE_INFINITY, atMs: link.atMs },
  expiresAtMs: link.atMs,
  referenceClock: link.clockId,
  link,
});
