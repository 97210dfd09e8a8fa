/**
 * A connector that starts from remembered state: the init algorithm, the same for every exchange.
 *
 *   lookup ──hit──────────────────────────────► verify ──accepted──► ready
 *     │ miss                                      │ ▲
 *     ├── exchange clock known ──────────────────►│ │ re-sign, once
 *     └── nothing known ── sync (shared) ────────►│ │
 *                                  refused for the timestamp:
 *                                  record, condemn that sync, take the exchange's clock
 *                                  out of the refusal (or sync), ─────┘
 *
 * Any other refusal is recorded with its class and thrown: a bad key or signature is never treated as a clock
 * that is off, because syncing cannot mend it. The cache is never a reason to fail: without it every init is
 * a miss.
 *
 * Every response is sampled. What the exchange stamps on the verification response (Bybit always does)
 * confirms the state, tightens it, or shows that the clock stepped; it is recorded only when it tells
 * something new, so that a warm init writes nothing but a hit. After the init the same goes for every
 * response that the client gets.
 *
 * After a refusal, as after a sample that the state excludes (see sample-learning.ts), the link to the database's
 * clock is measured again before anything is learned.
 */
import { randomUUID } from 'node:crypto';
import type { ConnectorStateCacheService, Trace } from '../cache/connector-state-cache-service.js';
import { appliedOffset, type Lookup, type UsableState } from '../cache/lookup.js';
import { type MeasuredOffset, measureIfBelievable } from '../cache/measurement.js';
import type { ClockSample } from '../clock/offset.js';
import type { ReferenceLink } from '../clock/reference.js';
import { DEFAULT_RECV_WINDOW_MS, type RequestWindow, requestWindow } from '../clock/request-window.js';
import { ConnectorStateError } from '../errors.js';
import type { SyncTrigger, Tier } from '../events/catalogue.js';
import { type ConnectorRef, type Exchange, parseConnectorRef } from '../events/connector.js';
import type { AdapterOptions, ExchangeAdapter, FundingRate } from '../exchanges/exchange-adapter.js';
import { ExchangeError } from '../exchanges/exchange-adapter.js';
import { sharingOver } from './measurement-sharing.js';
import type { ConnectorOptions } from './options.js';
import { isWorthKeeping, judgeSample } from './sample-learning.js';
import { measureServerTime, syncFailureOf, triggerOf } from './sync.js';

