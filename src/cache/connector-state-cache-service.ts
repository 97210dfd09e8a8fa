/**
 * ConnectorStateCacheService: what a connector asks before it signs, and tells after it has.
 *
 * A lookup goes through memory, then one PostgreSQL round trip that concurrent lookups share. It never throws
 * for a well-formed connector and never outlasts its deadline (promise 3): a database that is slow, dead or
 * left alone by the circuit breaker is a miss with a reason. A miss brings along the exchange's shared clock
 * and the link to the database's clock, because the caller's next step needs them.
 *
 * What this process itself recorded is visible to it at once: states sit in the memory tier, measurements and
 * condemnations in the local clocks, condemned syncs in a set, until the read model has caught up.
 *
 * Reading never writes: `get` only counts the hit in the recorder. The event store, the schemas and the
 * projections are loaded when first needed, after the cold start is over.
 */
import { LRUCache } from 'lru-cache';
import type { Pool } from 'pg';
import { ContinuityGuard, type HostClock } from '../clock/host-clock.js';
import { linkFromSample, linkToSelf, type ReferenceLink, referenceTimeMs } from '../clock/reference.js';
import { fixedTtl, type TtlDecision } from '../clock/ttl.js';
import { InvalidInputError } from '../errors.js';
import type { EventStore } from '../event-store/event-store.js';
import type {
  AuthFailureClass,
  InvalidationReason,
  SyncFailureClass,
  SyncTrigger,
} from '../events/catalogue.js';
import { type ConnectorRef, cacheKeyOf, parseConnectorRef, parseId } from '../events/connector.js';
import type { Position } from '../events/event.js';
import type { Logger } from '../logging.js';
import { toDatabaseError } from '../postgres/pool.js';
import {
  countExpired,
  countStates,
  countUsage,
  currentSync,
  type StateCounts,
  type UsageCounts,
} from '../read-model/queries.js';
import { type HistoryEntry, readHistory, type StateAt, stateAtTime } from './history.js';
import { type KnownConnector, KnownConnectors } from './known-connector.js';
import { LocalClocks } from './local-clocks.js';
import type { Hit, Lookup, LookupOptions, Miss, UsableState } from './lookup.js';
import { type LookupAnswer, type LookupBatcher, LookupTimeoutError } from './lookup-batcher.js';
import { checkMeasured, type MeasuredOffset } from './measurement.js';
import {
  assessState,
  type MissReason,
  namesItsSync,
  type OffsetState,
  parseClock,
  stateFromClock,
} from './offset-state.js';
import { untilReached } from './reached.js';
import type { FlushResult, RecordedFact, Recorder, RecorderStats } from './recorder.js';

export interface CacheDependencies {
  readonly pool: Pool;
  readonly batcher: Pick<LookupBatcher, 'lookup'>;
  readonly recorder: Recorder;
  readonly store: () => Promise<EventStore>;
  /** The store's, to be had without contacting it. */
  readonly comparePositions: () => Promise<EventStore['compare']>;
  /** A lookup takes no longer, in milliseconds. */
  readonly lookupDeadlineMs: number;
  readonly clock: HostClock;
  readonly log: Logger;
  /** States kept in this process; 0 turns the memory tier off. */
  readonly memoryEntries: number;
  readonly memoryTtlMs: number;
  readonly ttlMs: number;
  /** Releases what stands behind the service; called once, after the last flush. */
  readonly release: () => Promise<void>;
}

export interface CacheStats extends StateCounts, UsageCounts {
  /** hits / (hits + misses), 0 to 1; 0 while nothing was looked up. A miss is a lookup that led to a sync. */
  readonly hitRate: number;
  /** Of this process only. */
  readonly recorder: RecorderStats;
}

export interface AuthFailure {
  /** The exchange's own code. */
  readonly exchangeCode: string;
  readonly failureClass: AuthFailureClass;
  /** What the refused request was signed with. */
  readonly state?: UsableState | undefined;
  /** The exchange's clock, epoch milliseconds, where the refusal carried it. */
  readonly serverTimeMs?: number | undefined;
}

/** Ties together what belongs to one init. */
export interface Trace {
  readonly correlationId?: string | undefined;
  readonly causedBy?: RecordedFact | undefined;
}

const MAX_CONDEMNED = 10_000;
const CLOSE_FLUSH_MS = 5_000;
const STATS_FLUSH_MS = 1_000;
const NOT_CHECKED = -1;

