/**
 * How often an exchange is asked on purpose: never more than a share of what it allows an address, and spread.
 *
 *   ──▪────▪──────▪─────▪──   each request waits for the one before it, for perMs ÷ (share of requests) and up to half as
 *                             long again by chance, so that instances that began together drift apart
 *
 * With gaps of perMs ÷ N at least, no span of perMs holds more than N requests. What other programs behind the same
 * address send is not known here: hence a share.
 */
import type { PublicLimit } from '../exchanges/exchange-profile.js';

/** Of an exchange whose limit is not known. */
const ASSUMED_LIMIT: PublicLimit = { requests: 100, perMs: 10_000 };
const JITTER = 0.5;

export interface BudgetClock {
  /** Milliseconds, monotonic. */
  now(): number;
  pause(ms: number): Promise<void>;
  /** 0 to 1. */
  random(): number;
}

export class RequestBudget {
  readonly #gapMs: number;
  readonly #clock: BudgetClock;
  #freeAtMs = Number.NEGATIVE_INFINITY;

  /** @param share of the limit, above 0 and up to 1 */
  constructor(limit: PublicLimit | undefined, share: number, clock: BudgetClock) {
    const { requests, perMs } = limit ?? ASSUMED_LIMIT;
    this.#gapMs = perMs / Math.max(1, Math.floor(requests * share));
    this.#clock = clock;
  }

  /** Resolves when the next request may be sent. */
  async turn(): Promise<void> {
    const { now, pause, random } = this.#clock;
    const atMs = Math.max(now(), this.#freeAtMs);
    // Taken before waiting: of two that ask at once the second waits for the first.
    this.#freeAtMs = atMs + this.#gapMs * (1 + JITTER * random());
    const waitMs = atMs - now();
    if (waitMs > 0) await pause(waitMs);
  }
}