export interface InitResult {
  /** True: no sync was needed before the first signed request. */
  readonly cacheHit: boolean;
  /** Where the state came from; `null` when it had to be measured. */
  readonly tier: Tier | null;
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

export abstract class ConnectorWithCache<Adapter extends ExchangeAdapter = ExchangeAdapter> {
  readonly ref: ConnectorRef;
  readonly window: RequestWindow;
  protected readonly adapter: Adapter;
  readonly #cache: ConnectorStateCacheService;
  #state: UsableState | undefined;
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
    this.window = requestWindow(recvWindowMs);
    this.#cache = cache;
    const { clock } = cache;
    this.adapter = createAdapter({
      environment,
      credentials,
      baseUrl,
      recvWindowMs,
      timeoutMs,
      now: () => clock.now(),
      timestamp: () => this.timestamp(),
      onSample: sample => this.#onSample(sample),
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

  /**
   * The timestamp to sign a request with now: whole epoch milliseconds of the exchange's clock, placed where
   * the exchange's window has most room.
   * @throws ConnectorStateError `CLOSED` before the connector was initialised
   */
  timestamp(): number {
    if (!this.#state)
      throw new ConnectorStateError('CLOSED', 'the connector has no offset yet: call initialize() first');
    const now = this.#cache.clock.now();
    return Math.floor(now + appliedOffset(this.#state, now).offsetMs + this.window.biasMs);
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
    const startedMs = performance.now();
    const trace: Trace = { correlationId: randomUUID() };
    // Every way from here leads to a call of the exchange.
    this.adapter.openConnection();
    const lookup = await this.#cache.get(this.ref);
    const trigger = triggerOf(lookup);
    const tier = this.#useKnown(lookup);
    if (!tier) this.#state = await this.#sync({ trigger, link: linkOf(lookup) }, trace);

    const authFailures = await this.#verify(trace);

    if (tier === 'exchange-clock' && authFailures === 0) await this.#learnOwnState(trigger, trace);
    else await this.#learnFrom(this.#sample, trace);
    this.#phase = 'ready';

    const applied = appliedOffset(this.#state as UsableState, this.#cache.clock.now());
    const durationMs = performance.now() - startedMs;
    const outcome = tier ? 'HIT ⚡' : 'MISS';
    const message = `[${this.constructor.name}] Initialized in ${Math.round(durationMs)}ms (cache ${outcome})`;
    this.#cache.log.info({ tier, authFailures }, message);
    return {
      cacheHit: tier !== null,
      tier,
      durationMs,
      offsetMs: applied.offsetMs,
      uncertaintyMs: applied.uncertaintyMs,
      authFailures,
    };
  }

  #useKnown(lookup: Lookup): Tier | null {
    if (lookup.hit) {
      this.#state = lookup.state;
      return lookup.tier;
    }
    if (!lookup.exchangeClock) return null;
    this.#state = lookup.exchangeClock;
    this.#cache.recordExchangeClockHit(this.ref, lookup.exchangeClock);
    return 'exchange-clock';
  }

  async #sync({ trigger, link, after }: SyncNeed, trace: Trace): Promise<UsableState> {
    const startedMs = performance.now();
    const measure = () =>
      measureServerTime(
        this.adapter,
        sample => this.#measure(sample, link),
        () => this.#isClosed,
      );
    this.#phase = 'syncing';
    try {
      const measured = await sharingOver(this.#cache).measure(this.ref, measure, after);
      return this.#cache.set(this.ref, measured, trigger, trace);
    } catch (error) {
      const failure = syncFailureOf(error, trigger, performance.now() - startedMs);
      this.#cache.recordSyncFailure(this.ref, failure, trace);
      throw error;
    }
  }

  /** @returns how many refusals were met and healed */
  async #verify(trace: Trace): Promise<number> {
    try {
      await this.#verifyOnce();
      return 0;
    } catch (error) {
      const failure = this.#recordRefusal(error, trace);
      if (!(error instanceof ExchangeError) || error.authClass !== 'timestamp') throw error;
      await this.#heal(error, { ...trace, causedBy: failure });
    }
    try {
      await this.#verifyOnce();
      return 1;
    } catch (error) {
      this.#recordRefusal(error, trace);
      throw error;
    }
  }

  async #verifyOnce(): Promise<void> {
    this.#sample = undefined;
    this.#phase = 'verifying';
    await this.adapter.verifyAccount();
  }

  #recordRefusal(error: unknown, trace: Trace): Trace['causedBy'] {
    if (!(error instanceof ExchangeError)) return undefined;
    return this.#cache.recordAuthFailure(
      this.ref,
      {
        exchangeCode: error.exchangeCode,
        failureClass: error.authClass,
        state: this.#state,
        serverTimeMs: error.sample?.serverTimeMs,
      },
      trace,
    );
  }

  async #heal(refusal: ExchangeError, trace: Trace): Promise<void> {
    // Whatever is being measured now began before the refusal.
    const after = sharingOver(this.#cache).begun;
    const condemned = this.#state as UsableState;
    const causedBy = this.#cache.condemn(
      this.ref,
      condemned,
      'timestamp-refused',
      this.constructor.name,
      trace,
    );
    const because: Trace = { ...trace, causedBy };
    const link = await this.#relink();
    const measured = refusal.sample && this.#measure(refusal.sample, link);
    this.#state = measured
      ? this.#cache.set(this.ref, measured, 'auth-failure', because)
      : await this.#sync({ trigger: 'auth-failure', link, after }, because);
  }

  /** The shared clock proved good for this connector: it gets a state of its own, the best that is known. */
  async #learnOwnState(trigger: SyncTrigger, trace: Trace): Promise<void> {
    const learned = await this.#judge(this.#sample);
    // A row that could not be believed gives way only to a state that says so.
    if (!learned || trigger === 'corrupt') {
      this.#cache.adopt(this.ref, this.#state as UsableState, trigger, trace);
    }
    if (learned) this.#state = this.#cache.set(this.ref, learned, 'passive', trace);
  }

  async #learnFrom(sample: ClockSample | undefined, trace: Trace): Promise<void> {
    const learned = await this.#judge(sample);
    if (learned && isWorthKeeping(learned, this.#state as UsableState)) {
      this.#state = this.#cache.set(this.ref, learned, 'passive', trace);
    }
  }

  async #judge(sample: ClockSample | undefined): Promise<MeasuredOffset | undefined> {
    if (!sample) return undefined;
    const state = this.#state as UsableState;
    const { learned, relinked } = await judgeSample(
      state,
      link => this.#measure(sample, link),
      () => this.#relink(),
    );
    if (relinked && this.#state === state) this.#state = relinked;
    return learned;
  }

  async #relink(): Promise<ReferenceLink | undefined> {
    return linkOf(await this.#cache.refresh(this.ref));
  }

  #measure(sample: ClockSample, link: ReferenceLink | undefined): MeasuredOffset | undefined {
    return measureIfBelievable(sample, link, this.#cache.clock, this.#cache.ttl);
  }

  #onSample(sample: ClockSample): void {
    if (this.#phase === 'verifying') this.#sample = sample;
    if (this.#phase !== 'ready' || this.#learning) return;
    this.#learning = this.#learnFrom(sample, {}).finally(() => {
      this.#learning = undefined;
    });
  }
}

const linkOf = (lookup: Lookup): ReferenceLink | undefined => (lookup.hit ? lookup.state.link : lookup.link);