/** Flat, so that most hits are judged by two numbers and touch nothing else. */
interface MemoryEntry {
  readonly state: UsableState;
  /** By this process's clock: when the state ends or the database is to be asked again. */
  readonly usableUntilMs: number;
  /** How much was known to be void when the state was last held against it. */
  checkedAgainst: number;
  /** This process recorded it, so that it may be newer than what the read model shows. */
  readonly isOwn: boolean;
}

export class ConnectorStateCacheService {
  readonly #deps: CacheDependencies;
  readonly #memory: LRUCache<string, MemoryEntry> | undefined;
  readonly #condemned = new LRUCache<string, true>({ max: MAX_CONDEMNED });
  #condemnations = 0;
  readonly #localClocks = new LocalClocks();
  readonly #connectors = new KnownConnectors();
  readonly #inFlight = new Map<string, Promise<Lookup>>();
  readonly #continuity: ContinuityGuard;
  /** What was measured against this host's own clock before it last broke off is void. */
  #hostEpochStartedAtMs = Number.NEGATIVE_INFINITY;
  #databaseFailing = false;
  #closing: Promise<void> | undefined;

  constructor(deps: CacheDependencies) {
    this.#deps = deps;
    this.#continuity = new ContinuityGuard(deps.clock);
    if (deps.memoryEntries > 0) this.#memory = new LRUCache({ max: deps.memoryEntries });
  }

  /** The clock that every offset handed out is applied to. */
  get clock(): HostClock {
    return this.#deps.clock;
  }

  /** How long a measurement made now would be kept. */
  get ttl(): TtlDecision {
    return fixedTtl(this.#deps.ttlMs);
  }

  get log(): Logger {
    return this.#deps.log;
  }

  /**
   * The connector's state, or a miss that says why.
   * @throws InvalidInputError for a malformed connector, or an `atLeast` that is no position of this event store;
   *   nothing else
   */
  async get(ref: ConnectorRef, { atLeast }: LookupOptions = {}): Promise<Lookup> {
    const connector = this.#connectors.know(ref);
    const { key } = connector;
    this.#checkContinuity();
    if (atLeast !== undefined) return this.#answer(connector, await this.#getAtLeast(connector, atLeast));
    const remembered = this.#fromMemory(key);
    if (remembered) return this.#answer(connector, remembered);
    let lookup = this.#inFlight.get(key);
    if (!lookup) {
      lookup = this.#fromDatabase(connector).finally(() => this.#inFlight.delete(key));
      this.#inFlight.set(key, lookup);
    }
    return this.#answer(connector, await lookup);
  }

  /**
   * Asks the database again, past the memory tier and without counting a hit: for who has just been refused
   * and can no longer trust the link that its state came with.
   * @throws InvalidInputError for a malformed connector; nothing else
   */
  async refresh(ref: ConnectorRef): Promise<Lookup> {
    return this.#fromDatabase(this.#connectors.know(ref));
  }

  /**
   * Many connectors in one query; answers in the order asked.
   * @throws InvalidInputError when any of them is malformed, before anything is asked; otherwise as {@link get}
   */
  async getMany(refs: readonly ConnectorRef[], options: LookupOptions = {}): Promise<Lookup[]> {
    for (const ref of refs) this.#connectors.know(ref);
    return Promise.all(refs.map(ref => this.get(ref, options)));
  }

  /**
   * Stores a measured offset: usable by this process at once, by others when the fact is flushed and projected.
   * @throws InvalidInputError for a malformed connector or measurement
   */
  set(ref: ConnectorRef, measured: MeasuredOffset, trigger: SyncTrigger, trace: Trace = {}): UsableState {
    const connector = this.#connectors.know(ref);
    checkMeasured(measured);
    const { estimate, link, ttl, syncId } = measured;
    const name = {
      exchange: connector.exchange,
      environment: connector.environment,
      referenceClock: link.clockId,
    };
    this.#localClocks.measured(name, { syncId, estimate, ttlMs: ttl.ttlMs });
    const state: UsableState = {
      ...name,
      syncId,
      basis: 'measured',
      estimate,
      expiresAtMs: estimate.atMs + ttl.ttlMs,
      link,
    };
    this.#remember(connector, state, { isOwn: true });
    this.#recordSynced(connector, state, measured, trigger, trace);
    return state;
  }

  /**
   * Takes over the exchange's shared clock as this connector's own state, once it has proved good: same
   * measurement, same end.
   * @throws InvalidInputError for a malformed connector
   */
  adopt(ref: ConnectorRef, state: UsableState, trigger: SyncTrigger, trace: Trace = {}): void {
    const connector = this.#connectors.know(ref);
    this.#remember(connector, state, { isOwn: true });
    const ttlMs = Math.max(1, Math.round(state.expiresAtMs - state.estimate.atMs));
    const ttl = { ttlMs, policy: 'exchange-clock', inputs: { ttlMs } };
    this.#recordSynced(connector, state, { roundTripMs: 0, samples: 0, ttl }, trigger, trace);
  }

  /** Counts a lookup that was answered by the exchange's shared clock. */
  recordExchangeClockHit(ref: ConnectorRef, state: UsableState): void {
    const connector = this.#connectors.know(ref);
    this.#deps.recorder.recordHit(connector, 'exchange-clock', connector.key);
    this.#logHit(connector, state, 'exchange-clock');
  }

  /** The exchange refused a signed request. Condemns nothing by itself; see {@link condemn}. */
  recordAuthFailure(ref: ConnectorRef, failure: AuthFailure, trace: Trace = {}): RecordedFact {
    const { exchangeCode, failureClass, state, serverTimeMs } = failure;
    const now = this.#deps.clock.now();
    return this.#deps.recorder.record(
      {
        type: 'ConnectorAuthFailed',
        data: {
          ...fieldsOf(parseConnectorRef(ref)),
          exchangeCode: exchangeCode.slice(0, 200),
          failureClass,
          ...(state && {
            syncId: state.syncId,
            offsetMs: state.estimate.offsetMs,
            offsetAgeMs: referenceTimeMs(state.link, now) - state.estimate.atMs,
            referenceClock: state.referenceClock,
          }),
          ...(serverTimeMs !== undefined && { serverTimeMs: Math.round(serverTimeMs) }),
        },
      },
      trace,
    );
  }

