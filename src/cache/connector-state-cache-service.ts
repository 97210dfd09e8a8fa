/**
 * ConnectorStateCacheService: what a connector asks before it signs, and tells after it has.
 *
 * The face of the cache, and nothing more: how a state is found is in state-lookup.ts, what counts as void in
 * void-states.ts, which facts are made of it in facts.ts, what operators ask for in state-operations.ts.
 *
 * What this process itself recorded is visible to it at once: states sit in the memory tier, measurements and
 * condemnations in the local clocks, condemned syncs in a set, until the read model has caught up.
 *
 * Reading never writes: `get` only counts the hit in the recorder. The event store, the schemas and the
 * projections are loaded when first needed, after the cold start is over.
 */

import { withDeadline } from '../base/deadline.js';
import { ConnectorStateError, InvalidInputError } from '../base/errors.js';
import type { Logger } from '../base/logging.js';
import { type Telemetry, unwatched } from '../base/telemetry.js';
import type { HostClock } from '../clock/host-clock.js';
import type { OffsetEstimate } from '../clock/offset.js';
import { DEFAULT_RANGE, toleranceOf } from '../clock/request-window.js';
import type { SampleProblem } from '../clock/sample-check.js';
import type { BadSample } from '../clock/sample-gate.js';
import { systemTimers, type Timers } from '../clock/timers.js';
import { adaptiveTtl, type ClockPolicy, fixedTtl, type TtlDecision, type TtlFigures } from '../clock/ttl.js';
import type { InvalidationReason, SyncTrigger } from '../events/catalogue.js';
import type { ConnectorRef } from '../events/connector.js';
import type { FactOf } from '../events/event.js';
import { type AuthFailure, checkAuthFailure } from './auth-failure.js';
import {
  authFailedFact,
  edgeFact,
  type HowMeasured,
  howAdopted,
  invalidatedFact,
  type LateRequest,
  requestLateFact,
  type SyncFailure,
  syncedFact,
  syncFailedFact,
  type Unreachable,
  unreachableFact,
} from './facts.js';
import { type KnownConnector, KnownConnectors } from './known-connector.js';
import { LocalClocks } from './local-clocks.js';
import { logCached, logHit, logMiss, logStale } from './log-lines.js';
import type { Lookup, LookupOptions, UsableState } from './lookup.js';
import { checkMeasured, type MeasuredOffset } from './measurement.js';
import { MeasuringTurns, type Turn } from './measuring-turns.js';
import { MemoryTier } from './memory-tier.js';
import type { CacheMode, FirstContact } from './modes.js';
import type { RecordedFact } from './pending-facts.js';
import { requireTime, requireTrace, requireTrigger, requireUuid } from './recordable.js';
import type { FlushResult } from './recorder.js';
import { StateLookup, type StateLookupParts } from './state-lookup.js';
import { StateOperations } from './state-operations.js';
import { type CacheStats, carryDistrust, readStats, type UpkeepParts } from './upkeep.js';
import { VoidStates } from './void-states.js';

export type { AuthFailure, CacheStats };

/** @internal */
export interface CacheDependencies
  extends UpkeepParts,
    Pick<
      StateLookupParts,
      'batcher' | 'shared' | 'replicas' | 'comparePositions' | 'hasDatabase' | 'lookupDeadlineMs' | 'logAt'
    > {
  /** States kept in this process; 0 turns the memory tier off. */
  readonly memoryEntries: number;
  readonly memoryTtlMs: number;
  readonly cacheMode: CacheMode;
  readonly firstContact: FirstContact;
  readonly clockPolicy: ClockPolicy;
  /** Of the fixed policy. */
  readonly ttlMs: number;
  /** 0 ≤ x < 1; decides which of many callers refreshes. Default: `Math.random`. */
  readonly random?: (() => number) | undefined;
  /** Default: this process's. */
  readonly timers?: Timers | undefined;
  /** Default: nobody watches. */
  readonly telemetry?: Telemetry | undefined;
  /** Whether the database says anything at all, within a second. Left out: it is taken to. */
  readonly answers?: () => Promise<boolean>;
  /** Releases what stands behind the service; called once, after the last flush. */
  readonly release: () => Promise<void>;
}

/** Ties together what belongs to one init. */
export interface Trace {
  readonly correlationId?: string | undefined;
  readonly causedBy?: RecordedFact | undefined;
}

