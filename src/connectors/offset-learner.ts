/**
 * How a connector comes to know its offset: by a sync, by the clock in every response, and by measuring the link to
 * the database's clock anew when that broke. What it learns is used at once (offset-in-use.ts) and becomes a fact.
 *
 * Responses are sampled by what the connector is about:
 *
 *   idle       nobody is there who would judge a sample
 *   syncing    the sample is the sync's own result
 *   verifying  the sample is kept until the init has seen whether the exchange says yes or no (init.ts)
 *   ready      each sample is judged as it comes, one at a time: the next response brings another
 *
 * A sample that excludes the state in use shows a step, or is one wrong answer of a proxy, a cache, a server behind a
 * balancer. So it is recorded, which makes it a rival (clock/shared-clock.ts), and not signed by: the connector goes
 * on with what was accepted last, and asks once more, over a fresh connection, with nobody waiting. What that says decides.
 * A sync that excludes it is made once more at once, by whoever waits for it.
 *
 * Judging one may mean asking the database first (sample-learning.ts), so it never happens on the way of a request.
 */
import type { ConnectorStateCacheService, Trace } from '../cache/connector-state-cache-service.js';
import { linkOf, type UsableState } from '../cache/lookup.js';
import { type MeasuredOffset, measureIfBelievable } from '../cache/measurement.js';
import { type AnsweredRequest, provenByAcceptance } from '../clock/answers.js';
import { watchOf } from '../clock/host-watch.js';
import { type ClockSample, estimateFromSample, intersect, type OffsetEstimate } from '../clock/offset.js';
import { type ReferenceLink, toReference } from '../clock/reference.js';
import { withSample } from '../clock/residuals.js';
import type { SyncTrigger } from '../events/catalogue.js';
import { type ConnectorRef, scopeOf } from '../events/connector.js';
import type { ExchangeAdapter } from '../exchanges/exchange-adapter.js';
import type { ClockUpkeep, Keeper } from './clock-upkeep.js';
import type { EdgeWatch } from './edge-watch.js';
import { sharingOver } from './measurement-sharing.js';
import type { OffsetInUse } from './offset-in-use.js';
import { isHandedOn, isRefreshDue, isWorthKeeping, judgeSample } from './sample-learning.js';
import { measureForOneself, measureServerTime, syncFailureOf } from './sync.js';

export interface OffsetLearnerParts {
  readonly cache: ConnectorStateCacheService;
  readonly ref: ConnectorRef;
  readonly adapter: ExchangeAdapter;
  readonly offset: OffsetInUse;
  readonly upkeep: ClockUpkeep;
  readonly edge: EdgeWatch;
  readonly isClosed: () => boolean;
}

/** What a sync goes by. */
export interface SyncNeed {
  readonly trigger: SyncTrigger;
  /** To the database's clock; `undefined`: it could not be asked. */
  readonly link: ReferenceLink | undefined;
  /** The last measurement that must not be shared; see {@link sharingOver}. */
  readonly after?: number;
  /** The exchange has contradicted what is signed by, in a refusal: this is the second answer. */
  readonly isSecond?: boolean;
}

export class OffsetLearner implements Keeper {
  readonly #parts: OffsetLearnerParts;
  #phase: 'idle' | 'syncing' | 'verifying' | 'ready' = 'idle';
  #answer: ClockSample | undefined;
  /** What the verification's answer showed of the edge, where it showed nothing else. */
  #edgeAlone: ClockSample | undefined;
  #learning: Promise<void> | undefined;
  #refreshing: Promise<void> | undefined;
  #isAskingAgain = false;
  #disputed: MeasuredOffset | undefined;

  constructor(parts: OffsetLearnerParts) {
    this.#parts = parts;
  }

  get ref(): ConnectorRef {
    return this.#parts.ref;
  }

  get toleranceMs(): number {
    return this.#parts.offset.toleranceMs;
  }

  /** The clock that the verification's answer carried, since {@link verifying}. */
  get answer(): ClockSample | undefined {
    return this.#answer;
  }

  /** The next response is the verification's. */
  verifying(): void {
    this.#answer = undefined;
    this.#edgeAlone = undefined;
    this.#phase = 'verifying';
  }

  /** The next response is a sync's that somebody else makes. */
  syncing(): void {
    this.#phase = 'syncing';
  }

  /** From here on every response is learned from. */
  ready(): void {
    this.#phase = 'ready';
  }

