/**
 * BingX's listen keys: who may listen to an account's stream, for an hour at a time, by the exchange's clock.
 *
 * Source: BingX, API documentation, "Other Interface": a key is valid for one hour, extending it makes that an hour from the call
 * on, once a half hour is advised.
 */
import { createHash } from 'node:crypto';

export const LISTEN_KEY_MS = 3_600_000;
/** The oldest go when there are more: a simulator may run for days. */
const MAX_KEYS = 1_000;

interface Held {
  readonly apiKey: string;
  readonly endsAtMs: number;
}

export class ListenKeys {
  readonly #seed: number;
  readonly #held = new Map<string, Held>();
  #made = 0;

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** Another one each time, 64 hexadecimal digits. */
  make(apiKey: string, nowMs: number): string {
    const key = createHash('sha256')
      .update(`listen/${this.#seed}/${++this.#made}/${apiKey}`)
      .digest('hex');
    this.#held.set(key, { apiKey, endsAtMs: nowMs + LISTEN_KEY_MS });
    const [oldest] = this.#held.keys();
    if (this.#held.size > MAX_KEYS) this.#held.delete(oldest as string);
    return key;
  }

  /** @returns false when it has ended, or never was */
  extend(key: string, nowMs: number): boolean {
    const apiKey = this.ownerOf(key, nowMs);
    if (apiKey === undefined) return false;
    this.#held.set(key, { apiKey, endsAtMs: nowMs + LISTEN_KEY_MS });
    return true;
  }

  /** @returns as {@link extend} */
  drop(key: string, nowMs: number): boolean {
    const isThere = this.ownerOf(key, nowMs) !== undefined;
    this.#held.delete(key);
    return isThere;
  }

  /** Whose stream it opens; undefined for one that has ended, or never was. */
  ownerOf(key: string, nowMs: number): string | undefined {
    const held = this.#held.get(key);
    return held && nowMs < held.endsAtMs ? held.apiKey : undefined;
  }
}