const NO_TURN: Turn = { hasWaited: false, done: () => undefined };
const TURN_FLUSH_MS = 2_000;
const TURN_DEADLINES = 5;
const CLOSE_FLUSH_MS = 5_000;
/** So long a last flush takes before it is asked whether there is anybody to take it. */
const PATIENCE_MS = 700;
/** Of connectors that are asked for by the hundred: also without a memory tier their names are made once. */
const LEAST_KNOWN = 10_000;

const closedError = () =>
  new ConnectorStateError(
    'CLOSED',
    'connector-state was closed: call createConnectorState() again, and close() only when nothing uses it any more',
  );

/**
 * What a connector asks before it signs and tells after it has, and what operators ask. Made by `createConnectorState()`.
 * @example
 * const { cache } = await createConnectorState();
 * const lookup = await cache.get(connector.ref);
 * if (lookup.hit) console.log(appliedOffset(lookup.state, Date.now()).offsetMs);
 * for (const { type, recordedAt } of await cache.history(connector.ref)) console.log(type, new Date(recordedAt));
 */
export class ConnectorStateCacheService extends StateOperations {
  readonly #deps: CacheDependencies;
  readonly #connectors: KnownConnectors;
  readonly #clocks = new LocalClocks();
  readonly #voids: VoidStates;
  readonly #memory: MemoryTier;
  readonly #states: StateLookup;
  readonly #hostNowMs: () => number;
  readonly #background = new Set<Promise<void>>();
  readonly #onClose: (() => void)[] = [];
  readonly #badSamples: Partial<Record<SampleProblem, number>> = {};
  #closing: Promise<void> | undefined;
  #isReleased = false;
  #turns: MeasuringTurns | undefined;