  /** An init ended, well or not: unless it was well nobody is left who would judge a sample. */
  initEnded(): void {
    if (this.#phase !== 'ready') this.#phase = 'idle';
  }

  sampled(sample: ClockSample): void {
    const { offset, upkeep } = this.#parts;
    offset.observe(sample);
    if (this.#phase === 'verifying') this.#answer = sample;
    // A sync's sample is its own result, also when it is one that nobody waits for.
    if (this.#phase !== 'ready' || sample.source === 'time-endpoint') return;
    upkeep.used(this);
    if (this.#learning || this.#isAskingAgain || this.#onlyConfirms(sample)) return;
    this.#learning = this.learnFrom(sample, {}).finally(() => {
      this.#learning = undefined;
    });
  }

  /** As {@link sampled}, of an answer to somebody else's request: it is neither a sync's nor a verification's. */
  overheard(sample: ClockSample): void {
    if (this.#phase === 'ready') this.sampled(sample);
  }

  edgeOverheard(edge: ClockSample, stamp: ClockSample | undefined): void {
    if (this.#phase === 'ready') this.edgeShown(edge, stamp);
  }

  overheardAcceptance(request: AnsweredRequest | undefined): void {
    if (this.#phase === 'ready') this.accepted(request);
  }

  /** The clock in front of the exchange, as an answer showed it; with the exchange's, where that was in it too. */
  edgeShown(edge: ClockSample, stamp: ClockSample | undefined): void {
    if (stamp) this.#parts.edge.compared(this.ref, stamp, edge);
    else if (this.#phase === 'verifying') this.#edgeAlone = edge;
    else if (this.#phase === 'ready') this.#edgeHeard(edge);
  }

  #edgeHeard(edge: ClockSample): void {
    const { cache, offset, edge: watch } = this.#parts;
    if (cache.mode === 'on' && watch.heard(edge, offset.applied)) this.refreshLater('warm-up');
  }

  /** @throws ExchangeError; ConnectorStateError `CLOSED`. The failure is recorded. */
  sync(need: SyncNeed, trace: Trace): Promise<UsableState> {
    const { cache, ref } = this.#parts;
    const attributes = {
      'connector_state.exchange': ref.exchange,
      'connector_state.environment': ref.environment,
      'connector_state.trigger': need.trigger,
    };
    return cache.telemetry.span('sync', { attributes }, () => this.#sync(need, trace));
  }

  async #sync(need: SyncNeed, trace: Trace): Promise<UsableState> {
    const { cache, ref, adapter, isClosed } = this.#parts;
    if (cache.mode !== 'on') {
      return this.#syncing(() => measureForOneself(adapter, ref, cache.clock, isClosed));
    }
    const { trigger } = need;
    const measured = await this.ask(need, trace);
    if (need.isSecond || !this.#contradicts(measured)) return this.keep(measured, trigger, trace);
    this.#contradict(measured, trigger, trace);
    const after = sharingOver(cache).numberOf(measured);
    return this.keep(await this.askAnew({ ...need, after }, trace), trigger, trace);
  }

  /** As {@link sync}, and nothing is kept of it. */
  async ask({ trigger, link, after }: SyncNeed, trace: Trace): Promise<MeasuredOffset> {
    const { cache, ref, adapter, isClosed } = this.#parts;
    const startedMs = performance.now();
    const measure = () => measureServerTime(adapter, sample => this.measure(sample, link), isClosed);
    try {
      return await this.#syncing(() => sharingOver(cache).measure(ref, measure, after));
    } catch (error) {
      const failure = syncFailureOf(error, trigger, performance.now() - startedMs);
      if (cache.mode === 'on') cache.recordSyncFailure(ref, failure, trace);
      throw error;
    }
  }

  /** As {@link ask}, over a fresh connection: what answered before may be what is wrong. */
  askAnew(need: SyncNeed, trace: Trace): Promise<MeasuredOffset> {
    this.#parts.adapter.dropIdle();
    return this.ask(need, trace);
  }

  async #syncing<Result>(sync: () => Promise<Result>): Promise<Result> {
    const before = this.#phase;
    this.#phase = 'syncing';
    try {
      return await sync();
    } finally {
      // An init of this connector may have begun meanwhile.
      if (this.#phase === 'syncing') this.#phase = before;
    }
  }

  /** A sync that no init waits for. */
  refreshLater(trigger: SyncTrigger, after?: number): void {
    const { cache, offset } = this.#parts;
    const need = { trigger, link: offset.state.link, ...(after !== undefined && { after }) };
    const refreshed = this.sync(need, {}).then(
      state => {
        offset.found(state);
      },
      // Recorded by the sync itself; the state in use goes on.
      () => undefined,
    );
    this.#refreshing = refreshed;
    cache.inBackground(refreshed);
  }

  /**
   * Calls back when no sync that {@link refreshLater} began is under way, at once if there is none: who closes its connector right
   * after an init would otherwise never learn the time of an exchange whose answers do not tell it.
   */
  whenRefreshed(then: () => void): void {
    if (this.#refreshing) void this.#refreshing.finally(then);
    else then();
  }

  /** Before the state ends, or when it could be known much better: one of many callers refreshes it. */
  refreshIfDue(): void {
    const { cache, offset } = this.#parts;
    const { state, referenceNowMs, attainableMs } = offset;
    if (isRefreshDue({ state, referenceNowMs, attainableMs, random: cache.random() })) {
      this.refreshLater('warm-up');
    }
  }

  /** Keeps what the sample tells if that is something new; see {@link isWorthKeeping}. */
  async learnFrom(sample: ClockSample | undefined, trace: Trace): Promise<void> {
    const { offset } = this.#parts;
    const learned = await this.judge(sample);
    if (!learned || offset.isOutOfOrder(learned)) return;
    if (isWorthKeeping(learned, offset.state)) this.take(learned, 'passive', trace);
  }

  /** Most do; these are told at once. As {@link learnFrom} without its effects, for samples that would have none. */
  #onlyConfirms(sample: ClockSample): boolean {
    const { cache, offset } = this.#parts;
    const { state } = offset;
    if (offset.isParted) return false;
    const alone = toReference(estimateFromSample(sample), state.link);
    const estimate = withSample(state.estimate, { ...alone, atMs: Math.round(alone.atMs) });
    if (!estimate) return false;
    const ttl = cache.ttlOf({ toleranceMs: offset.toleranceMs, ...estimate });
    return !isWorthKeeping({ estimate, link: state.link, ttl }, state);
  }

  /** Keeps it, and signs by it from now on, unless it is the first to exclude what the connector signs by. */
  take(learned: MeasuredOffset, trigger: SyncTrigger, trace: Trace): void {
    if (!this.#contradicts(learned)) {
      this.#parts.offset.state = this.keep(learned, trigger, trace);
      return;
    }
    this.#contradict(learned, trigger, trace);
    this.#askAgain();
  }

  /** Recorded, for all to know of the contest, and signed by by nobody. */
  #contradict(learned: MeasuredOffset, trigger: SyncTrigger, trace: Trace): void {
    const { cache, ref } = this.#parts;
    if (isHandedOn(learned)) cache.contradict(ref, this.#timed(learned), trigger, trace);
  }

  #contradicts({ estimate, link }: MeasuredOffset): boolean {
    const { cache, offset } = this.#parts;
    if (!offset.isKnown) return false;
    const { state } = offset;
    if (state.referenceClock !== link.clockId || intersect(state.estimate, estimate)) return false;
    // Contradicted before: then this is the second to say so.
    return cache.isSound(state);
  }

  #askAgain(): void {
    const { adapter, cache } = this.#parts;
    this.#isAskingAgain = true;
    adapter.dropIdle();
    // Contradicted as the state is now, what this says is taken.
    this.refreshLater('warm-up', sharingOver(cache).begun);
    this.whenRefreshed(() => {
      this.#isAskingAgain = false;
    });
  }

  /** @returns what the sample and the state allow together */
  async judge(sample: ClockSample | undefined): Promise<MeasuredOffset | undefined> {
    if (!sample) return undefined;
    const { offset } = this.#parts;
    await this.relinkIfParted();
    const { state } = offset;
    const { learned, relinked } = await judgeSample(
      state,
      link => this.measure(sample, link),
      () => this.relink(),
    );
    if (relinked && offset.state === state) offset.state = relinked;
    return learned && this.#timed(learned);
  }

  /** For this connector and all others; what is too wide for others (see {@link isHandedOn}) for this one alone. */
  keep(measured: MeasuredOffset, trigger: SyncTrigger, trace: Trace): UsableState {
    const { cache, ref, offset } = this.#parts;
    const timed = this.#timed(trigger === 'auth-failure' ? laterThan(offset.state, measured) : measured);
    return isHandedOn(timed) ? cache.set(ref, timed, trigger, trace) : this.#forItself(timed);
  }

  /** A refusal told this clock, and the exchange another one when it was asked. */
  dispute(told: MeasuredOffset | undefined): void {
    this.#disputed = told;
  }

  /** Whether the last refusal was disputed and told the same clock, with nothing accepted since. */
  disputes(told: MeasuredOffset | undefined): boolean {
    const before = this.#disputed;
    return (
      told !== undefined &&
      before !== undefined &&
      before.link.clockId === told.link.clockId &&
      intersect(before.estimate, told.estimate) !== undefined
    );
  }

  /** What an acceptance proves is as wide as the window: it is for who knew less, and for nobody else. */
  accepted(request: AnsweredRequest | undefined): void {
    const { offset } = this.#parts;
    this.#disputed = undefined;
    if (!request) return;
    offset.observe(request);
    offset.accepted();
    if (this.#edgeAlone && offset.applied.uncertaintyMs <= offset.toleranceMs)
      this.#edgeHeard(this.#edgeAlone);
    const proven = provenByAcceptance(request);
    if (!proven || offset.applied.uncertaintyMs <= proven.uncertaintyMs) return;
    offset.state = narrowed(offset.state, toReference(proven, offset.state.link)) ?? offset.state;
  }

  #forItself({ syncId, estimate, link, ttl }: MeasuredOffset): UsableState {
    const { ref, offset } = this.#parts;
    const known = offset.isKnown && offset.state.referenceClock === link.clockId ? offset.state : undefined;
    const both = known && narrowed({ ...known, link }, estimate);
    if (both) return both;
    const { exchange, environment } = ref;
    const expiresAtMs = estimate.atMs + ttl.ttlMs;
    const name = { exchange, environment, scope: scopeOf(ref), referenceClock: link.clockId };
    return { ...name, syncId, basis: 'measured', estimate, expiresAtMs, link };
  }

  /** @param link `undefined`: kept against this host's own clock */
  measure(sample: ClockSample, link: ReferenceLink | undefined): MeasuredOffset | undefined {
    const { cache } = this.#parts;
    const measured = measureIfBelievable(sample, link, cache.clock, cache.ttl);
    if (measured && link && measured.link.clockId !== link.clockId && !warned.has(cache)) {
      warned.add(cache);
      cache.log.warn(
        { clock: link.clockId, offsetMs: Math.round(link.offsetMs) },
        "the database's clock is too far off to measure by, so each machine measures by its own: set it (NTP)",
      );
    }
    return measured;
  }

  /** Measures the link to the database's clock. */
  async relink(): Promise<ReferenceLink | undefined> {
    const { cache, ref } = this.#parts;
    watchOf(cache.clock).look();
    return linkOf(await cache.refresh(ref));
  }

  /** This host may have been suspended since the link was measured. */
  async relinkIfParted(): Promise<void> {
    const { cache, offset } = this.#parts;
    if (cache.mode !== 'on' || !offset.isParted) return;
    const link = await this.relink();
    if (link) offset.linked(link);
  }

  /** Kept for as long as it is good enough for this connector's window. */
  #timed(measured: MeasuredOffset): MeasuredOffset {
    const { cache, offset } = this.#parts;
    const { uncertaintyMs, rate } = measured.estimate;
    const { toleranceMs } = offset;
    return { ...measured, ttl: cache.ttlOf({ toleranceMs, uncertaintyMs, rate }) };
  }
}

/** Once a process is enough. */
const warned = new WeakSet<ConnectorStateCacheService>();

/**
 * What was asked for because of the state's refusal is later than the state, also where their links to the reference differ by
 * more than there was between them: else it would be void with what is condemned, and the next init begin with nothing.
 */
function laterThan(
  { estimate: { atMs }, referenceClock }: UsableState,
  measured: MeasuredOffset,
): MeasuredOffset {
  const { estimate, sample, link } = measured;
  if (link.clockId !== referenceClock || estimate.atMs > atMs) return measured;
  const later = { atMs: atMs + 1 };
  return { ...measured, estimate: { ...estimate, ...later }, sample: sample && { ...sample, ...later } };
}

/** What both allow; `undefined` when they exclude each other. */
function narrowed(state: UsableState, by: OffsetEstimate): UsableState | undefined {
  const estimate = intersect(state.estimate, by);
  return estimate && { ...state, estimate };
}
