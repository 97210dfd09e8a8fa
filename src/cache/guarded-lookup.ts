/**
 * The lookup as the cache uses it: batched, with a deadline, behind a circuit breaker.
 *
 * The breaker stands around whole batches. When half of at least five queries within ten seconds failed or
 * ran out of time, the database is left alone for a while and every lookup is a miss at once; then one query
 * is let through to see. Without it a dead database would cost every init its deadline.
 */
import CircuitBreaker from 'opossum';
import type { Pool } from 'pg';
import type { Ending } from '../base/deadline.js';
import type { FirstConnection } from '../read-model/first-connection.js';
import { type LookupKey, type LookupReply, type LookupRow, lookup } from '../read-model/lookup.js';
import { type BatcherOptions, LookupBatcher } from './lookup-batcher.js';

const FAILURE_SHARE_PERCENT = 50;
const MIN_QUERIES = 5;
const WINDOW_MS = 10_000;

export type BreakerState = 'closed' | 'open' | 'half-open';

/** One key's share of a reply. */
export type LookupAnswer = LookupRow &
  Pick<LookupReply, 'clockId' | 'sample' | 'checkpoint' | 'head' | 'replica'>;

export interface Guarded<Key, Answer> {
  readonly batcher: LookupBatcher<Key, Answer>;
  breaker(): BreakerState;
  close(): void;
}
export type GuardedLookup = Guarded<LookupKey, LookupAnswer>;

/** @param query has no deadline of its own: the batch's signal ends it */
export function guard<Key, Answer>(
  query: (keys: readonly Key[], signal: Ending) => Promise<readonly Answer[]>,
  options: BatcherOptions & { readonly breakerResetMs: number },
): Guarded<Key, Answer> {
  const breaker = new CircuitBreaker<[readonly Key[], Ending], readonly Answer[]>(query, {
    // The batch has its own deadline, which also closes the connection.
    timeout: false,
    errorThresholdPercentage: FAILURE_SHARE_PERCENT,
    volumeThreshold: MIN_QUERIES,
    rollingCountTimeout: WINDOW_MS,
    resetTimeout: options.breakerResetMs,
    rollingPercentilesEnabled: false,
  });
  const batcher = new LookupBatcher<Key, Answer>((keys, signal) => breaker.fire(keys, signal), options);
  return {
    batcher,
    breaker: () => (breaker.opened ? 'open' : breaker.halfOpen ? 'half-open' : 'closed'),
    close: () => breaker.shutdown(),
  };
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
    readonly onReplica?: true;
    readonly from?: string;
    /** A connection that takes a lookup along; `undefined` where there is none. */
    readonly ride?: FirstConnection['ride'];
  },
): GuardedLookup {
  const { namedStatements, now, wall, onReplica, ride } = options;
  const ask = async (keys: readonly LookupKey[], signal: Ending) =>
    toAnswers(
      await (ride?.(keys, signal) ??
        lookup(pool, keys, { namedStatements, now, wall, signal, ...(onReplica && { onReplica }) })),
    );
  return guard(byHalves(ask), options);
}

/** untranslatable_character */
const NOT_IN_ITS_ENCODING = '22P05';

/**
 * A database that is not in UTF-8 refuses a statement with an id that its encoding has no letters for, and with it those of
 * others that went along. The one id is found by halves; it is not there, for it cannot be.
 */
const byHalves =
  (ask: (keys: readonly LookupKey[], signal: Ending) => Promise<LookupAnswer[]>) =>
  async (keys: readonly LookupKey[], signal: Ending): Promise<LookupAnswer[]> => {
    try {
      return await ask(keys, signal);
    } catch (error) {
      if ((error as { code?: unknown }).code !== NOT_IN_ITS_ENCODING) throw error;
    }
    if (keys.length === 1) return ask([{ ...(keys[0] as LookupKey), cacheKey: '' }], signal);
    const middle = Math.ceil(keys.length / 2);
    const halves = [keys.slice(0, middle), keys.slice(middle)];
    const [first, second] = await Promise.all(halves.map(half => byHalves(ask)(half, signal)));
    return [...(first ?? []), ...(second ?? [])];
  };

export const toAnswers = ({
  rows,
  clockId,
  sample,
  checkpoint,
  head,
  replica,
}: LookupReply): LookupAnswer[] =>
  rows.map(({ state, clock, eventId, order }) => ({
    state,
    clock,
    eventId,
    order,
    clockId,
    sample,
    checkpoint,
    head,
    replica,
  }));