  /** A measurement was tried and failed. */
  recordSyncFailure(
    ref: ConnectorRef,
    failure: {
      trigger: SyncTrigger;
      failureClass: SyncFailureClass;
      exchangeCode?: string;
      durationMs: number;
    },
    trace: Trace = {},
  ): RecordedFact {
    const { exchangeCode, ...rest } = failure;
    const data = {
      ...fieldsOf(parseConnectorRef(ref)),
      ...rest,
      ...(exchangeCode !== undefined && { exchangeCode: exchangeCode.slice(0, 200) }),
    };
    return this.#deps.recorder.record({ type: 'ConnectorSyncFailed', data }, trace);
  }

  /**
   * Condemns the sync a state rests on, for this process at once and for all by the fact. A newer sync is
   * never touched (promise 4).
   */
  condemn(
    ref: ConnectorRef,
    state: UsableState,
    reason: InvalidationReason,
    by: string,
    trace: Trace = {},
  ): RecordedFact {
    const connector = this.#connectors.know(ref);
    const { syncId, referenceClock } = state;
    const measuredAtMs = Math.round(state.estimate.atMs);
    this.#condemned.set(syncId, true);
    this.#condemnations++;
    const name = { exchange: state.exchange, environment: state.environment, referenceClock };
    this.#localClocks.condemned(name, { syncId, measuredAtMs, voidsOlder: reason === 'timestamp-refused' });
    const data = {
      ...fieldsOf(connector),
      reason,
      by: by.slice(0, 200),
      condemnedSyncId: syncId,
      condemnedMeasuredAt: measuredAtMs,
      referenceClock,
    };
    return this.#deps.recorder.record({ type: 'ConnectorStateInvalidated', data }, trace);
  }

