/**
 * A connector that starts from remembered state: the face of it, the same for every exchange. What an init does is in
 * init.ts, what is learned of the exchange's clock in offset-learner.ts, how it goes without the cache in
 * without-cache.ts.
 *
 * It holds an exchange's adapter, which signs by the offset in use and tells of the clock in every response.
 */
import type { SpanLike } from '../base/telemetry.js';
import type { ConnectorStateCacheService } from '../cache/connector-state-cache-service.js';
import type { UsableState } from '../cache/lookup.js';
import type { OffsetEstimate } from '../clock/offset.js';
import type { RequestWindow } from '../clock/request-window.js';
import { type ConnectorRef, parseConnectorRef } from '../events/connector.js';
import { clockScopeOf } from '../exchanges/clock-scope.js';
import type { AdapterOptions, ExchangeAdapter, FundingRate } from '../exchanges/exchange-adapter.js';
import type { ExchangeProfile } from '../exchanges/exchange-profile.js';
import { AttachedClock } from './attached-clock.js';
import { type ClockOfProcess, clockOfProcess } from './clocks-of-process.js';
import { type ExchangeTime, exchangeTimeOf, uncertainError } from './exchange-time.js';
import { type InitCourse, initialise } from './init.js';
import { OffsetInUse } from './offset-in-use.js';
import { OffsetLearner } from './offset-learner.js';
import { type ConnectorOptions, checkConnectorOptions } from './options.js';

export interface InitResult extends InitCourse {
  /** The first signed request bore a remembered offset, and that was not wrong: at most the request was late. */
  readonly cacheHit: boolean;
  readonly durationMs: number;
  /** Exchange minus this host's clock, milliseconds. */
  readonly offsetMs: number;
  /** The offset's error is at most this, milliseconds. */
  readonly uncertaintyMs: number;
}

export abstract class ConnectorWithCache<Adapter extends ExchangeAdapter = ExchangeAdapter> {
  readonly ref: ConnectorRef;
  protected readonly adapter: Adapter;
  readonly #profile: ExchangeProfile;
  readonly #cache: ConnectorStateCacheService;
  readonly #time: ClockOfProcess;
  readonly #offset: OffsetInUse;
  readonly #learner: OffsetLearner;
  #initialising: Promise<InitResult> | undefined;
  #clientClock: AttachedClock | undefined;
  #isClosed = false;

