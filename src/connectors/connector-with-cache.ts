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
 * After a refusal the link to the database's clock is measured again before anything is learned: if it was
 * this host's clock that jumped, the old link would turn a true sample into a false one for everybody else.
 */
import { randomUUID } from 'node:crypto';
import type { ConnectorStateCacheService, Trace } from '../cache/connector-state-cache-service.js';
import { appliedOffset, type Lookup, type UsableState } from '../cache/lookup.js';
import { type MeasuredOffset, measuredFromSample } from '../cache/measurement.js';
import { type ClockSample, inflate, intersect } from '../clock/offset.js';
import type { ReferenceLink } from '../clock/reference.js';
import { DEFAULT_RECV_WINDOW_MS, type RequestWindow, requestWindow } from '../clock/request-window.js';
import { ConnectorStateError } from '../errors.js';
import type { SyncTrigger, Tier } from '../events/catalogue.js';
import { type ConnectorRef, type Exchange, parseConnectorRef } from '../events/connector.js';
import type { AdapterOptions, ExchangeAdapter, FundingRate } from '../exchanges/exchange-adapter.js';
import { ExchangeError } from '../exchanges/exchange-adapter.js';
import { MeasurementSharing } from './measurement-sharing.js';
import type { ConnectorOptions } from './options.js';

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

const sharings = new WeakMap<ConnectorStateCacheService, MeasurementSharing>();

/** A sample that halves the uncertainty is worth an event; one that shaves off a little is not. */
const WORTHWHILE_GAIN = 0.5;
/** A state whose remaining life fell below this share is extended by a sample that confirms it. */
const WORTHWHILE_AGE = 0.5;

export abstract class ConnectorWithCache<Adapter extends ExchangeAdapter = ExchangeAdapter> {
  readonly ref: ConnectorRef;
  readonly window: RequestWindow;
  protected readonly adapter: Adapter;
  readonly #cache: ConnectorStateCacheService;
  #state: UsableState | undefined;
  /** Samples of the verification are judged when it is over; those of a sync are its result. */
  #phase: 'idle' | 'syncing' | 'verifying' | 'ready' = 'idle';
  #samples: ClockSample[] = [];
  #initialising: Promise<InitResult> | undefined;

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
   * @throws ExchangeError when the exchange refuses, answers nonsense or cannot be reached
   */
  initialize(): Promise<InitResult> {
    this.#initialising ??= this.#initialise().finally(() => {
      this.#initialising = undefined;
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
    this.adapter.close();
  }

  async #initialise(): Promise<InitResult> {
    const startedMs = performance.now();
    const trace: Trace = { correlationId: randomUUID() };
    const lookup = await this.#cache.get(this.ref);
    const trigger = triggerOf(lookup);
    const tier = this.#useKnown(lookup);
    if (!tier) this.#state = await this.#sync(trigger, lookup.hit ? undefined : lookup.link, trace);

    const authFailures = await this.#verify(trace);

    if (tier === 'exchange-clock' && authFailures === 0) this.#learnOwnState(trigger, trace);
    else this.#learnFromSamples(trace);
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

  async #sync(trigger: SyncTrigger, link: ReferenceLink | undefined, trace: Trace): Promise<UsableState> {
    let sharing = sharings.get(this.#cache);
    if (!sharing) {
      sharing = new MeasurementSharing();
      sharings.set(this.#cache, sharing);
    }
    const startedMs = performance.now();
    this.#phase = 'syncing';
    try {
      const measured = await sharing.measure(this.ref, async () => {
        const sample = await this.adapter.serverTime();
        return measuredFromSample(sample, link, this.#cache.clock, this.#cache.ttl);
      });
      return this.#cache.set(this.ref, measured, trigger, trace);
    } catch (error) {
      const failure = error instanceof ExchangeError ? error : undefined;
      this.#cache.recordSyncFailure(
        this.ref,
        {
          trigger,
          failureClass: failure?.syncClass ?? 'unknown',
          ...(failure && { exchangeCode: failure.exchangeCode }),
          durationMs: performance.now() - startedMs,
        },
        trace,
      );
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
    this.#samples = [];
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
    const condemned = this.#state as UsableState;
    const causedBy = this.#cache.condemn(
      this.ref,
      condemned,
      'timestamp-refused',
      this.constructor.name,
      trace,
    );
    const because: Trace = { ...trace, causedBy };
    const { link } = linkOf(await this.#cache.refresh(this.ref));
    if (refusal.sample) {
      const measured = measuredFromSample(refusal.sample, link, this.#cache.clock, this.#cache.ttl);
      this.#state = this.#cache.set(this.ref, measured, 'auth-failure', because);
    } else {
      this.#state = await this.#sync('auth-failure', link, because);
    }
  }

  /** The shared clock proved good for this connector: it gets a state of its own, the best that is known. */
  #learnOwnState(trigger: SyncTrigger, trace: Trace): void {
    const state = this.#state as UsableState;
    const measured = this.#tightened(state);
    if (measured) this.#state = this.#cache.set(this.ref, measured, 'passive', trace);
    else this.#cache.adopt(this.ref, state, trigger, trace);
  }

  #learnFromSamples(trace: Trace): void {
    const state = this.#state as UsableState;
    const measured = this.#tightened(state);
    if (!measured) return;
    const known = inflate(state.estimate, measured.estimate.atMs);
    const isStep = !intersect(state.estimate, measured.estimate);
    const isTighter = measured.estimate.uncertaintyMs <= known.uncertaintyMs * WORTHWHILE_GAIN;
    const remainingMs = state.expiresAtMs - measured.estimate.atMs;
    const isOld = remainingMs < measured.ttl.ttlMs * WORTHWHILE_AGE;
    if (isStep || isTighter || isOld) this.#state = this.#cache.set(this.ref, measured, 'passive', trace);
  }

  /** What the latest collected sample and the state allow together; the sample alone if they exclude each other. */
  #tightened(state: UsableState): MeasuredOffset | undefined {
    const sample = this.#samples.at(-1);
    this.#samples = [];
    if (!sample) return undefined;
    const measured = measuredFromSample(sample, state.link, this.#cache.clock, this.#cache.ttl);
    const both = intersect(state.estimate, measured.estimate);
    return both ? { ...measured, estimate: both } : measured;
  }

  #onSample(sample: ClockSample): void {
    if (this.#phase === 'verifying') this.#samples.push(sample);
    if (this.#phase !== 'ready' || !this.#state) return;
    this.#samples = [sample];
    this.#learnFromSamples({});
  }
}

function triggerOf(lookup: Lookup): SyncTrigger {
  if (lookup.hit) return 'absent';
  switch (lookup.reason) {
    case 'expired':
    case 'invalid':
    case 'corrupt':
      return lookup.reason;
    default:
      // Another connector's row, another clock's offset, or nobody to ask: nothing of our own was there.
      return 'absent';
  }
}

const linkOf = (lookup: Lookup): { link: ReferenceLink | undefined } => ({
  link: lookup.hit ? lookup.state.link : lookup.link,
});
