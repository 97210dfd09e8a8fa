/**
 * One run of a program that uses the cache: the real service and the real connectors, on a simulated host.
 *
 * The connector tells which state its last timestamp was made with, so that the offset behind each is known exactly.
 */

import { silentLogger } from '../../../src/base/logging.js';
import { ConnectorStateCacheService } from '../../../src/cache/connector-state-cache-service.js';
import type { LookupAnswer } from '../../../src/cache/guarded-lookup.js';
import type { UsableState } from '../../../src/cache/lookup.js';
import { LookupTimeoutError } from '../../../src/cache/lookup-batcher.js';
import type { Recorder } from '../../../src/cache/recorder.js';
import type { OffsetEstimate } from '../../../src/clock/offset.js';
import type { Timers } from '../../../src/clock/timers.js';
import type { ClockPolicy } from '../../../src/clock/ttl.js';
import { DEFAULT_MEMORY_TTL_MS } from '../../../src/composition/settings.js';
import { ConnectorWithCache } from '../../../src/connectors/connector-with-cache.js';
import type { ConnectorRef } from '../../../src/events/connector.js';
import { profileOf } from '../../../src/exchanges/registry.js';
import type { LookupKey } from '../../../src/read-model/lookup.js';
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
  /** Default: none ever goes off. Real ones know nothing of this time. */
  readonly timers?: Timers;
  /** A reply of the database came, in true time. */
  readonly onLookup?: (lookup: {
    sentAtMs: number;
    stampedAtMs: number;
    receivedAtMs: number;
    clockId: string;
  }) => void;
}

const NO_TIMERS: Timers = { after: () => () => undefined };

export class SimulatedProcess {
  readonly #parts: ProcessParts;
  readonly #service: ConnectorStateCacheService;
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
    this.#service = new ConnectorStateCacheService({
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
      timers: parts.timers ?? NO_TIMERS,
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

  /** What the connector's last timestamp was made with; to be asked just after. */
  behind(connector: SimulatedConnector): SignedWith {
    const nowMs = this.#parts.place.clock.now();
    return { state: connector.lastSignedWith, estimate: connector.appliedNow, nowMs };
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
    const { exchange, userId, credentialId, environment, scope } = ref;
    super(profileOf(exchange), options => createSimulatedAdapter(place, options), {
      userId,
      credentialId,
      environment,
      clockScope: scope,
      cache,
      credentials: { apiKey: 'key', apiSecret: 'secret' },
    });
    this.place = place;
  }

  get lastSignedWith(): UsableState {
    return this.signedWith;
  }

  /** Exchange minus host, with all that widens its bound. */
  get appliedNow(): OffsetEstimate {
    return this.offsetNow;
  }
}