  /** @internal */
  constructor(deps: CacheDependencies) {
    super();
    const { batcher, shared, replicas, comparePositions, lookupDeadlineMs, clock, log } = deps;
    const { memoryEntries, memoryTtlMs } = deps;
    this.#deps = deps;
    this.#connectors = new KnownConnectors(Math.max(memoryEntries, LEAST_KNOWN));
    this.#hostNowMs = () => clock.now();
    this.#voids = new VoidStates(this.#clocks, clock.id);
    this.#memory = new MemoryTier({ maxEntries: memoryEntries, ttlMs: memoryTtlMs }, clock, this.#voids);
    this.#states = new StateLookup({
      ...(deps.hasDatabase === false && { hasDatabase: false }),
      batcher,
      shared,
      replicas,
      storedUpTo: () => deps.recorder.storedUpTo(),
      comparePositions,
      logAt: deps.logAt,
      lookupDeadlineMs,
      memory: this.#memory,
      clocks: this.#clocks,
      voids: this.#voids,
      clock,
      log,
    });
  }

  /**
   * The clock that every offset handed out is applied to.
   * @internal
   */
  get clock(): HostClock {
    return this.#deps.clock;
  }

  /** How long a perfect measurement would be kept for the default request window. */
  get ttl(): TtlDecision {
    return this.ttlOf({ toleranceMs: toleranceOf(DEFAULT_RANGE), uncertaintyMs: 0 });
  }

  /**
   * How long an offset is kept, and by which figures.
   * @internal
   */
  ttlOf(figures: TtlFigures): TtlDecision {
    return this.#deps.clockPolicy === 'fixed' ? fixedTtl(this.#deps.ttlMs) : adaptiveTtl(figures);
  }

  /** @internal */
  get log(): Logger {
    return this.#deps.log;
  }

  /**
   * 0 ≤ x < 1.
   * @internal
   */
  random(): number {
    return (this.#deps.random ?? Math.random)();
  }

  /** @internal */
  get timers(): Timers {
    return this.#deps.timers ?? systemTimers;
  }

  /** @internal */
  get telemetry(): Telemetry {
    return this.#deps.telemetry ?? unwatched;
  }

  /**
   * Not condemned, not from before a step, and not contradicted, as far as this process knows.
   * @internal
   */
  isSound(state: UsableState): boolean {
    return !this.#voids.isVoid(state) && !this.#voids.isDoubtful(state);
  }

  /**
   * Whose turn it is to measure an exchange's clock, over all processes that share a Redis: resolves when it is the
   * caller's, or when it has been waited for long enough. Without Redis at once. Never rejects.
   */
  async turnToMeasure(ref: ConnectorRef): Promise<Turn> {
    const patienceMs = TURN_DEADLINES * this.#deps.lookupDeadlineMs;
    this.#turns ??= new MeasuringTurns({
      lease: of => this.#deps.shared?.lease(of, patienceMs) ?? Promise.reject(new Error('nobody to ask')),
      patienceMs,
      flush: () => this.flush(Math.max(TURN_FLUSH_MS, patienceMs)),
    });
    return this.#deps.shared ? this.#turns.take(this.#connectors.know(ref)) : NO_TURN;
  }

  get mode(): CacheMode {
    return this.#deps.cacheMode;
  }

  /**
   * What a connector does that nothing is known about.
   * @internal
   */
  get firstContact(): FirstContact {
    return this.#deps.firstContact;
  }

  /**
   * The connector's state, or a miss that says why.
   * @throws InvalidInputError for a malformed connector, or an `atLeast` that is no place of this event store;
   *   nothing else
   */
  async get(ref: ConnectorRef, options: LookupOptions = {}): Promise<Lookup> {
    this.open();
    const { telemetry } = this;
    if (!telemetry.isWatched && !telemetry.isTraced) return this.#get(this.#connectors.know(ref), options);
    return this.#watched(() => this.#get(this.#connectors.know(ref), options));
  }

  #watched(look: () => Promise<Lookup>): Promise<Lookup> {
    const { telemetry } = this;
    const startedMs = performance.now();
    return telemetry.span('lookup', {}, async span => {
      const lookup = await look();
      const [tier, outcome] = lookup.hit ? [lookup.tier, 'hit'] : ['none', lookup.reason];
      span?.setAttribute('connector_state.tier', tier);
      span?.setAttribute('connector_state.outcome', outcome);
      telemetry.lookup(tier, outcome, (performance.now() - startedMs) / 1_000);
      return lookup;
    });
  }

  async #get(connector: KnownConnector, options: LookupOptions): Promise<Lookup> {
    return this.#noted(connector, await this.#look(connector, options));
  }

  #look(connector: KnownConnector, { atLeast }: LookupOptions): Lookup | Promise<Lookup> {
    if (atLeast !== undefined) return this.#states.atLeast(connector, atLeast);
    return this.#states.fromMemory(connector.key) ?? this.#states.fromOthers(connector);
  }

  #noted(connector: KnownConnector, lookup: Lookup): Lookup {
    if (lookup.hit) {
      this.#deps.recorder.recordHit(connector, lookup.tier, connector.key);
      logHit(this.#deps.log, connector, lookup.state, lookup.tier, this.#hostNowMs);
    } else {
      logMiss(this.#deps.log, connector, lookup.reason);
    }
    return lookup;
  }

  /**
   * Asks the database again, past the memory tier and without counting a hit: for who has just been refused
   * and can no longer trust the link that its state came with.
   * @throws InvalidInputError for a malformed connector; nothing else
   * @internal
   */
  async refresh(ref: ConnectorRef): Promise<Lookup> {
    return this.#states.ask(this.#connectors.know(ref));
  }

  /**
   * What {@link get} would answer, for who will not use it: neither counted nor logged.
   * @throws InvalidInputError as {@link get}; nothing else
   */
  async peek(ref: ConnectorRef, options: LookupOptions = {}): Promise<Lookup> {
    this.open();
    return this.#look(this.#connectors.know(ref), options);
  }

  /**
   * Many connectors in one query; answers in the order asked.
   * @throws InvalidInputError when any of them is malformed, before anything is asked; otherwise as {@link get}
   */
  async getMany(refs: readonly ConnectorRef[], options: LookupOptions = {}): Promise<Lookup[]> {
    if (!Array.isArray(refs)) throw new InvalidInputError('getMany() takes an array of connectors');
    const connectors = refs.map(ref => this.#connectors.knowOneOfMany(ref));
    this.open();
    const { telemetry } = this;
    if (options.atLeast !== undefined || telemetry.isTraced) {
      return Promise.all(connectors.map(each => this.#watched(() => this.#get(each, options))));
    }
    const startedMs = telemetry.isWatched ? performance.now() : 0;
    const lookups = await this.#states.many(connectors);
    for (const [i, connector] of connectors.entries()) this.#noted(connector, lookups[i] as Lookup);
    if (telemetry.isWatched) this.#tellOfMany(lookups, (performance.now() - startedMs) / 1_000);
    return lookups;
  }

  /** What memory has took its share of the time; all else took as long as the caller waited. */
  #tellOfMany(lookups: readonly Lookup[], seconds: number): void {
    for (const lookup of lookups) {
      if (!lookup.hit) this.telemetry.lookup('none', lookup.reason, seconds);
      else if (lookup.tier === 'memory') this.telemetry.lookup('memory', 'hit', seconds / lookups.length);
      else this.telemetry.lookup(lookup.tier, 'hit', seconds);
    }
  }

  /**
   * Stores a measured offset: usable by this process at once, by others when the fact is flushed and projected.
   * @throws InvalidInputError for a malformed connector or measurement
   */
  set(ref: ConnectorRef, measured: MeasuredOffset, trigger: SyncTrigger, trace: Trace = {}): UsableState {
    requireTrigger(trigger);
    requireTrace(trace);
    const { connector, state } = this.#measured(ref, measured);
    this.#keep(connector, state, measured, trigger, trace);
    return state;
  }

  /**
   * Records a measurement that contradicts what is known, which nobody is to sign by until a second one agrees: the next
   * lookup of the connector asks the database, and is told that the clock is contested.
   * @throws InvalidInputError for a malformed connector or measurement
   */
  contradict(ref: ConnectorRef, measured: MeasuredOffset, trigger: SyncTrigger, trace: Trace = {}): void {
    requireTrigger(trigger);
    requireTrace(trace);
    const { connector, state } = this.#measured(ref, measured);
    this.#memory.delete(connector.key);
    this.#deps.recorder.record(syncedFact(connector, state, measured, trigger), trace);
  }

  #measured(ref: ConnectorRef, measured: MeasuredOffset): { connector: KnownConnector; state: UsableState } {
    if (this.#isReleased) throw closedError();
    const connector = this.#connectors.know(ref);
    checkMeasured(measured);
    const { exchange, environment, scope } = connector;
    const { estimate, link, ttl } = measured;
    // As the database gives it back: by it the state is known again when it is condemned.
    const syncId = measured.syncId.toLowerCase();
    const name = { exchange, environment, scope, referenceClock: link.clockId };
    const host = this.#deps.clock.id;
    const isNew = link.clockId !== host && this.#clocks.known(name) === undefined;
    if (isNew && this.mode === 'on') this.inBackground(carryDistrust(this.#deps, name));
    this.#clocks.measured(name, { syncId, estimate: measured.sample ?? estimate, ttlMs: ttl.ttlMs, host });
    const expiresAtMs = estimate.atMs + ttl.ttlMs;
    return { connector, state: { ...name, syncId, basis: 'measured', estimate, expiresAtMs, link } };
  }

  /**
   * Takes over the exchange's shared clock as this connector's own state, once it has proved good: same
   * measurement, same end.
   * @throws InvalidInputError for a malformed connector
   * @internal
   */
  adopt(ref: ConnectorRef, state: UsableState, trigger: SyncTrigger, trace: Trace = {}): void {
    this.#keep(this.#connectors.know(ref), state, howAdopted(state), trigger, trace);
  }

  /**
   * Counts a lookup that was answered by the exchange's shared clock.
   * @throws InvalidInputError for a malformed connector
   * @internal
   */
  recordExchangeClockHit(ref: ConnectorRef, state: UsableState): void {
    const connector = this.#connectors.know(ref);
    this.#deps.recorder.recordHit(connector, 'exchange-clock', connector.key);
    logHit(this.#deps.log, connector, state, 'exchange-clock', this.#hostNowMs);
  }

  /**
   * Counts a lookup that was answered by a state past its end, still good enough for the request's window.
   * @throws InvalidInputError for a malformed connector
   * @internal
   */
  recordStaleHit(ref: ConnectorRef, state: UsableState): void {
    const connector = this.#connectors.know(ref);
    const tier = state.basis === 'exchange-clock' ? 'exchange-clock' : 'postgres';
    this.#deps.recorder.recordHit(connector, tier, connector.key, 'stale');
    logStale(this.#deps.log, connector, state, this.#hostNowMs());
  }

  /**
   * Work that goes on after an init has answered: {@link flush} and {@link close} wait for it, nothing else does.
   * @param work must not reject
   * @internal
   */
  inBackground(work: Promise<void>): void {
    this.#background.add(work);
    void work.finally(() => this.#background.delete(work));
  }

  /**
   * @param end called once, when {@link close} is; must not throw
   * @internal
   */
  onClose(end: () => void): void {
    this.#onClose.push(end);
  }

  /**
   * The exchange refused a signed request. Condemns nothing by itself; see {@link condemn}.
   * @throws InvalidInputError for a malformed connector or failure
   */
  recordAuthFailure(ref: ConnectorRef, failure: AuthFailure, trace: Trace = {}): RecordedFact {
    if (this.#isReleased) throw closedError();
    const connector = this.#connectors.know(ref);
    checkAuthFailure(failure);
    requireTrace(trace);
    return this.recordRefusal(connector, failure, trace);
  }

  /**
   * The same of a request that was signed here.
   * @throws InvalidInputError for a malformed connector
   * @internal
   */
  recordRefusal(ref: ConnectorRef, failure: AuthFailure, trace: Trace = {}): RecordedFact {
    const fact = authFailedFact(this.#connectors.know(ref), failure, this.#hostNowMs());
    return this.#deps.recorder.record(fact, trace);
  }

  /**
   * The exchange refused a request that came too late, while the clock it was signed by was right. Condemns nothing.
   * @throws InvalidInputError for a malformed connector
   * @internal
   */
  recordRequestLate(ref: ConnectorRef, late: LateRequest, trace: Trace = {}): RecordedFact {
    return this.#deps.recorder.record(requestLateFact(this.#connectors.know(ref), late), trace);
  }

  /**
   * A signed request came to nothing without the exchange's having said no.
   * @throws InvalidInputError for a malformed connector
   * @internal
   */
  recordUnreachable(ref: ConnectorRef, failure: Unreachable, trace: Trace = {}): RecordedFact {
    return this.#deps.recorder.record(unreachableFact(this.#connectors.know(ref), failure), trace);
  }

  /**
   * The edge in front of the exchange has another clock than the exchange.
   * @throws InvalidInputError for a malformed connector
   * @internal
   */
  recordEdge(ref: ConnectorRef, ahead: Pick<OffsetEstimate, 'offsetMs' | 'uncertaintyMs'>): RecordedFact {
    return this.#deps.recorder.record(edgeFact(this.#connectors.know(ref), ahead));
  }

  /**
   * A measurement was tried and failed.
   * @throws InvalidInputError for a malformed connector
   * @internal
   */
  recordSyncFailure(ref: ConnectorRef, failure: SyncFailure, trace: Trace = {}): RecordedFact {
    return this.#deps.recorder.record(syncFailedFact(this.#connectors.know(ref), failure), trace);
  }

  /**
   * Counts a server time that was not believed, and logs the first of its kind of each connector.
   * @internal
   */
  recordBadSample({ exchange, environment, scope }: ConnectorRef, bad: BadSample): void {
    const { problem, count, level, message } = bad;
    this.#badSamples[problem] = (this.#badSamples[problem] ?? 0) + 1;
    if (count === 1) this.#deps.log[level]({ exchange, environment, scope, problem }, message);
  }

  /**
   * What the cache would have done for an init that went without it.
   * @internal
   */
  recordShadowed(fact: FactOf<'ConnectorShadowed'>, trace: Trace = {}): RecordedFact {
    return this.#deps.recorder.record(fact, trace);
  }

  /**
   * Condemns the sync a state rests on, for this process at once and for all by the fact. A newer sync is
   * never touched (promise 4).
   * @throws InvalidInputError for a malformed connector
   * @internal
   */
  override condemn(
    ref: ConnectorRef,
    state: UsableState,
    reason: InvalidationReason,
    by: string,
    trace: Trace = {},
  ): RecordedFact {
    const connector = this.#connectors.know(ref);
    this.#voids.condemn(state, reason === 'timestamp-refused');
    this.#deps.shared?.condemn(connector, state.syncId, state.estimate.atMs);
    return this.#deps.recorder.record(invalidatedFact(connector, state, reason, by), trace);
  }

  /**
   * A fact about the connector that another process told this one, and that is stored: this process goes by it at once,
   * as by one of its own, and records nothing.
   * @throws InvalidInputError for a malformed connector
   */
  heard(ref: ConnectorRef, fact: FactOf<'ConnectorSynced'> | FactOf<'ConnectorStateInvalidated'>): void {
    const connector = this.#connectors.know(ref);
    this.#memory.delete(connector.key);
    if (fact.type === 'ConnectorSynced') return;
    const { condemnedSyncId, condemnedMeasuredAt: atMs, referenceClock, reason } = fact.data;
    requireUuid('condemnedSyncId', condemnedSyncId);
    requireTime('condemnedMeasuredAt', atMs);
    const { exchange, environment, scope } = connector;
    const place = { exchange, environment, scope, referenceClock, syncId: condemnedSyncId.toLowerCase() };
    const estimate = { offsetMs: 0, uncertaintyMs: 0, atMs };
    const condemned = { ...place, basis: 'measured' as const, estimate, expiresAtMs: atMs };
    this.#voids.condemn(condemned, reason === 'timestamp-refused');
  }

  /**
   * Counts over all processes, what this one has recorded included.
   * @throws ConnectorStateError `DATABASE_UNAVAILABLE`
   */
  async getStats(): Promise<CacheStats> {
    const { shared, replicas } = this.#deps;
    const stats = { ...(await readStats(this.open())), badSamples: { ...this.#badSamples } };
    return {
      ...stats,
      ...(shared && { redis: shared.stats() }),
      ...(replicas && { replicas: replicas.stats() }),
    };
  }

  /**
   * Stores what is pending now. Never throws; `ok: false` says that some of it stays pending.
   * @param givenMs how long to wait for that; none or Infinity: as long as it takes; 0, and whatever is no time-out
   *   (a negative number, NaN): it begins, and nobody waits
   */
  async flush(givenMs?: number): Promise<FlushResult> {
    const isTimeout = givenMs === undefined || (typeof givenMs === 'number' && givenMs >= 0);
    const timeoutMs = isTimeout ? givenMs : 0;
    const startedMs = performance.now();
    await this.#backgroundDone(timeoutMs);
    const spentMs = performance.now() - startedMs;
    return this.#deps.recorder.flush(timeoutMs && Math.max(1, timeoutMs - spentMs));
  }

  /**
   * A last flush (at most 5 s, at most 2 s where the database says nothing), then everything is released. Safe to call
   * twice.
   */
  close(): Promise<void> {
    for (const end of this.#onClose.splice(0)) end();
    this.#closing ??= this.#lastFlush().then(() => {
      this.#isReleased = true;
      return this.#deps.release();
    });
    return this.#closing;
  }

  /**
   * For what stands beside the cache and ends with it.
   * @throws ConnectorStateError `CLOSED`, and what `use` throws
   * @internal
   */
  async whileOpen<T>(use: () => Promise<T>): Promise<T> {
    this.open();
    return use();
  }

  /**
   * @throws ConnectorStateError `CLOSED`
   * @internal
   */
  protected override open(): CacheDependencies {
    if (this.#closing) throw closedError();
    return this.#deps;
  }

  async #lastFlush(): Promise<void> {
    const { recorder, answers } = this.#deps;
    await this.#backgroundDone(PATIENCE_MS);
    const { pending } = await recorder.flush(PATIENCE_MS);
    // Slow is waited for. A server that stands still would be waited for in vain.
    const isHeard = pending === 0 || ((await answers?.()) ?? true);
    await this.#backgroundDone(isHeard ? CLOSE_FLUSH_MS - PATIENCE_MS : 0);
    await recorder.close(isHeard ? CLOSE_FLUSH_MS - PATIENCE_MS : 0);
  }

  async #backgroundDone(timeoutMs: number | undefined): Promise<void> {
    if (this.#background.size === 0) return;
    const done = Promise.all(this.#background).then(() => undefined);
    await (timeoutMs === undefined ? done : withDeadline(done, timeoutMs, () => undefined));
  }

  #keep(
    connector: KnownConnector,
    state: UsableState,
    how: HowMeasured,
    trigger: SyncTrigger,
    trace: Trace,
  ): void {
    this.#memory.set(connector.key, state, { isOwn: true });
    this.#deps.recorder.record(syncedFact(connector, state, how, trigger), trace);
    logCached(this.#deps.log, connector, state, trigger);
  }
}
