/**
 * Keeps the clock of a process (process-clock.ts) good enough to sign by, for as long as the process lives.
 *
 * Nothing here is on the way of a request unless its caller can wait. A measurement asks the database first, which
 * costs a millisecond or so: that measures the link anew, and brings what others have learned meanwhile. Only if the
 * bound is still too large, or the state has come to its end or is in doubt, the exchange is asked.
 *
 *   when                                                       what
 *   `sure()`, and this host's clocks have parted since the     measured before the next signature
 *     link was measured, nobody has asked for a minute, the
 *     bound is past its safe share, or the state is in doubt
 *   a use, and one of these, or the link is ten minutes old    measured in the background
 *   the timer: just before the bound passes its safe share,    measured in the background, used or not
 *     and in the last fifth of the state's life
 *   `refused()`: the exchange has refused a timestamp          the exchange is asked in any case
 *
 * The moment in the last fifth is drawn for each state, so that of many processes one measures and the others find
 * what it measured. A measurement that fails is tried again a minute later, or by the next who waits and has no other
 * way to sign. All who wait share one. The timer never keeps the process alive, and ends with the last connector that
 * is open, or with the cache.
 *
 * Whoever measures is one of the connectors, the one that was ready last. They are held weakly: a server that makes one
 * for each request and forgets it keeps nothing alive by that.
 */
import type { ConnectorStateCacheService } from '../cache/connector-state-cache-service.js';
import { linkOf, type UsableState } from '../cache/lookup.js';
import { watchOf } from '../clock/host-watch.js';
import { ASSUMED_RATE, DRIFT_BOUND_PPM } from '../clock/offset.js';
import type { ReferenceLink } from '../clock/reference.js';
import { SAFE_SHARE } from '../clock/ttl.js';
import type { SyncTrigger } from '../events/catalogue.js';
import type { ConnectorRef } from '../events/connector.js';
import { sharingOver } from './measurement-sharing.js';
import type { ProcessClock } from './process-clock.js';

/** A connector that can ask the exchange. */
export interface Keeper {
  readonly ref: ConnectorRef;
  /** The error at which the exchange begins to refuse what it signs, milliseconds. */
  readonly toleranceMs: number;
  /** Asks the exchange's time endpoint. @throws ExchangeError; ConnectorStateError `CLOSED` */
  sync(
    need: {
      readonly trigger: SyncTrigger;
      readonly link: ReferenceLink | undefined;
      readonly after?: number;
      readonly isSecond?: boolean;
    },
    trace: object,
  ): Promise<UsableState>;
}

/** Of the link to the database's clock: 30 ms at the assumed 50 ppm. */
const LINK_LIFE_MS = 10 * 60_000;
/** So long after the last use a suspended machine may have missed anything. */
const GAP_MS = 60_000;
const RETRY_MS = 60_000;
/** As init-decision.ts does it for inits. */
const REFRESH_SHARE = 0.2;
const LEAST_DELAY_MS = 1_000;
const MAX_KEEPERS = 8;

export class ClockUpkeep {
  readonly #cache: ConnectorStateCacheService;
  readonly #process: ProcessClock;
  /** The one that was ready last first. */
  #keepers: readonly WeakRef<Keeper>[] = [];
  #measuring: Promise<void> | undefined;
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #usedAtMs = Number.NEGATIVE_INFINITY;
  /** When the exchange was last asked because of a refusal. */
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #hasFailed = false;
  /** By the clock that the state is relative to. */
  #refreshAtMs = Number.POSITIVE_INFINITY;
  #endTimer: (() => void) | undefined;
  #isEnded = false;

  constructor(cache: ConnectorStateCacheService, process: ProcessClock) {
    this.#cache = cache;
    this.#process = process;
    process.onChange = () => this.#changed();
  }

  /** The last measurement came to nothing, so that what was known before has to do. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** A connector is ready. */
  join(keeper: Keeper): void {
    this.#keepers = [new WeakRef(keeper), ...this.#without(keeper)].slice(0, MAX_KEEPERS);
    this.#usedAtMs = this.#cache.clock.now();
    this.#schedule();
  }