  /** @throws InvalidInputError for anything malformed, before any network call */
  protected constructor(
    profile: ExchangeProfile,
    createAdapter: (options: AdapterOptions) => Adapter,
    options: ConnectorOptions,
  ) {
    checkConnectorOptions(options, new.target.name);
    const { cache, userId, credentialId, environment, credentials, baseUrl, timeoutMs } = options;
    const { region, clockScope, recvWindowMs, lateRecvWindowMs, plainHttpHosts, agent } = options;
    const exchange = profile.name;
    this.#profile = profile;
    const named = parseConnectorRef({ userId, credentialId, exchange, environment });
    this.ref = { ...named, scope: clockScopeOf({ exchange, environment, baseUrl, region, clockScope }) };
    this.#cache = cache;
    const { clock } = cache;
    this.adapter = createAdapter({
      environment,
      credentials,
      baseUrl,
      region,
      recvWindowMs,
      lateRecvWindowMs,
      timeoutMs,
      plainHttpHosts,
      agent,
      now: () => clock.now(),
      wall: () => clock.wall(),
      timestamp: () => this.#offset.sign(),
      onSample: sample => this.#learner.sampled(sample),
      onEdge: (edge, stamp) => this.#learner.edgeShown(edge, stamp),
      onBadSample: bad => cache.recordBadSample(this.ref, bad),
    });
    this.#time = clockOfProcess(cache, this.ref);
    this.#offset = new OffsetInUse(clock, this.#time.clock, this.adapter.range);
    this.#learner = new OffsetLearner({
      cache,
      ref: this.ref,
      adapter: this.adapter,
      offset: this.#offset,
      upkeep: this.#time.upkeep,
      edge: this.#time.edge,
      isClosed: () => this.#isClosed,
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
      this.#learner.initEnded();
    });
    return this.#initialising;
  }

  /** What the last signed request's timestamp was made with; for who watches. */
  protected get signedWith(): UsableState {
    return this.#offset.signed;
  }

  /** Exchange minus this host, now, with its bound; for who watches. */
  protected get offsetNow(): OffsetEstimate {
    return this.#offset.applied;
  }

  /** Where timestamps are placed now; moves with how well the offset is known. */
  get window(): RequestWindow {
    return this.#offset.window;
  }

  /**
   * The timestamp to sign a request with now: whole epoch milliseconds of the exchange's clock, placed where
   * the exchange's window takes the latest request. Sign and send at once: what is predicted across an await is wrong by as
   * long as the process may be frozen in it.
   *
   * What has to be measured anew is measured in the background meanwhile. Who can wait uses {@link timestampSafe}.
   * @throws ConnectorStateError `CLOSED` before the connector was initialised; ClockUncertainError `CLOCK_UNCERTAIN`
   *   when the exchange's time is not known well enough to sign by, as after a suspend of this host
   */
  timestamp(): number {
    this.#checkBound();
    return this.#offset.sign();
  }

  /**
   * As {@link timestamp}, for who can wait: after a suspend of this host, a step of its clock, a minute without use, or
   * when the bound has grown large, the exchange's time is measured before the timestamp is made. Usually that is one
   * round trip to the database, seldom one to the exchange; in between it resolves at once.
   *
   * @example
   * ```ts
   * class Client extends RestClientV5 {
   *   // The SDK signs Date.now() plus what this resolves to.
   *   override async fetchTimeOffset() {
   *     return (await connector.timestampSafe()) - Date.now();
   *   }
   * }
   * ```
   * @throws ConnectorStateError `CLOSED` before the connector was initialised; ClockUncertainError `CLOCK_UNCERTAIN`
   *   when neither the database nor the exchange could be asked and what is known is not good enough to sign by
   */
  async timestampSafe(): Promise<number> {
    void this.#offset.state;
    await this.#time.upkeep.sure(this.#learner);
    return this.timestamp();
  }

  /**
   * To be called when the exchange has refused a request of your own for its timestamp. The exchange's clock is
   * measured, and every connector of the process over the same exchange, environment and scope goes by the result. Then
   * sign the request again, once. If it was only late the clock in use stays.
   *
   * Calls that overlap share one measurement.
   * @throws ExchangeError when the exchange's time cannot be had; ConnectorStateError `CLOSED`
   */
  async timestampRefused(): Promise<void> {
    void this.#offset.state;
    this.adapter.timestampRefused(this.#cache.clock.now());
    await this.#time.upkeep.refused(this.#learner);
  }

  /**
   * The exchange's time now, as an interval that holds the truth as long as clocks drift by no more than 50 ppm, or by
   * the measured rate's bound. Milliseconds since 1970 by the clock that judges requests, with fractions.
   *
   * @example
   * ```ts
   * const { earliestMs, latestMs, status, epoch } = connector.now();
   * // A WebSocket login that is valid until `expires`, by the exchange's clock, for ten seconds at least.
   * const expires = Math.ceil(latestMs) + 10_000;
   * ```
   * @throws ConnectorStateError `CLOSED` before the connector was initialised
   */
  now(): ExchangeTime {
    const offset = this.#offset;
    const { clock: process, upkeep } = this.#time;
    const isSound = this.#cache.isSound(offset.state);
    upkeep.used(this.#learner);
    return exchangeTimeOf({
      hostNowMs: this.#cache.clock.now(),
      offset,
      process,
      hasFailed: upkeep.hasFailed,
      isSound,
    });
  }

  /**
   * The exchange's time now, as one number: the middle of {@link now}, in whole epoch milliseconds. Without the bias
   * of {@link timestamp}, for what is to be the present, such as an expiry that the exchange compares with its clock.
   * @throws ConnectorStateError `CLOSED` and ClockUncertainError `CLOCK_UNCERTAIN` as {@link timestamp}
   */
  exchangeNow(): number {
    this.#checkBound();
    return Math.floor(this.#cache.clock.now() + this.#offset.applied.offsetMs);
  }

  /** For clients of the user's own; see attach() of each exchange's connector. */
  protected clientClock(): AttachedClock {
    this.#clientClock ??= new AttachedClock({
      name: this.constructor.name,
      ref: this.ref,
      cache: this.#cache,
      adapter: this.adapter,
      offset: this.#offset,
      learner: this.#learner,
      time: this.#time,
      profile: this.#profile,
      isClosed: () => this.#isClosed,
      timestampSafe: () => this.timestampSafe(),
      timestampIfSure: () => this.#timestampIfSure(),
      timestamp: () => this.timestamp(),
      exchangeNow: () => this.exchangeNow(),
    });
    return this.#clientClock;
  }

  /** @throws ExchangeError */
  fundingRate(symbol: string): Promise<FundingRate> {
    return this.adapter.fundingRate(symbol);
  }

  /**
   * Closes the connections to the exchange, when a measurement that nobody waits for is over that an init began; the cache
   * stays open for others.
   */
  close(): void {
    this.#isClosed = true;
    this.#time.upkeep.leave(this.#learner);
    this.#learner.whenRefreshed(() => this.adapter.close());
  }

  /** As {@link timestampSafe}; `undefined` where something has to be measured first. */
  #timestampIfSure(): number | undefined {
    // Throws where there is none yet, before the clock of a process that knows it counts as used.
    void this.#offset.state;
    return this.#time.upkeep.usedIfSure(this.#learner) ? this.#offset.sign() : undefined;
  }

  #checkBound(): void {
    const isTolerable = this.#offset.isTolerable;
    this.#time.upkeep.used(this.#learner);
    if (isTolerable) return;
    throw uncertainError(this.#offset.applied.uncertaintyMs, this.#offset.toleranceMs);
  }

  async #initialise(): Promise<InitResult> {
    const { exchange, environment } = this.ref;
    const { telemetry } = this.#cache;
    const startedMs = performance.now();
    const attributes = {
      'connector_state.exchange': exchange,
      'connector_state.environment': environment,
    };
    const seconds = () => (performance.now() - startedMs) / 1_000;
    try {
      return await telemetry.span('init', { attributes }, async span => {
        const result = await this.#initialiseIn(span, startedMs);
        const { contact, refusals, cacheHit } = result;
        const outcome = cacheHit ? 'hit' : 'miss';
        span?.setAttribute('connector_state.contact', contact);
        span?.setAttribute('connector_state.outcome', outcome);
        telemetry.init({ exchange, environment, contact, outcome, refusals, seconds: seconds() });
        return result;
      });
    } catch (error) {
      const failed = { contact: 'none', outcome: 'failed', refusals: [] } as const;
      telemetry.init({ exchange, environment, ...failed, seconds: seconds() });
      throw error;
    }
  }

  async #initialiseIn(span: SpanLike | undefined, startedMs: number): Promise<InitResult> {
    const { mode } = this.#cache;
    const course = mode === 'on' ? await this.#initialiseWith(span) : await this.#initialiseWithout();
    if (!this.#isClosed) this.#time.upkeep.join(this.#learner);
    const durationMs = performance.now() - startedMs;
    const { tier, contact, isStale, authFailures, refusals } = course;
    const cacheHit = tier !== null && !refusals.includes('wrong');
    const healed = refusals.length > 0 ? `, refused: ${refusals.join(', ')}` : '';
    const outcome = mode === 'on' ? `${cacheHit ? 'HIT ⚡' : 'MISS'}${healed}` : mode;
    const about = mode === 'on' ? { tier, contact, stale: isStale, authFailures } : { cacheMode: mode };
    const took = `Initialized in ${Math.round(durationMs)}ms`;
    this.#cache.log.info(about, `[${this.constructor.name}] ${took} (cache ${outcome})`);
    const { offsetMs, uncertaintyMs } = this.#offset.applied;
    return { ...course, cacheHit, durationMs, offsetMs, uncertaintyMs };
  }

  #initialiseWith(span: SpanLike | undefined): Promise<InitCourse> {
    const { name } = this.constructor;
    const [cache, offset, learner] = [this.#cache, this.#offset, this.#learner];
    return initialise({ name, ref: this.ref, cache, adapter: this.adapter, offset, learner }, span);
  }

  /** Off, or in shadow mode: what is measured is used and not kept, and nothing is learned of later responses. */
  async #initialiseWithout(): Promise<InitCourse> {
    // Only who goes without the cache loads it: the way from the entry points is a cold start's.
    const { initialiseWithoutCache } = await import('./without-cache.js');
    this.#learner.syncing();
    await initialiseWithoutCache({
      cache: this.#cache,
      ref: this.ref,
      adapter: this.adapter,
      range: this.adapter.range,
      toleranceMs: this.#offset.toleranceMs,
      isClosed: () => this.#isClosed,
      use: state => {
        this.#offset.state = state;
        this.#learner.verifying();
      },
      answered: () => this.#learner.answer,
    });
    return { contact: 'sync', tier: null, isStale: false, authFailures: 0, refusals: [] };
  }
}
