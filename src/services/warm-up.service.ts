/**
 * WarmUpService: makes sure that what comes next finds a good clock.
 *
 * Connectors of one exchange, environment and scope share its clock, so one measurement warms them all: a connector whose
 * own state has ended signs by the shared clock. Warming is therefore two public requests and one fact a clock, however
 * many connectors there are, and needs no account. A clock that is good for long enough is left alone, so running it twice
 * costs nothing more; with a `databaseUrl` one instance at a time is at it, and the next finds it done.
 *
 * No exchange is asked more often than a share of its limit allows (request-budget.ts). One that says it is enough is left
 * alone for as long as it says, or for half a minute and twice as long each further time, up to an hour; that is told, and
 * the others go on.
 */
import { setTimeout as pauseFor } from 'node:timers/promises';
import { ConnectorStateError, InvalidInputError } from '../base/errors.js';
import { shown } from '../base/shown.js';
import type { ConnectorStateCacheService } from '../cache/connector-state-cache-service.js';
import type { Lookup } from '../cache/lookup.js';
import { measuredFromSample } from '../cache/measurement.js';
import { DEFAULT_RANGE, toleranceOf } from '../clock/request-window.js';
import { type ConnectorRef, DEFAULT_SCOPE, type Exchange, scopeOf } from '../events/connector.js';
import { ExchangeError } from '../exchanges/exchange-adapter.js';
import type { PublicCall } from '../exchanges/public-call.js';
import { measurePublicClock } from '../exchanges/public-clock.js';
import { publicFunding } from '../exchanges/public-funding.js';
import { MEANINGS } from '../exchanges/refusal-reason.js';
import { profileOf } from '../exchanges/registry.js';
import { type FundingTime, nextFundingOf } from './funding-times.js';
import { RequestBudget } from './request-budget.js';

export interface WarmUpOptions {
  readonly cache: ConnectorStateCacheService;
  /** Where clocks of a scope that the user named are reached. The exchange's own host, and a scope that is an origin, need none. */
  readonly hosts?: readonly ClockHost[] | undefined;
  /** `state.databaseUrl`: one instance at a time warms, and {@link WarmUpService.connectors} knows whom. Default: neither. */
  readonly databaseUrl?: string | undefined;
  /** The share of an exchange's limit on unsigned requests that is used at most, above 0 and up to 0.5. Default 0.1. */
  readonly share?: number | undefined;
  /** 0 to 1. Default `Math.random`. */
  readonly random?: (() => number) | undefined;
  /** How time is let pass between requests, milliseconds. Default a timer. */
  readonly pause?: ((ms: number) => Promise<void>) | undefined;
}

export interface ClockHost {
  readonly exchange: string;
  readonly scope: string;
  readonly baseUrl: string;
}

export interface WarmedClock {
  readonly exchange: string;
  readonly environment: string;
  readonly scope: string;
  /**
   * - `warm`: it was good for long enough.
   * - `measured`: it is now.
   * - `failed`: see `problem`; with `retryAfterMs` where a limit was met, for how long the exchange is left alone.
   * - `skipped`: the exchange is left alone for `retryAfterMs` yet, for a limit that was met before.
   */
  readonly outcome: 'warm' | 'measured' | 'failed' | 'skipped';
  readonly problem?: string;
  readonly retryAfterMs?: number;
}

export interface WarmUpReport {
  /** Connectors asked for. */
  readonly connectors: number;
  readonly clocks: readonly WarmedClock[];
  /** Everything that was measured is stored; otherwise see `flush()`. */
  readonly isStored: boolean;
}

export interface WarmOptions {
  /** How long the clocks are to be good from now on, milliseconds, 1 to a day. Default an hour. */
  readonly aheadMs?: number | undefined;
  /** Hears of each clock as it is done. */
  readonly onProgress?: ((clock: WarmedClock, done: number, total: number) => void) | undefined;
  /** Ends it between two clocks. */
  readonly signal?: AbortSignal | undefined;
}

type Outcome = Pick<WarmedClock, 'outcome' | 'problem' | 'retryAfterMs'>;

const DEFAULT_AHEAD_MS = 3_600_000;
const MAX_AHEAD_MS = 24 * 3_600_000;
const DEFAULT_SHARE = 0.1;
const MAX_SHARE = 0.5;
const FIRST_REST_MS = 30_000;
const LONGEST_REST_MS = 3_600_000;

/**
 * Measures the exchanges' clocks before they are needed.
 * @example
 * const report = await new WarmUpService({ cache }).warm(connectors.map(({ ref }) => ref));
 * for (const { exchange, outcome } of report.clocks) console.log(exchange, outcome);
 */
