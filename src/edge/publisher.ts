/**
 * Publishes the shared clocks for edge runtimes.
 *
 * A key-value store takes few writes (Workers KV: one a second and key, each seen everywhere after up to a minute), so a
 * clock is written when what it says has changed: another epoch, condemned or sound again, or an estimate that is no
 * longer within what was published. Otherwise only before the store drops it. A condemned or contested clock is
 * published as such; who still reads the old one meanwhile is healed by the exchange's refusal.
 */
import { inflate, intersect } from '../clock/offset.js';
import { encodeClock, keyOfClock, type PublishedClock } from './published-clock.js';

export interface ClockStore {
  /** @param options.expirationTtl seconds after which the store drops it, 60 and up */
  put(key: string, value: string, options: { readonly expirationTtl: number }): Promise<void>;
}

export interface PublisherOptions {
  /** The shared clocks as they are now. */
  readonly read: () => Promise<readonly PublishedClock[]>;
  readonly store: ClockStore;
  /** Seconds, 60–86 400. Default 3600. A clock that nobody publishes any more is gone after so long. */
  readonly ttlSeconds?: number | undefined;
  /** Epoch milliseconds. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

export interface PublishOutcome {
  readonly written: number;
  readonly unchanged: number;
  /** Keys that could not be written, and why. They are tried again the next time. */
  readonly failed: readonly { readonly key: string; readonly problem: string }[];
}

const DEFAULT_TTL_SECONDS = 3_600;
/** Written again after this share of its life, so that one write may fail. */
const REFRESH_SHARE = 0.4;

/**
 * @example
 * const publisher = new ClockPublisher({ read: readClocks, store: cloudflareKv({ accountId, namespaceId, apiToken }) });
 * const { written, failed } = await publisher.publish(); // every so often
 */
export class ClockPublisher {
  readonly #options: PublisherOptions;
  readonly #ttlSeconds: number;
  readonly #now: () => number;
  readonly #published = new Map<string, { readonly clock: PublishedClock; readonly atMs: number }>();

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#ttlSeconds = options.ttlSeconds ?? DEFAULT_TTL_SECONDS;
    this.#now = options.now ?? Date.now;
  }

  /** @throws whatever `read` throws */
  async publish(): Promise<PublishOutcome> {
    const failed: { key: string; problem: string }[] = [];
    let [written, unchanged] = [0, 0];
    for (const clock of await this.#options.read()) {
      const key = keyOfClock(clock);
      const atMs = this.#now();
      if (!this.#isNews(key, clock, atMs)) {
        unchanged += 1;
        continue;
      }
      try {
        await this.#options.store.put(key, encodeClock(clock), { expirationTtl: this.#ttlSeconds });
        this.#published.set(key, { clock, atMs });
        written += 1;
      } catch (error) {
        failed.push({ key, problem: error instanceof Error ? error.message : String(error) });
      }
    }
    return { written, unchanged, failed };
  }

  #isNews(key: string, clock: PublishedClock, atMs: number): boolean {
    const last = this.#published.get(key);
    if (!last || last.clock.epoch !== clock.epoch || last.clock.isValid !== clock.isValid) return true;
    if (atMs - last.atMs >= this.#ttlSeconds * 1000 * REFRESH_SHARE) return true;
    return clock.isValid && !intersect(inflate(last.clock.estimate, clock.estimate.atMs), clock.estimate);
  }
}