  /**
   * Makes one connector start from something else: condemns the sync its row holds now, and stores that at once.
   * Its next init uses the exchange's shared clock if that rests on another measurement, and syncs otherwise.
   * @returns the condemned sync, or `undefined` when there is no state, or a corrupt one
   * @throws InvalidInputError for malformed ids; ConnectorStateError `DATABASE_UNAVAILABLE`
   */
  async invalidate(
    userId: string,
    credentialId: string,
    by = 'operator',
  ): Promise<{ syncId: string } | undefined> {
    const credential = {
      userId: parseId('userId', userId),
      credentialId: parseId('credentialId', credentialId),
    };
    await this.flush();
    const row = await this.#cold(() => currentSync(this.#deps.pool, cacheKeyOf(credential)));
    // A row that no lookup would believe is no state: there is nothing in it to condemn, and the next sync heals it.
    if (!row || !namesItsSync(row)) return undefined;
    const connector = parseConnectorRef({
      ...credential,
      exchange: row.exchange,
      environment: row.environment,
    } as ConnectorRef);
    const state: UsableState = {
      exchange: connector.exchange,
      environment: connector.environment,
      syncId: row.syncId,
      basis: 'measured',
      estimate: { offsetMs: 0, uncertaintyMs: 0, atMs: row.measuredAtMs },
      expiresAtMs: row.measuredAtMs,
      referenceClock: row.referenceClock,
      link: linkToSelf(this.#deps.clock),
    };
    this.condemn(connector, state, 'manual', by);
    await this.#flushOrThrow();
    return { syncId: row.syncId };
  }

  /**
   * Removes the states that have ended, by the database's clock.
   * @returns how many
   * @throws ConnectorStateError `DATABASE_UNAVAILABLE`
   */
  async cleanupExpired(by = 'service'): Promise<number> {
    await this.flush();
    const { cutoffMs, expired } = await this.#cold(() => countExpired(this.#deps.pool));
    if (expired === 0) return 0;
    this.#deps.recorder.record({
      type: 'ExpiredStatesCleaned',
      data: { cutoff: cutoffMs, by: by.slice(0, 200) },
    });
    await this.#flushOrThrow();
    this.#deps.log.info({ removed: expired }, `[ConnectorStateCache] Removed ${expired} expired states`);
    return expired;
  }

  /**
   * Counts over all processes, what this one has recorded included.
   * @throws ConnectorStateError `DATABASE_UNAVAILABLE`
   */
  async getStats(): Promise<CacheStats> {
    await this.#deps.recorder.flush(STATS_FLUSH_MS);
    return this.#cold(async () => {
      const [states, usage] = await Promise.all([countStates(this.#deps.pool), countUsage(this.#deps.pool)]);
      const lookups = usage.totalHits + usage.totalMisses;
      const hitRate = lookups === 0 ? 0 : usage.totalHits / lookups;
      return { ...states, ...usage, hitRate, recorder: this.#deps.recorder.stats() };
    });
  }

  /**
   * The audit trail of one connector: every fact, oldest first.
   * @throws InvalidInputError for malformed ids; ConnectorStateError when the store cannot be read
   */
  async history(userId: string, credentialId: string): Promise<HistoryEntry[]> {
    const credential = {
      userId: parseId('userId', userId),
      credentialId: parseId('credentialId', credentialId),
    };
    await this.flush();
    return readHistory(await this.#deps.store(), credential);
  }

  /**
   * The state as the store knew it at a time (by the store's clock).
   * @returns `undefined` when there was none
   * @throws InvalidInputError for malformed ids or time; ConnectorStateError when the store cannot be read
   */
  async stateAt(userId: string, credentialId: string, time: Date | number): Promise<StateAt | undefined> {
    const timeMs = typeof time === 'number' ? time : time.getTime();
    if (!Number.isFinite(timeMs))
      throw new InvalidInputError(`time must be a date or epoch milliseconds, got ${time}`);
    return stateAtTime(await this.history(userId, credentialId), timeMs);
  }

  /** Stores what is pending. Never throws; `ok: false` says that something stays pending. */
  flush(timeoutMs?: number): Promise<FlushResult> {
    return this.#deps.recorder.flush(timeoutMs);
  }

  /** A last flush (at most 5 s), then everything is released. Safe to call twice. */
  close(): Promise<void> {
    this.#closing ??= this.#deps.recorder.close(CLOSE_FLUSH_MS).then(() => this.#deps.release());
    return this.#closing;
  }

  #answer(connector: KnownConnector, lookup: Lookup): Lookup {
    if (lookup.hit) {
      this.#deps.recorder.recordHit(connector, lookup.tier, connector.key);
      this.#logHit(connector, lookup.state, lookup.tier);
    } else {
      const message = `[ConnectorStateCache] Cache MISS: ${connector.cacheKey} (${lookup.reason})`;
      this.#deps.log.info({ reason: lookup.reason }, message);
    }
    return lookup;
  }

  /** After a step or a freeze neither the links to the reference clock nor this host's own clock are worth anything. */
  #checkContinuity(): void {
    if (this.#continuity.isUnbroken()) return;
    this.#memory?.clear();
    this.#hostEpochStartedAtMs = this.#deps.clock.now();
  }

  #fromMemory(key: string): Hit | undefined {
    const memory = this.#memory;
    if (!memory) return undefined;
    const entry = memory.get(key);
    if (!entry) return undefined;
    const isChecked = entry.checkedAgainst === this.#voids;
    if (this.#deps.clock.now() < entry.usableUntilMs && (isChecked || !this.#isVoid(entry.state))) {
      entry.checkedAgainst = this.#voids;
      return { hit: true, tier: 'memory', state: entry.state };
    }
    memory.delete(key);
    return undefined;
  }

  /** Past the memory tier, which does not know which events it has seen, but for what this process itself recorded. */
  async #getAtLeast(connector: KnownConnector, atLeast: Position): Promise<Lookup> {
    const compare = await this.#deps.comparePositions();
    // Here the argument is at fault; below it may be the row.
    compare(atLeast, undefined);
    const { cacheKey, key, exchange, environment } = connector;
    const own = this.#memory?.peek(key);
    let result: { answer: LookupAnswer; reached: boolean };
    try {
      result = await untilReached(
        () => this.#deps.batcher.lookup({ cacheKey, exchange, environment, withCheckpoint: true }),
        ({ checkpoint }) => isAtLeast(compare, checkpoint, atLeast),
        this.#deps.lookupDeadlineMs,
      );
    } catch (error) {
      return { ...this.#missWithoutDatabase(connector, error), behind: true };
    }
    const { answer, reached } = result;
    const found = this.#use(connector, answer);
    const rowAtMs = Number(answer.state?.measuredAtMs ?? Number.NEGATIVE_INFINITY);
    if (own?.isOwn && own.state.estimate.atMs > rowAtMs) {
      // Nobody but this process knows of it yet.
      this.#memory?.set(key, own);
      const remembered = this.#fromMemory(key);
      if (remembered) return reached ? remembered : { ...remembered, behind: true };
    }
    if (!found.hit) this.#memory?.delete(key);
    return reached ? found : { ...found, behind: true };
  }

  async #fromDatabase(connector: KnownConnector): Promise<Lookup> {
    const { cacheKey, exchange, environment } = connector;
    try {
      return this.#use(connector, await this.#deps.batcher.lookup({ cacheKey, exchange, environment }));
    } catch (error) {
      return this.#missWithoutDatabase(connector, error);
    }
  }

  #use(connector: KnownConnector, answer: LookupAnswer): Hit | Miss {
    if (this.#databaseFailing) {
      this.#databaseFailing = false;
      this.#deps.log.info({}, 'the database answers again');
    }
    const link = linkFromSample(answer.clockId, answer.sample);
    const lookup = this.#assess(connector, answer, link);
    if (lookup.hit) this.#remember(connector, lookup.state, { isOwn: false });
    return lookup;
  }

  #assess(connector: ConnectorRef, answer: LookupAnswer, link: ReferenceLink): Hit | Miss {
    const { exchange, environment } = connector;
    const hostNowMs = this.#deps.clock.now();
    const referenceNowMs = referenceTimeMs(link, hostNowMs);
    const name = { exchange, environment, referenceClock: link.clockId };
    const stored = parseClock(answer.clock, referenceNowMs);
    const clock = this.#localClocks.merge(name, stored === 'corrupt' ? undefined : stored);
    let found: OffsetState | MissReason = assessState(answer.state, {
      ref: connector,
      clockId: link.clockId,
      hostClockId: this.#deps.clock.id,
      referenceNowMs,
      hostNowMs,
    });
    if (typeof found === 'object' && this.#isVoid(found)) found = 'invalid';
    if (typeof found === 'object') {
      const own = found.referenceClock === link.clockId ? link : linkToSelf(this.#deps.clock);
      return { hit: true, tier: 'postgres', state: { ...found, link: own } };
    }
    const shared = stateFromClock(clock, { ...name, referenceNowMs });
    return {
      hit: false,
      // The sync that follows must say that there is something to heal, be it only the shared clock.
      reason: stored === 'corrupt' ? 'corrupt' : found,
      link,
      exchangeClock: shared && !this.#isVoid(shared) ? { ...shared, link } : undefined,
    };
  }

  /** Grows whenever something may have become void; but for a break of this host's clock, which empties the memory. */
  get #voids(): number {
    return this.#localClocks.epochs + this.#condemnations;
  }

  /** Condemned by this process, or measured before a step of a clock that it knows of. */
  #isVoid(state: OffsetState): boolean {
    if (this.#condemned.has(state.syncId)) return true;
    const { atMs } = state.estimate;
    if (state.referenceClock === this.#deps.clock.id && atMs < this.#hostEpochStartedAtMs) return true;
    const clock = this.#localClocks.known(state);
    return clock !== undefined && atMs < clock.epochStartedAtMs;
  }

  #missWithoutDatabase(connector: ConnectorRef, error: unknown): Miss {
    const isTimeout = error instanceof LookupTimeoutError;
    if (!this.#databaseFailing) {
      this.#databaseFailing = true;
      const problem = isTimeout ? error.message : toDatabaseError(error).message;
      this.#deps.log.warn(
        { problem },
        'lookups go on without the database: connectors initialise more slowly',
      );
    }
    const name = {
      exchange: connector.exchange,
      environment: connector.environment,
      referenceClock: this.#deps.clock.id,
    };
    const link = linkToSelf(this.#deps.clock);
    const clock = this.#localClocks.merge(name, undefined);
    const shared = stateFromClock(clock, { ...name, referenceNowMs: link.atMs });
    return {
      hit: false,
      reason: isTimeout ? 'timeout' : 'database',
      link: undefined,
      exchangeClock: shared && !this.#isVoid(shared) ? { ...shared, link } : undefined,
    };
  }

  #remember({ key }: KnownConnector, state: UsableState, { isOwn }: { isOwn: boolean }): void {
    const endsAtMs = state.expiresAtMs - state.link.offsetMs;
    const usableUntilMs = Math.min(endsAtMs, this.#deps.clock.now() + this.#deps.memoryTtlMs);
    this.#memory?.set(key, { state, usableUntilMs, checkedAgainst: NOT_CHECKED, isOwn });
  }

  #recordSynced(
    connector: ConnectorRef,
    state: UsableState,
    how: Pick<MeasuredOffset, 'roundTripMs' | 'samples' | 'ttl'>,
    trigger: SyncTrigger,
    trace: Trace,
  ): void {
    this.#deps.recorder.record(
      {
        type: 'ConnectorSynced',
        data: {
          ...fieldsOf(connector),
          syncId: state.syncId,
          basis: state.basis,
          trigger,
          offsetMs: state.estimate.offsetMs,
          uncertaintyMs: state.estimate.uncertaintyMs,
          roundTripMs: how.roundTripMs,
          samples: how.samples,
          referenceClock: state.referenceClock,
          measuredAt: Math.round(state.estimate.atMs),
          ttlMs: how.ttl.ttlMs,
          ttlPolicy: how.ttl.policy,
          ttlInputs: { ...how.ttl.inputs },
        },
      },
      trace,
    );
    const expires = new Date(state.expiresAtMs).toISOString();
    this.#deps.log.info(
      {
        trigger,
        basis: state.basis,
        offsetMs: state.estimate.offsetMs,
        uncertaintyMs: state.estimate.uncertaintyMs,
      },
      `[ConnectorStateCache] Cached state for ${cacheKeyOf(connector)} (expires: ${expires})`,
    );
  }

  #logHit(ref: ConnectorRef, state: UsableState, tier: string): void {
    // A line that nobody will see is not worth making: it costs more than the lookup in memory.
    if (this.#deps.log.isLevelEnabled?.('info') === false) return;
    const ageMs = referenceTimeMs(state.link, this.#deps.clock.now()) - state.estimate.atMs;
    const message = `[ConnectorStateCache] Cache HIT: ${cacheKeyOf(ref)} (age: ${Math.round(ageMs / 1000)}s)`;
    this.#deps.log.info({ tier }, message);
  }

  async #flushOrThrow(): Promise<void> {
    const { ok } = await this.flush();
    if (!ok) throw toDatabaseError(new Error('the event store did not take the fact; it stays pending'));
  }

  async #cold<T>(query: () => Promise<T>): Promise<T> {
    try {
      return await query();
    } catch (error) {
      throw toDatabaseError(error);
    }
  }
}

/** A checkpoint that is not this store's says nothing about how far the rows have come. */
function isAtLeast(
  compare: EventStore['compare'],
  checkpoint: Position | undefined,
  atLeast: Position,
): boolean {
  try {
    return compare(checkpoint, atLeast) >= 0;
  } catch {
    return false;
  }
}

const fieldsOf = ({ userId, credentialId, exchange, environment }: ConnectorRef): ConnectorRef => ({
  userId,
  credentialId,
  exchange,
  environment,
});