  /** A connector was closed. */
  leave(keeper: Keeper): void {
    this.#keepers = this.#without(keeper);
    if (this.#keepers.length === 0) this.#stop();
  }

  /** The cache was closed. */
  end(): void {
    this.#isEnded = true;
    this.#stop();
  }

  /** Somebody goes by the clock and cannot wait. */
  used(keeper: Keeper): void {
    this.#use(keeper, this.#cache.clock.now());
  }

  /**
   * As {@link sure}, where nothing has to be measured for it.
   * @returns whether that is so; if not, the clock was not used
   */
  usedIfSure(keeper: Keeper): boolean {
    const nowMs = this.#cache.clock.now();
    if (this.#isGap(nowMs) || !this.#isSure(keeper)) return false;
    this.#use(keeper, nowMs, true);
    return true;
  }

  /** Somebody is about to go by the clock and can wait. Never rejects: what it came to, the bound says. */
  async sure(keeper: Keeper): Promise<void> {
    let isNeeded = this.#isGap(this.#cache.clock.now()) || !this.#isSure(keeper);
    // A machine may be suspended once more while it measures.
    for (let round = 0; isNeeded && this.#mayMeasure(keeper) && round < 2; round++) {
      await this.#measureOnce(keeper).catch(() => undefined);
      isNeeded = !this.#isSure(keeper);
    }
    this.used(keeper);
  }

  /** The exchange has refused a timestamp. @throws ExchangeError, ConnectorStateError `CLOSED` */
  async refused(keeper: Keeper): Promise<void> {
    const toldAtMs = this.#cache.clock.now();
    // Whatever is being measured began before the refusal was told, unless another refusal made it begin.
    while (this.#measuring) await this.#measuring.catch(() => undefined);
    if (this.#askedAtMs < toldAtMs) await this.#measureOnce(keeper, sharingOver(this.#cache).begun);
  }

  /** @param isSure what {@link #isSure} has just said, where it was asked */
  #use(keeper: Keeper, nowMs: number, isSure?: boolean): void {
    this.#usedAtMs = nowMs;
    if (this.#measuring || nowMs < this.#notBeforeMs) return;
    const isGood = (isSure ?? this.#isSure(keeper)) && !this.#isDue();
    if (!isGood || this.#isLinkOld()) this.#inBackground(keeper);
  }

  /** Nobody has gone by the clock for so long that the host may have been suspended. */
  #isGap(nowMs: number): boolean {
    return Math.abs(nowMs - this.#usedAtMs) > GAP_MS;
  }

  #mayMeasure(keeper: Keeper): boolean {
    return this.#cache.clock.now() >= this.#notBeforeMs || this.#boundMs() > keeper.toleranceMs;
  }

  #boundMs(): number {
    const { state } = this.#process;
    return state ? this.#process.applied(state).uncertaintyMs : Number.POSITIVE_INFINITY;
  }

  /** Good enough to sign by. */
  #isSure(keeper: Keeper): boolean {
    const { state } = this.#process;
    const applied = state && this.#process.appliedUnparted(state);
    return (
      applied !== undefined &&
      applied.uncertaintyMs <= SAFE_SHARE * keeper.toleranceMs &&
      this.#cache.isSound(state as UsableState)
    );
  }

  /** And for some time to come. */
  #isGood(keeper: Keeper): boolean {
    return this.#isSure(keeper) && !this.#isDue();
  }

  /** The state has come to where it is measured anew. */
  #isDue(): boolean {
    const { state } = this.#process;
    return state !== undefined && this.#process.referenceNowMs(state) >= this.#refreshAtMs;
  }

  #isLinkOld(): boolean {
    const { state } = this.#process;
    const { clock } = this.#cache;
    if (!state || state.referenceClock === clock.id) return false;
    return clock.now() - state.link.atMs > LINK_LIFE_MS;
  }

  /** After a failover: relative to a clock that nobody can read any more. */
  #isLeftBehind(link: ReferenceLink | undefined): boolean {
    const { state } = this.#process;
    if (!state || !link || state.referenceClock === this.#cache.clock.id) return false;
    return state.referenceClock !== link.clockId;
  }

