/**
 * The lookup as the cache uses it: batched, with a deadline, behind a circuit breaker.
 *
 * The breaker stands around whole batches. When half of at least five queries within ten seconds failed or
 * ran out of time, the database is left alone for a while and every lookup is a miss at once; then one query
 * is let through to see. Without it a dead database would cost every init its deadline.
 */
import CircuitBreaker from 'opossum';
import type { Pool } from 'pg';
import { type LookupKey, type LookupReply, lookup } from '../read-model/lookup.js';
import { LookupBatcher } from './lookup-batcher.js';

const FAILURE_SHARE_PERCENT = 50;
const MIN_QUERIES = 5;
const WINDOW_MS = 10_000;

export type BreakerState = 'closed' | 'open' | 'half-open';

export interface GuardedLookup {
  readonly batcher: LookupBatcher;
  breaker(): BreakerState;
  close(): void;
}

export function createGuardedLookup(
  pool: Pool,
  options: {
    readonly deadlineMs: number;
    readonly breakerResetMs: number;
    readonly maxInFlight: number;
    readonly namedStatements: boolean;
    readonly now: () => number;
    readonly wall: () => number;
  },
): GuardedLookup {
  const { namedStatements, now, wall } = options;
  const breaker = new CircuitBreaker<[readonly LookupKey[], AbortSignal], LookupReply>(
    (keys, signal) => lookup(pool, keys, { namedStatements, now, wall, signal }),
    {
      // The batch has its own deadline, which also closes the connection.
      timeout: false,
      errorThresholdPercentage: FAILURE_SHARE_PERCENT,
      volumeThreshold: MIN_QUERIES,
      rollingCountTimeout: WINDOW_MS,
      resetTimeout: options.breakerResetMs,
      rollingPercentilesEnabled: false,
    },
  );
  const batcher = new LookupBatcher((keys, signal) => breaker.fire(keys, signal), {
    deadlineMs: options.deadlineMs,
    maxInFlight: options.maxInFlight,
  });
  return {
    batcher,
    breaker: () => (breaker.opened ? 'open' : breaker.halfOpen ? 'half-open' : 'closed'),
    close: () => breaker.shutdown(),
  };
}
