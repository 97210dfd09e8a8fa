/**
 * A connector that starts from remembered state: the init algorithm, the same for every exchange.
 *
 *   lookup ──► decide (init-decision.ts) ──► [sync] ──► verify ──accepted──► learn ──► ready
 *                                                        │ ▲
 *                                                        │ │ re-sign, once
 *                                  refused for the timestamp:
 *                                  record, condemn the sync it was signed with, take the exchange's
 *                                  clock out of the refusal (or sync), ─────┘
 *
 * Any other refusal is recorded with its class and thrown: a bad key or signature is never treated as a clock
 * that is off, because syncing cannot mend it. The cache is never a reason to fail: without it every init signs by
 * the best clock at hand.
 *
 * Every response is sampled. What the exchange stamps on the verification response confirms the state, tightens it,
 * or shows that a clock stepped; it is recorded only when it tells something new, so that a warm init writes nothing
 * but a hit. After the init the same goes for every response that the client gets. A state that nears its end and
 * got no sample to extend it is refreshed after the init has answered.
 *
 * After a refusal, as after a sample that the state excludes (see sample-learning.ts), the link to the database's
 * clock is measured again before anything is learned.
 */
import { randomUUID } from 'node:crypto';
import type { ConnectorStateCacheService, Trace } from '../cache/connector-state-cache-service.js';
import { linkOf, type UsableState } from '../cache/lookup.js';
import { type MeasuredOffset, measureIfBelievable } from '../cache/measurement.js';
import type { ClockSample } from '../clock/offset.js';
import type { ReferenceLink } from '../clock/reference.js';
import { DEFAULT_RECV_WINDOW_MS, type RequestWindow } from '../clock/request-window.js';
import type { Contact, SyncTrigger, Tier } from '../events/catalogue.js';
import { type ConnectorRef, type Exchange, parseConnectorRef } from '../events/connector.js';
import type { AdapterOptions, ExchangeAdapter, FundingRate } from '../exchanges/exchange-adapter.js';
import { ExchangeError } from '../exchanges/exchange-adapter.js';
import { decideInit, type InitPlan } from './init-decision.js';
import { sharingOver } from './measurement-sharing.js';
import { OffsetInUse } from './offset-in-use.js';
import type { ConnectorOptions } from './options.js';
import { isRefreshDue, isWorthKeeping, judgeSample } from './sample-learning.js';
import { measureServerTime, syncFailureOf } from './sync.js';

export interface InitResult {
  /** True: no sync was needed before the first signed request. */
  readonly cacheHit: boolean;
  /** Where the state came from; `null` when it had to be measured. */
  readonly tier: Tier | null;
  /** How the first signed request came by its timestamp. */
  readonly contact: Contact;
  /** The state had ended, or was in doubt, but was still good enough for the exchange's window. */
  readonly isStale: boolean;
  readonly durationMs: number;
  /** Exchange minus this host's clock, milliseconds. */
  readonly offsetMs: number;
  /** The offset's error is at most this, milliseconds. */
  readonly uncertaintyMs: number;
  /** Refusals met on the way, 0 or 1: a second one is thrown. */
  readonly authFailures: number;
}

/** What a sync goes by. */
interface SyncNeed {
  readonly trigger: SyncTrigger;
  /** To the database's clock; `undefined`: it could not be asked. */
  readonly link: ReferenceLink | undefined;
  /** The last measurement that must not be shared; see {@link sharingOver}. */
  readonly after?: number;
}

/** How an init began. */
interface Start {
  readonly contact: Contact;
  readonly tier: Tier | null;
  readonly isStale: boolean;
  readonly trigger: SyncTrigger;
  /** Signed by the best clock at hand: there is no sync to blame. */
  readonly isGuess: boolean;
  readonly isContested: boolean;
  readonly hasSyncFailed?: true;
}

export abstract class ConnectorWithCache<Adapter extends ExchangeAdapter = ExchangeAdapter> {
  readonly ref: ConnectorRef;
  protected readonly adapter: Adapter;
  readonly #cache: ConnectorStateCacheService;
  readonly #recvWindowMs: number;
  readonly #offset: OffsetInUse;
  /** A sample of the verification is judged when it is over; that of a sync is its result. */
  #phase: 'idle' | 'syncing' | 'verifying' | 'ready' = 'idle';
  #sample: ClockSample | undefined;
  /** One sample at a time: the next response brings another. */
  #learning: Promise<void> | undefined;
  #initialising: Promise<InitResult> | undefined;
  #isClosed = false;