  #inBackground(keeper: Keeper): void {
    this.#cache.inBackground(this.#measureOnce(keeper).catch(() => undefined));
  }

  /** @param refusedAfter the exchange is asked in any case, by a measurement that begins after this one */
  #measureOnce(keeper: Keeper, refusedAfter?: number): Promise<void> {
    this.#measuring ??= this.#measure(keeper, refusedAfter)
      .then(
        isDone => this.#ended(!isDone),
        error => {
          this.#ended(true);
          throw error;
        },
      )
      .finally(() => {
        this.#measuring = undefined;
        this.#schedule();
      });
    return this.#measuring;
  }

  #ended(hasFailed: boolean): void {
    this.#hasFailed = hasFailed;
    this.#notBeforeMs = hasFailed ? this.#cache.clock.now() + RETRY_MS : Number.NEGATIVE_INFINITY;
  }

  /** @returns false when what could be measured is not good enough */
  async #measure(keeper: Keeper, refusedAfter: number | undefined): Promise<boolean> {
    const cache = this.#cache;
    const process = this.#process;
    let link: ReferenceLink | undefined;
    if (cache.mode === 'on') {
      watchOf(cache.clock).look();
      const lookup = await cache.refresh(keeper.ref);
      link = linkOf(lookup);
      if (link) process.linked(link);
      const known = lookup.hit ? lookup.state : lookup.exchangeClock;
      if (known) process.found(known);
    }
    if (refusedAfter === undefined && this.#isGood(keeper) && !this.#isLeftBehind(link)) return true;
    const isRefused = refusedAfter !== undefined;
    const trigger = isRefused ? 'auth-failure' : 'warm-up';
    const need = { trigger, link, ...(isRefused && { after: refusedAfter, isSecond: true }) } as const;
    if (isRefused) this.#askedAtMs = cache.clock.now();
    process.found(await keeper.sync(need, {}));
    return this.#isGood(keeper);
  }

  #changed(): void {
    const { state } = this.#process;
    if (state) {
      const lifeMs = state.expiresAtMs - state.estimate.atMs;
      const earlierMs = Number.isFinite(lifeMs) ? REFRESH_SHARE * lifeMs * this.#cache.random() : 0;
      this.#refreshAtMs = state.expiresAtMs - earlierMs;
    }
    this.#schedule();
  }

  #schedule(): void {
    const { state } = this.#process;
    const keeper = this.#keeper();
    this.#endTimer?.();
    this.#endTimer = undefined;
    if (this.#isEnded || !state || !keeper) return;
    const ppm = (state.estimate.rate ?? ASSUMED_RATE).boundPpm + DRIFT_BOUND_PPM;
    const untilWideMs = (SAFE_SHARE * keeper.toleranceMs - this.#boundMs()) / (ppm / 1e6);
    const untilEndMs = this.#refreshAtMs - this.#process.referenceNowMs(state);
    const untilAgainMs = this.#notBeforeMs - this.#cache.clock.now();
    const inMs = Math.max(Math.min(untilWideMs, untilEndMs), untilAgainMs, LEAST_DELAY_MS);
    this.#endTimer = this.#cache.timers.after(inMs, () => this.#onTimer());
  }

  #onTimer(): void {
    this.#endTimer = undefined;
    const keeper = this.#keeper();
    if (!keeper || this.#measuring) return;
    // What Node fires early, and what a suspend made late.
    if (this.#isGood(keeper)) this.#schedule();
    else this.#inBackground(keeper);
  }

  #stop(): void {
    this.#endTimer?.();
    this.#endTimer = undefined;
  }

  #keeper(): Keeper | undefined {
    for (const held of this.#keepers) {
      const keeper = held.deref();
      if (keeper) return keeper;
    }
    return undefined;
  }

  #without(keeper: Keeper): readonly WeakRef<Keeper>[] {
    return this.#keepers.filter(held => {
      const other = held.deref();
      return other !== undefined && other !== keeper;
    });
  }
}
