/**
 * A connector that starts from remembered state: the face of it, the same for every exchange. What an init does is in
 * init.ts, what is learned of the exchange's clock in offset-learner.ts, how it goes without the cache in
 * without-cache.ts.
 *
 * It holds an exchange's adapter, which signs by the offset in use and tells of the clock in every response.
 */
import type { ConnectorStateCacheService } from '../cache/connector-state-cache-service.js';
import type { RequestWindow } from '../clock/request-window.js';
import { type ConnectorRef, type Exchange, parseConnectorRef } from '../events/connector.js';
import { clockScopeOf } from '../exchanges/clock-scope.js';
import type { AdapterOptions, ExchangeAdapter, FundingRate } from '../exchanges/exchange-adapter.js';
import { type InitCourse, initialise } from './init.js';
import { OffsetInUse } from './offset-in-use.js';
import { OffsetLearner } from './offset-learner.js';
import type { ConnectorOptions } from './options.js';

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
  readonly #cache: ConnectorStateCacheService;
  readonly #offset: OffsetInUse;
  readonly #learner: OffsetLearner;
  #initialising: Promise<InitResult> | undefined;
  #isClosed = false;

  /** @throws InvalidInputError for anything malformed, before any network call */
  protected constructor(
    exchange: Exchange,
    createAdapter: (options: AdapterOptions) => Adapter,
    options: ConnectorOptions,
  ) {
    const { cache, userId, credentialId, environment, credentials, baseUrl, timeoutMs } = options;
    const { clockScope, recvWindowMs, lateRecvWindowMs, plainHttpHosts, agent } = options;
    const named = parseConnectorRef({ userId, credentialId, exchange, environment });
    this.ref = { ...named, scope: clockScopeOf({ exchange, environment, baseUrl, clockScope }) };
    this.#cache = cache;
    const { clock } = cache;
    this.adapter = createAdapter({
      environment,
      credentials,
      baseUrl,
      recvWindowMs,
      lateRecvWindowMs,
      timeoutMs,
      plainHttpHosts,
      agent,
      now: () => clock.now(),
      wall: () => clock.wall(),
      timestamp: () => this.timestamp(),
      onSample: sample => this.#learner.sampled(sample),
      onBadSample: bad => cache.recordBadSample(this.ref, bad),
    });
    this.#offset = new OffsetInUse(clock, this.adapter.range, () => this.#learner.relinkLater());
    this.#learner = new OffsetLearner({
      cache,
      ref: this.ref,
      adapter: this.adapter,
      offset: this.#offset,
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

  /** Where timestamps are placed now; moves with how well the offset is known. */
  get window(): RequestWindow {
    return this.#offset.window;
  }

  /**
   * The timestamp to sign a request with now: whole epoch milliseconds of the exchange's clock, placed where
   * the exchange's window takes the latest request. Sign and send at once: what is predicted across an await is wrong by as
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

  /**
   * Closes the connections to the exchange, when a measurement that nobody waits for is over that an init began; the cache
   * stays open for others.
   */
  close(): void {
    this.#isClosed = true;
    this.#learner.whenRefreshed(() => this.adapter.close());
  }

  async #initialise(): Promise<InitResult> {
    const startedMs = performance.now();
    const { mode } = this.#cache;
    const course = mode === 'on' ? await this.#initialiseWith() : await this.#initialiseWithout();
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

  #initialiseWith(): Promise<InitCourse> {
    const { name } = this.constructor;
    const [cache, offset, learner] = [this.#cache, this.#offset, this.#learner];
    return initialise({ name, ref: this.ref, cache, adapter: this.adapter, offset, learner });
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
