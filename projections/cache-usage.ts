/**
 * `cache_usage`: what the cache was good for, hour by hour.
 *
 * hit rate = hits / (hits + misses). A miss is a sync that had to be made because a lookup found nothing
 * usable; a sync after a refusal, a warm-up or a passive sample is none. Each row counts what happened in one
 * hour (by the store's clock) for one combination of exchange, environment, scope, machine (that recorded it, see
 * src/clock/machine.ts), tier, trigger and failure class, where '' means that this kind of event has no such thing.
 */
import { machineOf } from '../src/clock/machine.js';
import type { SyncTrigger } from '../src/events/catalogue.js';
import { scopeOf } from '../src/events/connector.js';
import type { KnownEvent } from '../src/events/event.js';
import type { Projection } from './projection.js';

export type CacheUsageRow = {
  /** Start of the hour. */
  readonly hour: number;
  readonly exchange: string;
  readonly environment: string;
  readonly scope: string;
  readonly machine: string;
  readonly tier: string;
  readonly syncTrigger: string;
  readonly failureClass: string;
  readonly hits: number;
  readonly misses: number;
  readonly syncs: number;
  readonly syncFailures: number;
  /** Signed requests that the exchange refused; what for, says the failure class. */
  readonly authFailures: number;
  readonly invalidations: number;
  /** Of the hits: with something past its end, or in doubt, that was still good enough. */
  readonly staleHits: number;
  /** Signed requests that came too late while the clock was right. */
  readonly lateRequests: number;
  /** Signed requests that the exchange did not say no to: nobody, or somebody else, answered. */
  readonly unreachable: number;
};

type Counter = Exclude<keyof CacheUsageRow, keyof ReturnType<typeof keyOf>>;

const HOUR_MS = 3_600_000;

const MISSES: readonly SyncTrigger[] = ['absent', 'expired', 'invalid', 'corrupt'];
const isMiss = (trigger: SyncTrigger) => MISSES.includes(trigger);

type Counted = Exclude<
  KnownEvent,
  {
    type:
      | 'ExpiredStatesCleaned'
      | 'ConnectorShadowed'
      | 'ExchangeEdgeMeasured'
      | 'WitnessDistrusted'
      | 'HitsForgotten';
  }
>;

/**
 * Taking over the shared clock is counted by the hit on tier `exchange-clock` that comes with it; what would have been
 * has a table of its own (shadow-outcome.ts).
 */
const isCounted = (event: KnownEvent): event is Counted =>
  event.type === 'ConnectorSynced'
    ? event.data.basis === 'measured'
    : event.type !== 'ExpiredStatesCleaned' &&
      event.type !== 'ConnectorShadowed' &&
      event.type !== 'ExchangeEdgeMeasured' &&
      event.type !== 'WitnessDistrusted' &&
      event.type !== 'HitsForgotten';

function keyOf(event: Counted) {
  const { recordedAt, host, data } = event;
  return {
    hour: Math.floor(recordedAt / HOUR_MS) * HOUR_MS,
    exchange: data.exchange,
    environment: data.environment,
    scope: scopeOf(data),
    machine: machineOf(host),
    tier: 'tier' in data ? data.tier : '',
    syncTrigger: 'trigger' in data ? data.trigger : '',
    failureClass: failureClassOf(event),
  };
}

/** Signed requests that failed without the exchange's having said no to the connector have a class of their own too. */
function failureClassOf({ type, data }: Counted): string {
  if (type === 'ConnectorRequestLate') return 'late';
  if (type === 'ExchangeUnreachable') return 'unreachable';
  return 'failureClass' in data ? data.failureClass : '';
}

const add = (row: CacheUsageRow, counter: Counter): CacheUsageRow => ({
  ...row,
  [counter]: row[counter] + 1,
});

const ZERO = {
  hits: 0,
  misses: 0,
  syncs: 0,
  syncFailures: 0,
  authFailures: 0,
  invalidations: 0,
  staleHits: 0,
  lateRequests: 0,
  unreachable: 0,
};

export const cacheUsage: Projection<CacheUsageRow> = {
  name: 'cache_usage',
  // 3: what cannot have come about is not folded (belief.ts). 4: late and unreachable are no failures to authenticate.
  // 5: by scope and machine.
  version: 5,
  table: {
    name: 'cache_usage',
    columns: {
      hour: 'timestamptz',
      exchange: 'text',
      environment: 'text',
      tier: 'text',
      syncTrigger: 'text',
      failureClass: 'text',
      hits: 'bigint',
      misses: 'bigint',
      syncs: 'bigint',
      syncFailures: 'bigint',
      authFailures: 'bigint',
      invalidations: 'bigint',
      staleHits: 'bigint',
      lateRequests: 'bigint',
      unreachable: 'bigint',
      scope: 'text',
      machine: 'text',
    },
    key: ['hour', 'exchange', 'environment', 'scope', 'machine', 'tier', 'syncTrigger', 'failureClass'],
  },
  handles: [
    'ConnectorSynced',
    'ConnectorSyncFailed',
    'ConnectorStateHit',
    'ConnectorAuthFailed',
    'ConnectorRequestLate',
    'ExchangeUnreachable',
    'ConnectorStateInvalidated',
  ],

  keyOf: event => (isCounted(event) ? keyOf(event) : undefined),

  evolve(row, event) {
    if (!isCounted(event)) return row;
    const before = row ?? { ...keyOf(event), ...ZERO };
    switch (event.type) {
      case 'ConnectorStateHit': {
        const { count, stale } = event.data;
        return {
          ...before,
          hits: before.hits + count,
          staleHits: before.staleHits + (stale ? count : 0),
        };
      }
      case 'ConnectorSynced':
      case 'ConnectorSyncFailed': {
        const after = add(before, event.type === 'ConnectorSynced' ? 'syncs' : 'syncFailures');
        return isMiss(event.data.trigger) ? add(after, 'misses') : after;
      }
      case 'ConnectorAuthFailed':
        return add(before, 'authFailures');
      case 'ConnectorRequestLate':
        return add(before, 'lateRequests');
      case 'ExchangeUnreachable':
        return add(before, 'unreachable');
      case 'ConnectorStateInvalidated':
        return add(before, 'invalidations');
    }
  },
};
