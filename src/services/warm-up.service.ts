/**
 * WarmUpService: makes sure that what comes next finds a good clock.
 *
 * Connectors of one exchange, environment and scope share its clock, so one measurement warms them all: a connector whose
 * own state has ended signs by the shared clock. Warming is therefore two public requests and one fact a clock, however
 * many connectors there are, and needs no account. A clock that is good for long enough is left alone, so running it twice,
 * or in two processes, costs nothing more.
 */
import { ConnectorStateError, InvalidInputError } from '../base/errors.js';
import { shown } from '../base/shown.js';
import type { ConnectorStateCacheService } from '../cache/connector-state-cache-service.js';
import type { Lookup } from '../cache/lookup.js';
import { measuredFromSample } from '../cache/measurement.js';
import { DEFAULT_RANGE, toleranceOf } from '../clock/request-window.js';
import { type ConnectorRef, DEFAULT_SCOPE, scopeOf } from '../events/connector.js';
import { ExchangeError } from '../exchanges/exchange-adapter.js';
import { measurePublicClock } from '../exchanges/public-clock.js';
import { profileOf } from '../exchanges/registry.js';

export interface WarmUpOptions {
  readonly cache: ConnectorStateCacheService;
  /** Where clocks of a scope that the user named are reached. The exchange's own host, and a scope that is an origin, need none. */
  readonly hosts?: readonly ClockHost[] | undefined;
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
   * - `failed`: see `problem`; `retryAfterMs` where the exchange said how long to leave it alone.
   * - `skipped`: another clock of this exchange met a limit, so it was left alone.
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

const DEFAULT_AHEAD_MS = 3_600_000;
const MAX_AHEAD_MS = 24 * 3_600_000;

/**
 * Measures the exchanges' clocks before they are needed.
 * @example
 * const report = await new WarmUpService({ cache }).warm(connectors.map(({ ref }) => ref));
 * for (const { exchange, outcome } of report.clocks) console.log(exchange, outcome);
 */
export class WarmUpService {
  readonly #cache: ConnectorStateCacheService;
  readonly #hosts: readonly ClockHost[];

  constructor({ cache, hosts = [] }: WarmUpOptions) {
    this.#cache = cache;
    this.#hosts = hosts;
  }

  /**
   * Makes the clocks of these connectors good for `aheadMs` from now, one after the other.
   * @param options.aheadMs milliseconds, 1 to a day. Default an hour
   * @throws InvalidInputError for a malformed connector or span, before anything is sent. What an exchange or the database
   *   refuses is in the report
   * @example
   * const report = await new WarmUpService({ cache: state.cache }).warm(refs, { aheadMs: 30 * 60_000 });
   */
  async warm(
    refs: readonly ConnectorRef[],
    { aheadMs = DEFAULT_AHEAD_MS }: { readonly aheadMs?: number } = {},
  ): Promise<WarmUpReport> {
    if (!(aheadMs >= 1 && aheadMs <= MAX_AHEAD_MS)) {
      throw new InvalidInputError(`aheadMs must be from 1 to ${MAX_AHEAD_MS}, got ${shown(aheadMs)}`);
    }
    const byClock = new Map<string, ConnectorRef>();
    for (const ref of refs) byClock.set(`${ref.exchange} ${ref.environment} ${scopeOf(ref)}`, ref);
    const clocks: WarmedClock[] = [];
    const limited = new Set<string>();
    for (const ref of byClock.values()) {
      const clock = limited.has(ref.exchange)
        ? ({ outcome: 'skipped' } as const)
        : await this.#warmOne(ref, aheadMs);
      if ('retryAfterMs' in clock) limited.add(ref.exchange);
      const { exchange, environment } = ref;
      clocks.push({ exchange, environment, scope: scopeOf(ref), ...clock });
    }
    const isNews = clocks.some(({ outcome }) => outcome === 'measured');
    const isStored = !isNews || (await this.#cache.flush()).ok;
    return { connectors: refs.length, clocks, isStored };
  }

  async #warmOne(
    ref: ConnectorRef,
    aheadMs: number,
  ): Promise<Pick<WarmedClock, 'outcome' | 'problem' | 'retryAfterMs'>> {
    const { clock } = this.#cache;
    const lookup = await this.#cache.peek(ref);
    if (endOf(lookup, clock.now()) >= aheadMs) return { outcome: 'warm' };
    try {
      const sample = await measurePublicClock(profileOf(ref.exchange), {
        environment: ref.environment,
        baseUrl: this.#hostOf(ref),
        now: () => clock.now(),
        wall: () => clock.wall(),
      });
      const uncertaintyMs = (sample.receivedAtMs - sample.sentAtMs) / 2;
      const ttl = this.#cache.ttlOf({ toleranceMs: toleranceOf(DEFAULT_RANGE), uncertaintyMs });
      const link = lookup.hit ? lookup.state.link : lookup.link;
      this.#cache.set(ref, measuredFromSample(sample, link, clock, ttl), 'warm-up');
      return { outcome: 'measured' };
    } catch (error) {
      if (!(error instanceof ConnectorStateError)) throw error;
      const retryAfterMs = error instanceof ExchangeError ? error.retryAfterMs : undefined;
      return {
        outcome: 'failed',
        problem: error.message,
        ...(retryAfterMs !== undefined && { retryAfterMs }),
      };
    }
  }

  #hostOf({ exchange, environment, scope = DEFAULT_SCOPE }: ConnectorRef): string {
    const named = this.#hosts.find(host => host.exchange === exchange && host.scope === scope);
    if (named) return named.baseUrl;
    const own = profileOf(exchange).hosts[environment];
    if (scope === DEFAULT_SCOPE && own !== undefined) return own;
    if (/^https?:\/\/[^/]+$/.test(scope)) return scope;
    throw new InvalidInputError(
      `no host is known for the clock "${scope}" of ${exchange} ${environment}: name it in hosts, { exchange: '${exchange}', scope: '${scope}', baseUrl: 'https://…' }`,
    );
  }
}

/** How long what a connector would sign by is good from now, milliseconds; negative when it is not. */
function endOf(lookup: Lookup, hostNowMs: number): number {
  const state = lookup.hit ? lookup.state : lookup.exchangeClock;
  return state ? state.expiresAtMs - (hostNowMs + state.link.offsetMs) : Number.NEGATIVE_INFINITY;
}
