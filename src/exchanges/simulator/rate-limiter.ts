/** Fixed windows, one count for each API key and one for everything unsigned. */
import type { RateLimit } from './knobs.js';

export interface Allowance {
  readonly isAllowed: boolean;
  readonly limit: number;
  readonly remaining: number;
  /** End of the window, by the clock that `nowMs` came from. */
  readonly resetsAtMs: number;
}

export interface RateLimiter {
  take(key: string, limit: RateLimit, nowMs: number): Allowance;
}

export function createRateLimiter(): RateLimiter {
  let window = Number.NaN;
  const used = new Map<string, number>();
  return {
    take(key, limit, nowMs) {
      const current = Math.floor(nowMs / limit.perMs);
      if (current !== window) {
        window = current;
        used.clear();
      }
      const count = (used.get(key) ?? 0) + 1;
      used.set(key, count);
      return {
        isAllowed: count <= limit.requests,
        limit: limit.requests,
        remaining: Math.max(0, limit.requests - count),
        resetsAtMs: (current + 1) * limit.perMs,
      };
    },
  };
}