export class WarmUpService {
  readonly #options: WarmUpOptions;
  readonly #cache: ConnectorStateCacheService;
  readonly #budgets = new Map<Exchange, RequestBudget>();
  /** Of exchanges that a limit was met at: until when, and how often in a row. */
  readonly #rests = new Map<Exchange, { readonly untilMs: number; readonly times: number }>();

  /** @throws InvalidInputError for a share out of range */
  constructor(options: WarmUpOptions) {
    const { share = DEFAULT_SHARE } = options;
    if (!(share > 0 && share <= MAX_SHARE)) {
      throw new InvalidInputError(`share must be above 0 and up to ${MAX_SHARE}, got ${shown(share)}`);
    }
    this.#options = options;
    this.#cache = options.cache;
  }

  /**
   * One connector of each clock that anybody's (or this user's) connectors go by, as far as the read tables know: what
   * {@link warm} needs to warm them all.
   * @throws InvalidInputError without a `databaseUrl`; ConnectorStateError `DATABASE_UNAVAILABLE`
   * @example
   * const service = new WarmUpService({ cache: state.cache, databaseUrl: state.databaseUrl });
   * await service.warm(await service.connectors({ userId: 'user123' }));
   */
  async connectors({ userId }: { readonly userId?: string | undefined } = {}): Promise<ConnectorRef[]> {
    const { databaseUrl } = this.#options;
    if (databaseUrl === undefined) {
      throw new InvalidInputError(
        'pass databaseUrl (state.databaseUrl): who the connectors are stands there',
      );
    }
    const { knownConnectors } = await import('./known-connectors.js');
    return knownConnectors(databaseUrl, userId);
  }

  /**
   * Makes the clocks of these connectors good for `aheadMs` from now, one after the other.
   * @throws InvalidInputError for a malformed connector or span, before anything is sent; ConnectorStateError
   *   `DATABASE_UNAVAILABLE` where the turn cannot be had; the signal's reason. What an exchange refuses is in the report
   * @example
   * const report = await new WarmUpService({ cache: state.cache }).warm(refs, { aheadMs: 30 * 60_000 });
   */
  async warm(refs: readonly ConnectorRef[], options: WarmOptions = {}): Promise<WarmUpReport> {
    const { aheadMs = DEFAULT_AHEAD_MS } = options;
    if (!(aheadMs >= 1 && aheadMs <= MAX_AHEAD_MS)) {
      throw new InvalidInputError(`aheadMs must be from 1 to ${MAX_AHEAD_MS}, got ${shown(aheadMs)}`);
    }
    const byClock = new Map<string, ConnectorRef>();
    for (const ref of refs) byClock.set(`${ref.exchange} ${ref.environment} ${scopeOf(ref)}`, ref);
    const work = () => this.#warmAll(refs.length, [...byClock.values()], aheadMs, options);
    const { databaseUrl } = this.#options;
    if (databaseUrl === undefined) return work();
    const { inTurn } = await import('./known-connectors.js');
    return inTurn(databaseUrl, work);
  }

