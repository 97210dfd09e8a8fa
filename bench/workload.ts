/**
 * A log as a busy installation writes it: ten thousand connectors, most events coalesced hits, about a quarter
 * syncs (each a new row of history as well), now and then a refusal, an invalidation, a failed sync and a
 * clean-up. The same on every run but for ids and the moment it ends at.
 */
import { randomUUID } from 'node:crypto';
import type { EventData } from '../src/events/catalogue.js';
import type { ConnectorRef } from '../src/events/connector.js';
import type { Fact, NewEvent } from '../src/events/event.js';
import { newEventId } from '../src/events/ids.js';
import { streamOf } from '../src/events/streams.js';
import { seededRandom } from '../src/exchanges/simulator/random.js';
import { connectorOf } from './states.js';

const TTL_MS = 900_000;
/** Ten thousand connectors that sync when a state of fifteen minutes ends make a sync each 90 ms. */
const EVENT_EVERY_MS = 22;
const CLEANUP_EVERY = 50_000;
const REFERENCE_CLOCK = 'pg:7400000000000000000:1';

/** Of the events that are not clean-ups; what is left over are hits. */
const SHARES = { sync: 0.24, refusal: 0.01, invalidation: 0.005, syncFailure: 0.005 };

type Sync = EventData['ConnectorSynced'];

export function createWorkload(options: { connectors: number; events: number; endsAtMs: number }) {
  const { connectors, events, endsAtMs } = options;
  const random = seededRandom(1);
  const latest = new Map<number, Sync>();
  const startsAtMs = endsAtMs - events * EVENT_EVERY_MS;

  function factAt(index: number, atMs: number): Fact {
    if (index % CLEANUP_EVERY === CLEANUP_EVERY - 1) {
      return { type: 'ExpiredStatesCleaned', data: { cutoff: atMs, by: 'bench' } };
    }
    const connector = Math.floor(random() * connectors);
    const ref = connectorOf(connector);
    const last = latest.get(connector);
    let draw = random();
    const isDrawn = (share: number) => {
      draw -= share;
      return draw < 0;
    };
    if (!last || isDrawn(SHARES.sync)) {
      const data = syncOf(ref, atMs, random);
      latest.set(connector, data);
      return { type: 'ConnectorSynced', data };
    }
    if (isDrawn(SHARES.refusal)) return refusalOf(ref, last, atMs);
    if (isDrawn(SHARES.invalidation)) return invalidationOf(ref, last);
    if (isDrawn(SHARES.syncFailure)) {
      const data = { ...ref, trigger: 'expired', failureClass: 'timeout', durationMs: 10_000 } as const;
      return { type: 'ConnectorSyncFailed', data };
    }
    const tier = random() < 0.5 ? 'memory' : 'postgres';
    const count = 1 + Math.floor(random() * 20);
    return { type: 'ConnectorStateHit', data: { ...ref, tier, count, firstAt: atMs - 900, lastAt: atMs } };
  }

  return {
    /** The event at a place in the log; to be called once for each, in order. */
    next(index: number): NewEvent {
      const atMs = startsAtMs + index * EVENT_EVERY_MS;
      const fact = factAt(index, atMs);
      return { ...fact, id: newEventId(), stream: streamOf(fact), occurredAt: atMs, host: 'bench/1' };
    },
  };
}

export function syncOf(ref: ConnectorRef, atMs: number, random: () => number): Sync {
  return {
    ...ref,
    syncId: randomUUID(),
    basis: 'measured',
    trigger: 'expired',
    offsetMs: 145 + random() * 10,
    uncertaintyMs: 20 + random() * 20,
    roundTripMs: 40 + random() * 40,
    samples: 1,
    referenceClock: REFERENCE_CLOCK,
    measuredAt: atMs,
    ttlMs: TTL_MS,
    ttlPolicy: 'fixed',
    ttlInputs: { ttlMs: TTL_MS },
  };
}

const refusalOf = (ref: ConnectorRef, { syncId, offsetMs, measuredAt }: Sync, atMs: number): Fact => ({
  type: 'ConnectorAuthFailed',
  data: {
    ...ref,
    exchangeCode: '10002',
    failureClass: 'timestamp',
    syncId,
    offsetMs,
    offsetAgeMs: atMs - measuredAt,
    referenceClock: REFERENCE_CLOCK,
    serverTimeMs: atMs,
  },
});

const invalidationOf = (ref: ConnectorRef, { syncId, measuredAt }: Sync): Fact => ({
  type: 'ConnectorStateInvalidated',
  data: {
    ...ref,
    reason: 'manual',
    by: 'bench',
    condemnedSyncId: syncId,
    condemnedMeasuredAt: measuredAt,
    referenceClock: REFERENCE_CLOCK,
  },
});
