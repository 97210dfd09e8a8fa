/**
 * How often an address may be wrong about who it is: so many tokens a minute that nobody knows, then 429 for what is left of it.
 *
 * A key's 256 bits are not guessed; but each wrong token costs a look into the database or a signature's check. Behind a
 * proxy many callers have one address, so whoever was let in before goes on being let in while his address is shut: only
 * tokens that have never been good here have to wait. A request without a token is no attempt.
 */
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { HttpProblem } from '../problem.js';
import type { Authenticator } from './authentication.js';

export interface FailureLimitOptions {
  /** Milliseconds of a clock that does not step. */
  readonly nowMs: () => number;
  /** Default 30. */
  readonly failuresPerMinute?: number;
}

interface Failures {
  count: number;
  readonly untilMs: number;
}

const FAILURES_PER_MINUTE = 30;
const MINUTE_MS = 60_000;
/** Counted at once; the least recent is forgotten first. */
const ADDRESSES = 20_000;
const GOOD_TOKENS = 10_000;

export function limitFailures(
  inner: Authenticator,
  { nowMs, failuresPerMinute = FAILURES_PER_MINUTE }: FailureLimitOptions,
): Authenticator {
  const failures = new LRUCache<string, Failures>({ max: ADDRESSES });
  /** By their digests, for this outlives the requests. */
  const good = new LRUCache<string, true>({ max: GOOD_TOKENS });

  function failed(address: string): void {
    const known = failures.get(address);
    if (known && known.untilMs > nowMs()) known.count += 1;
    else failures.set(address, { count: 1, untilMs: nowMs() + MINUTE_MS });
  }

  return {
    async authenticate(request) {
      const { authorization } = request.headers;
      if (authorization === undefined) return inner.authenticate(request);
      const token = createHash('sha256').update(authorization).digest('base64');
      const known = failures.get(request.ip);
      const leftMs = known && known.count >= failuresPerMinute ? known.untilMs - nowMs() : 0;
      if (leftMs > 0 && !good.has(token)) {
        throw new HttpProblem(
          429,
          'TOO_MANY_REQUESTS',
          `${failuresPerMinute} tokens that nobody knows came from this address within a minute`,
          { retryAfterSeconds: Math.ceil(leftMs / 1_000) },
        );
      }
      const principal = await inner.authenticate(request);
      if (principal) {
        good.set(token, true);
        return principal;
      }
      good.delete(token);
      failed(request.ip);
      return undefined;
    },
    async close() {
      await inner.close?.();
    },
  };
}
