/**
 * The cache without a database, for tests of code that uses connectors: the real service, recorder, schemas and projections
 * over facts in memory ({@link MemoryStore}).
 */

import type { Pool } from 'pg';
import { ConnectorStateError } from '../base/errors.js';
import { type Logger, silentLogger } from '../base/logging.js';
import { ConnectorStateCacheService } from '../cache/connector-state-cache-service.js';
import type { FirstContact } from '../cache/modes.js';
import { type FlushResult, Recorder } from '../cache/recorder.js';
import { type HostClock, systemClock } from '../clock/host-clock.js';
import { systemTimers, type Timers } from '../clock/timers.js';
import type { EventType } from '../events/catalogue.js';
import type { KnownEvent } from '../events/event.js';
import { newEventId } from '../events/ids.js';
import { comparePlaces, MemoryStore } from './memory-store.js';

export interface InMemoryStateOptions {
  /** This machine's. With a {@link FakeClock} its timers go by the same hands. Default: this process's. */
  readonly clock?: (HostClock & { readonly timers?: Timers; trueNow?(): number }) | undefined;
  /** Default `verify-first`. */
  readonly firstContact?: FirstContact | undefined;
  /** Default: nothing is logged. */
  readonly logger?: Logger | undefined;
  /** The facts of another in-memory state, for a second process over the same database. Default: none yet. */
  readonly facts?: MemoryStore | undefined;
}

export interface InMemoryState {
  /** For connectors, as that of `createConnectorState()`. What needs SQL (`getStats`, `explain`) rejects. */
  readonly cache: ConnectorStateCacheService;
  /** To be given to a second process. */
  readonly store: MemoryStore;
  /** What was recorded and flushed, in order; of one type, or all. */
  facts(): Promise<readonly KnownEvent[]>;
  facts<Type extends EventType>(type: Type): Promise<readonly Extract<KnownEvent, { type: Type }>[]>;
  flush(): Promise<FlushResult>;
  close(): Promise<void>;
}

const LOOKUP_DEADLINE_MS = 10_000;
const MAX_PENDING = 10_000;
const NEVER_MS = 2 ** 31 - 1;

/**
 * @example
 * ```ts
 * const state = createInMemoryState({ clock });
 * const connector = new BybitConnectorWithCache({
 *   cache: state.cache,
 *   userId: 'alice',
 *   credentialId: 'main',
 *   environment: 'TESTNET',
 *   credentials: demoAccount(1),
 *   baseUrl: simulator.bybitUrl,
 * });
 * await connector.initialize();
 * expect(await state.facts('ConnectorSynced')).toHaveLength(1);
 * await state.close();
 * ```
 */
export function createInMemoryState(options: InMemoryStateOptions = {}): InMemoryState {
  const clock: NonNullable<InMemoryStateOptions['clock']> = options.clock ?? systemClock;
  const { firstContact = 'verify-first', logger = silentLogger } = options;
  const store = options.facts ?? new MemoryStore(() => clock.trueNow?.() ?? clock.now());
  const events = store.asEventStore();
  const recorder = new Recorder({
    store: async () => events,
    newId: async () => newEventId,
    maxPending: MAX_PENDING,
    // Only when it is asked for: a test knows when.
    flushIntervalMs: NEVER_MS,
    host: clock.id,
    wall: () => clock.wall(),
    log: logger,
  });
  const cache = new ConnectorStateCacheService({
    batcher: { lookup: async key => store.find(key, () => clock.now()) },
    recorder,
    comparePositions: async () => comparePlaces,
    store: async () => events,
    outbox: async () => ({ waiting: 0, waitingSeconds: 0, dead: 0 }),
    pool: noPool(),
    release: async () => undefined,
    clock,
    log: logger,
    lookupDeadlineMs: LOOKUP_DEADLINE_MS,
    memoryEntries: MAX_PENDING,
    memoryTtlMs: 10_000,
    ttlMs: 900_000,
    cacheMode: 'on',
    firstContact,
    clockPolicy: 'adaptive',
    timers: clock.timers ?? systemTimers,
  });
  const facts = async (type?: EventType) => {
    await cache.flush();
    return store.events.filter(event => event.decoded === 'known' && (!type || event.type === type));
  };
  return {
    cache,
    store,
    facts: facts as InMemoryState['facts'],
    flush: () => cache.flush(),
    close: () => cache.close(),
  };
}

/** Whatever needs SQL is told why there is none. */
function noPool(): Pool {
  const refuse = () =>
    Promise.reject(
      new ConnectorStateError(
        'DATABASE_UNAVAILABLE',
        'facts in memory have no database: use createConnectorState() for what needs one',
      ),
    );
  const pool: Pick<Pool, 'connect' | 'query' | 'end'> = {
    connect: refuse,
    query: refuse,
    end: () => Promise.resolve(),
  };
  return pool as Pool;
}