  /** @throws InvalidInputError for anything malformed, before any network call */
  protected constructor(
    exchange: Exchange,
    createAdapter: (options: AdapterOptions) => Adapter,
    options: ConnectorOptions,
  ) {
    const { cache, userId, credentialId, environment, credentials, baseUrl, timeoutMs } = options;
    const { recvWindowMs = DEFAULT_RECV_WINDOW_MS } = options;
    this.ref = parseConnectorRef({ userId, credentialId, exchange, environment });
    this.#recvWindowMs = recvWindowMs;
    this.#cache = cache;
    const { clock } = cache;
    this.#offset = new OffsetInUse(clock, recvWindowMs, () => this.#linkAnew());
    this.adapter = createAdapter({
      environment,
      credentials,
      baseUrl,
      recvWindowMs,
      timeoutMs,
      now: () => clock.now(),
      wall: () => clock.wall(),
      timestamp: () => this.timestamp(),
      onSample: sample => this.#onSample(sample),
      onBadSample: ({ problem, count, level, message }) => {
        if (count === 1) cache.log[level]({ exchange, environment, problem }, message);
      },
    });
  }

  /**
   * Makes the connector ready to sign. Calls that overlap share one run; a later call starts anew.
   * @throws ExchangeError when the exchange refuses, answers nonsense or cannot be reached; ConnectorStateError
   *   `CLOSED` when this connector was closed
   */
  initialize(): Promise<InitResult> {
    this.#initialising ??= this.#initialise().finally(() => {
      this.#initialising = undefined;
      // After a failure nobody is left who would judge a sample.
      if (this.#phase !== 'ready') this.#phase = 'idle';
    });
    return this.#initialising;
  }

  /** Where timestamps are placed now; moves with the latency that is observed. */
  get window(): RequestWindow {
    return this.#offset.window;
  }

  /**
   * The timestamp to sign a request with now: whole epoch milliseconds of the exchange's clock, placed where
   * the exchange's window has most room. Sign and send at once: what is predicted across an await is wrong by as
   * long as the process may be frozen in it.
   * @throws ConnectorStateError `CLOSED` before the connector was initialised
   */
  timestamp(): number {
    return this.#offset.timestamp();
  }

  /** @throws ExchangeError */
  fundingRate(symbol: string): Promise<FundingRate> {
    return this.adapter.fundingRate(symbol);
  }

  /** Closes the connections to the exchange; the cache stays open for others. */
  close(): void {
    this.#isClosed = true;
    this.adapter.close();
  }

  async #initialise(): Promise<InitResult> {
    if (this.#cache.mode !== 'on') return this.#initialiseWithout();
    const startedMs = performance.now();
    const trace: Trace = { correlationId: randomUUID() };
    // Every way from here leads to a call of the exchange.
    this.adapter.openConnection();
    const lookup = await this.#cache.get(this.ref);
    this.#offset.linkedAnew();
    const plan = decideInit({
      ref: this.ref,
      lookup,
      toleranceMs: this.#offset.cautious.toleranceMs,
      firstContact: this.#cache.firstContact,
      clock: this.#cache.clock,
      newId: randomUUID,
    });
    const isContested = !lookup.hit && lookup.reason === 'contested';
    const start = { ...(await this.#start(plan, trace)), isContested };

    const authFailures = await this.#verify(start, trace);

    await this.#learnFromInit(start, authFailures, trace);
    this.#phase = 'ready';

    const { applied } = this.#offset;
    const durationMs = performance.now() - startedMs;
    const { contact, tier, isStale } = start;
    const outcome = tier ? 'HIT ⚡' : 'MISS';
    const message = `[${this.constructor.name}] Initialized in ${Math.round(durationMs)}ms (cache ${outcome})`;
    this.#cache.log.info({ tier, contact, stale: isStale, authFailures }, message);
    return {
      cacheHit: tier !== null,
      tier,
      contact,
      isStale,
      durationMs,
      offsetMs: applied.offsetMs,
      // Of a guess that was accepted and told no time all that is known is that it lay within the window.
      uncertaintyMs: Math.min(applied.uncertaintyMs, this.#offset.cautious.toleranceMs + this.#recvWindowMs),
      authFailures,
    };
  }

  /** Off, or in shadow mode: what is measured is used and not kept, and nothing is learned of later responses. */
  async #initialiseWithout(): Promise<InitResult> {
    const startedMs = performance.now();
    // Only who goes without the cache loads it: the way from the entry points is a cold start's.
    const { initialiseWithoutCache } = await import('./without-cache.js');
    this.#phase = 'syncing';
    await initialiseWithoutCache({
      cache: this.#cache,
      ref: this.ref,
      adapter: this.adapter,
      window: this.#offset.window,
      toleranceMs: this.#offset.cautious.toleranceMs,
      isClosed: () => this.#isClosed,
      use: state => {
        this.#offset.state = state;
        this.#sample = undefined;
        this.#phase = 'verifying';
      },
      answered: () => this.#sample,
    });
    const { offsetMs, uncertaintyMs } = this.#offset.applied;
    const durationMs = performance.now() - startedMs;
    const message = `[${this.constructor.name}] Initialized in ${Math.round(durationMs)}ms (cache ${this.#cache.mode})`;
    this.#cache.log.info({ cacheMode: this.#cache.mode }, message);
    const start = { cacheHit: false, tier: null, contact: 'sync', isStale: false } as const;
    return { ...start, durationMs, offsetMs, uncertaintyMs, authFailures: 0 };
  }

  async #start(plan: InitPlan, trace: Trace): Promise<Omit<Start, 'isContested'>> {
    const { contact, trigger } = plan;
    if (contact === 'sync') {
      try {
        this.#offset.state = await this.#sync(plan, trace);
        return { contact, tier: null, isStale: false, trigger, isGuess: false };
      } catch (error) {
        if (!(error instanceof ExchangeError && plan.otherwise)) throw error;
        this.#cache.log.warn(
          { problem: error.message },
          `[${this.constructor.name}] the exchange's time cannot be had: signing by what is known`,
        );
        return { ...(await this.#start(plan.otherwise, trace)), hasSyncFailed: true };
      }
    }
    this.#offset.state = plan.state;
    if (contact === 'verify-first') return { contact, tier: null, isStale: false, trigger, isGuess: true };
    const { tier, isStale } = plan;
    if (isStale) this.#cache.recordStaleHit(this.ref, plan.state);
    else if (contact === 'exchange-clock') this.#cache.recordExchangeClockHit(this.ref, plan.state);
    return { contact, tier, isStale, trigger, isGuess: false };
  }

  async #sync({ trigger, link, after }: SyncNeed, trace: Trace): Promise<UsableState> {
    const startedMs = performance.now();
    const measure = () =>
      measureServerTime(
        this.adapter,
        sample => this.#measure(sample, link),
        () => this.#isClosed,
      );
    const before = this.#phase;
    this.#phase = 'syncing';
    try {
      const measured = await sharingOver(this.#cache).measure(this.ref, measure, after);
      return this.#keep(measured, trigger, trace);
    } catch (error) {
      const failure = syncFailureOf(error, trigger, performance.now() - startedMs);
      this.#cache.recordSyncFailure(this.ref, failure, trace);
      throw error;
    } finally {
      if (before === 'ready') this.#phase = before;
    }
  }

  /** @returns how many refusals were met and healed */
  async #verify(start: Start, trace: Trace): Promise<number> {
    try {
      await this.#verifyOnce();
      return 0;
    } catch (error) {
      const failure = this.#recordRefusal(error, start.isGuess, trace);
      if (!(error instanceof ExchangeError)) throw error;
      if (error.authClass !== 'timestamp') {
        // The first contact was to be the measurement too, and came to nothing.
        if (start.isGuess && !start.hasSyncFailed && error.authClass === 'unknown') {
          this.#cache.recordSyncFailure(this.ref, syncFailureOf(error, start.trigger, 0), trace);
        }
        throw error;
      }
      await this.#heal(error, start, { ...trace, causedBy: failure });
    }
    try {
      await this.#verifyOnce();
      return 1;
    } catch (error) {
      this.#recordRefusal(error, false, trace);
      throw error;
    }
  }

  async #verifyOnce(): Promise<void> {
    this.#sample = undefined;
    this.#phase = 'verifying';
    await this.adapter.verifyAccount();
  }

  #recordRefusal(error: unknown, isGuess: boolean, trace: Trace): Trace['causedBy'] {
    if (!(error instanceof ExchangeError)) return undefined;
    return this.#cache.recordAuthFailure(
      this.ref,
      {
        exchangeCode: error.exchangeCode,
        failureClass: error.authClass,
        state: isGuess ? undefined : this.#offset.state,
        serverTimeMs: error.sample?.serverTimeMs,
      },
      trace,
    );
  }

  async #heal(refusal: ExchangeError, { isGuess, trigger }: Start, trace: Trace): Promise<void> {
    // Whatever is being measured now began before the refusal.
    const after = sharingOver(this.#cache).begun;
    const because = isGuess ? trace : { ...trace, causedBy: this.#condemn(trace) };
    const reason = isGuess ? trigger : 'auth-failure';
    const link = await this.#relink();
    const measured = refusal.sample && this.#measure(refusal.sample, link);
    this.#offset.state = measured
      ? this.#keep(measured, reason, because)
      : await this.#sync({ trigger: reason, link, after }, because);
  }

  #condemn(trace: Trace): Trace['causedBy'] {
    const condemned = this.#offset.state;
    return this.#cache.condemn(this.ref, condemned, 'timestamp-refused', this.constructor.name, trace);
  }

  async #learnFromInit(start: Start, authFailures: number, trace: Trace): Promise<void> {
    const { contact, isContested, isGuess, isStale, trigger } = start;
    const isUnheard = isGuess && authFailures === 0;
    if (contact === 'exchange-clock' && !isStale && authFailures === 0) {
      await this.#learnOwnState(trigger, trace);
    } else if (isUnheard || (isStale && authFailures === 0)) {
      const learned = await this.#judge(this.#sample);
      // What was found stale was found: it is no miss that it is replaced.
      const why = isGuess ? trigger : 'passive';
      if (learned) this.#offset.state = this.#keep(learned, why, trace);
      // A contest is decided by who measures finely enough, and nobody is refused while it lasts: so this one does.
      if (!learned || (isContested && !isFine(this.#sample)))
        this.#refreshLater(isGuess ? trigger : 'warm-up');
      return;
    } else {
      await this.#learnFrom(this.#sample, trace);
    }
    const { state, referenceNowMs, attainableMs } = this.#offset;
    const random = this.#cache.random();
    if (isRefreshDue({ state, referenceNowMs, attainableMs, random })) this.#refreshLater('warm-up');
  }

  /** The shared clock proved good for this connector: it gets a state of its own, the best that is known. */
  async #learnOwnState(trigger: SyncTrigger, trace: Trace): Promise<void> {
    const learned = await this.#judge(this.#sample);
    // A row that could not be believed gives way only to a state that says so.
    if (!learned || trigger === 'corrupt') {
      this.#cache.adopt(this.ref, this.#offset.state, trigger, trace);
    }
    if (learned) this.#offset.state = this.#keep(learned, 'passive', trace);
  }

  async #learnFrom(sample: ClockSample | undefined, trace: Trace): Promise<void> {
    const learned = await this.#judge(sample);
    if (learned && isWorthKeeping(learned, this.#offset.state)) {
      this.#offset.state = this.#keep(learned, 'passive', trace);
    }
  }

  /** A sync that no init waits for. */
  #refreshLater(trigger: SyncTrigger): void {
    const link = this.#offset.state.link;
    const refreshed = this.#sync({ trigger, link }, {}).then(
      state => {
        this.#offset.state = state;
      },
      // Recorded by the sync itself; the state in use goes on.
      () => undefined,
    );
    this.#cache.inBackground(refreshed);
  }

  #linkAnew(): void {
    // What was measured without the cache is kept against this host's own clock.
    if (this.#cache.mode !== 'on') return;
    const relinked = this.#relink().then(link => {
      const { state } = this.#offset;
      if (link?.clockId === state.referenceClock) this.#offset.state = { ...state, link };
    });
    this.#cache.inBackground(relinked);
  }

  #keep(measured: MeasuredOffset, trigger: SyncTrigger, trace: Trace): UsableState {
    return this.#cache.set(this.ref, this.#timed(measured), trigger, trace);
  }

  /** Kept for as long as it is good enough for this connector's window. */
  #timed(measured: MeasuredOffset): MeasuredOffset {
    const { uncertaintyMs, rate } = measured.estimate;
    const { toleranceMs } = this.#offset.cautious;
    return { ...measured, ttl: this.#cache.ttlOf({ toleranceMs, uncertaintyMs, rate }) };
  }

  async #judge(sample: ClockSample | undefined): Promise<MeasuredOffset | undefined> {
    if (!sample) return undefined;
    const state = this.#offset.state;
    const { learned, relinked } = await judgeSample(
      state,
      link => this.#measure(sample, link),
      () => this.#relink(),
    );
    if (relinked && this.#offset.state === state) this.#offset.state = relinked;
    return learned && this.#timed(learned);
  }

  async #relink(): Promise<ReferenceLink | undefined> {
    return linkOf(await this.#cache.refresh(this.ref));
  }

  #measure(sample: ClockSample, link: ReferenceLink | undefined): MeasuredOffset | undefined {
    return measureIfBelievable(sample, link, this.#cache.clock, this.#cache.ttl);
  }

  #onSample(sample: ClockSample): void {
    this.#offset.observe(sample);
    if (this.#phase === 'verifying') this.#sample = sample;
    if (this.#phase !== 'ready' || this.#learning) return;
    this.#learning = this.#learnFrom(sample, {}).finally(() => {
      this.#learning = undefined;
    });
  }
}

/** Finer than the seconds of a `Date` header. */
const isFine = (sample: ClockSample | undefined): boolean =>
  sample !== undefined && (sample.resolutionMs ?? 1) <= 1;