  /**
   * When funding is paid next where these connectors are: of each exchange and environment, from its own public API, one
   * request each; 00:00, 08:00 and 16:00 UTC are assumed where it does not tell.
   * @param options.symbols whose funding counts, as any exchange writes them; default all contracts'
   * @throws InvalidInputError for a malformed connector
   * @example
   * const [next] = await service.nextFunding(refs, { symbols: ['BTCUSDT'] });
   * if (next) console.log(next.exchange, new Date(next.atMs), next.source);
   */
  async nextFunding(
    refs: readonly ConnectorRef[],
    { symbols = [] }: { readonly symbols?: readonly string[] | undefined } = {},
  ): Promise<FundingTime[]> {
    const byPlace = new Map<string, ConnectorRef>();
    for (const ref of refs) byPlace.set(`${ref.exchange} ${ref.environment}`, ref);
    const times: FundingTime[] = [];
    for (const ref of byPlace.values()) {
      const { exchange, environment } = ref;
      const profile = profileOf(exchange);
      const restMs = this.#restOf(exchange);
      times.push(
        await nextFundingOf(
          { exchange, environment },
          { nowMs: this.#cache.clock.now(), symbols },
          async () => {
            if (restMs > 0)
              throw new ConnectorStateError('EXCHANGE_REFUSED', `${exchange} is left alone: a limit was met`);
            return this.#minding(exchange, () => publicFunding(profile, this.#callOf(ref)));
          },
        ),
      );
    }
    return times;
  }

  async #warmAll(
    connectors: number,
    refs: readonly ConnectorRef[],
    aheadMs: number,
    { onProgress, signal }: WarmOptions,
  ): Promise<WarmUpReport> {
    const clocks: WarmedClock[] = [];
    for (const ref of refs) {
      signal?.throwIfAborted();
      const { exchange, environment } = ref;
      const clock = { exchange, environment, scope: scopeOf(ref), ...(await this.#warmOne(ref, aheadMs)) };
      clocks.push(clock);
      onProgress?.(clock, clocks.length, refs.length);
    }
    const isNews = clocks.some(({ outcome }) => outcome === 'measured');
    const isStored = !isNews || (await this.#cache.flush()).ok;
    return { connectors, clocks, isStored };
  }

  async #warmOne(ref: ConnectorRef, aheadMs: number): Promise<Outcome> {
    const { clock } = this.#cache;
    let lookup = await this.#cache.peek(ref);
    if (endOf(lookup, clock.now()) >= aheadMs) return { outcome: 'warm' };
    // Another instance may have warmed it since this one looked.
    if (lookup.hit && lookup.tier === 'memory') lookup = await this.#cache.refresh(ref);
    if (endOf(lookup, clock.now()) >= aheadMs) return { outcome: 'warm' };
    const restMs = this.#restOf(ref.exchange);
    if (restMs > 0) return { outcome: 'skipped', retryAfterMs: restMs };
    try {
      const profile = profileOf(ref.exchange);
      const sample = await this.#minding(ref.exchange, () => measurePublicClock(profile, this.#callOf(ref)));
      const uncertaintyMs = (sample.receivedAtMs - sample.sentAtMs) / 2;
      const ttl = this.#cache.ttlOf({ toleranceMs: toleranceOf(DEFAULT_RANGE), uncertaintyMs });
      const link = lookup.hit ? lookup.state.link : lookup.link;
      this.#cache.set(ref, measuredFromSample(sample, link, clock, ttl), 'warm-up');
      return { outcome: 'measured' };
    } catch (error) {
      if (!(error instanceof ConnectorStateError)) throw error;
      const retryAfterMs = this.#restOf(ref.exchange);
      return { outcome: 'failed', problem: error.message, ...(retryAfterMs > 0 && { retryAfterMs }) };
    }
  }

  #callOf(ref: ConnectorRef): PublicCall {
    const { clock } = this.#cache;
    return {
      environment: ref.environment,
      baseUrl: this.#hostOf(ref),
      now: () => clock.now(),
      wall: () => clock.wall(),
      turn: () => this.#budgetOf(ref.exchange).turn(),
    };
  }

  #budgetOf(exchange: Exchange): RequestBudget {
    const known = this.#budgets.get(exchange);
    if (known) return known;
    const { share = DEFAULT_SHARE, random = Math.random, pause = pauseFor } = this.#options;
    const now = () => this.#cache.clock.now();
    const clock = { now, random, pause: async (ms: number) => void (await pause(ms)) };
    const budget = new RequestBudget(profileOf(exchange).publicLimit, share, clock);
    this.#budgets.set(exchange, budget);
    return budget;
  }

  /** Does what asks the exchange, and minds the limits that it meets. */
  async #minding<T>(exchange: Exchange, work: () => Promise<T>): Promise<T> {
    try {
      const done = await work();
      this.#rests.delete(exchange);
      return done;
    } catch (error) {
      if (error instanceof ExchangeError && isLimit(error)) {
        const times = (this.#rests.get(exchange)?.times ?? 0) + 1;
        const restMs = error.retryAfterMs ?? Math.min(LONGEST_REST_MS, FIRST_REST_MS * 2 ** (times - 1));
        this.#rests.set(exchange, { untilMs: this.#cache.clock.now() + restMs, times });
      }
      throw error;
    }
  }

  /** How long the exchange is to be left alone yet, milliseconds. */
  #restOf(exchange: Exchange): number {
    return Math.max(0, (this.#rests.get(exchange)?.untilMs ?? 0) - this.#cache.clock.now());
  }

  #hostOf({ exchange, environment, scope = DEFAULT_SCOPE }: ConnectorRef): string {
    const named = this.#options.hosts?.find(host => host.exchange === exchange && host.scope === scope);
    if (named) return named.baseUrl;
    const own = profileOf(exchange).hosts[environment];
    if (scope === DEFAULT_SCOPE && own !== undefined) return own;
    if (/^https?:\/\/[^/]+$/.test(scope)) return scope;
    throw new InvalidInputError(
      `no host is known for the clock "${scope}" of ${exchange} ${environment}: name it in hosts, { exchange: '${exchange}', scope: '${scope}', baseUrl: 'https://…' }`,
    );
  }
}

const isLimit = ({ reason, retryAfterMs }: ExchangeError): boolean =>
  retryAfterMs !== undefined || (reason !== undefined && MEANINGS[reason].authClass === 'rate-limit');

/** How long what a connector would sign by is good from now, milliseconds; negative when it is not. */
function endOf(lookup: Lookup, hostNowMs: number): number {
  const state = lookup.hit ? lookup.state : lookup.exchangeClock;
  return state ? state.expiresAtMs - (hostNowMs + state.link.offsetMs) : Number.NEGATIVE_INFINITY;
}
