/**
 * Processes that record, as the product does: a recorder, the outbox, the event store behind it; and what they were told
 * was stored.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Pool } from 'pg';
import { silentLogger } from '../../src/base/logging.js';
import { Recorder } from '../../src/cache/recorder.js';
import { createEventStoreDbStore } from '../../src/event-store/eventstoredb/index.js';
import { withOutbox } from '../../src/event-store/outbox/index.js';
import type { EventData } from '../../src/events/catalogue.js';
import type { ConnectorRef } from '../../src/events/connector.js';
import type { Fact, NewEvent } from '../../src/events/event.js';
import { newEventId } from '../../src/events/ids.js';
import type { Random } from '../../src/exchanges/simulator/random.js';
import { authFailed, cleaned, invalidated, synced, syncFailed } from '../support/facts.js';

export interface Writer {
  readonly recorder: Recorder;
  /** In the order of the acknowledgements. */
  readonly acknowledged: readonly NewEvent[];
  /** Of those, how many were put into the outbox, */
  waited(): number;
  /** and how many the event store took. */
  direct(): number;
  /** Records and flushes until told to stop, and then flushes what is left. */
  write(random: Random, load: Load): Promise<void>;
  close(): Promise<void>;
}

/** What the writers are to do. */
export interface Load {
  /** Nobody records for the moment. */
  isHeld: boolean;
  isOver: boolean;
}

export interface WriterOptions {
  readonly name: string;
  readonly eventStoreUrl: string;
  /** Of the database with the outbox. */
  readonly pool: Pool;
  /** After which a fact waits in the outbox instead. */
  readonly appendTimeoutMs: number;
}

/**
 * Connectors come and go, and several writers have the same ones at a time: so no stream grows for as long as the test
 * runs, for a process that is new to a stream reads its last ten minutes before it appends.
 */
const CONNECTORS_AT_A_TIME = 6;
const FACTS_A_CONNECTOR = 20;

const LONGEST_BURST = 6;
const LONGEST_PAUSE_MS = 100;
const PAUSE_AFTER_FAILURE_MS = 5;

export function createWriter({ name, eventStoreUrl, pool, appendTimeoutMs }: WriterOptions): Writer {
  const store = withOutbox(createEventStoreDbStore({ url: eventStoreUrl }), {
    pool,
    log: silentLogger,
    appendTimeoutMs,
  });
  const acknowledged: NewEvent[] = [];
  let waited = 0;
  const recorder = new Recorder({
    store: async () => ({
      async append(events) {
        const result = await store.append(events);
        acknowledged.push(...events);
        waited += result.waiting ?? 0;
        return result;
      },
    }),
    newId: async () => newEventId,
    maxPending: 100_000,
    // No flush but those asked for.
    flushIntervalMs: 600_000,
    host: `${name}/1`,
    wall: Date.now,
    log: silentLogger,
  });
  return {
    recorder,
    acknowledged,
    waited: () => waited,
    direct: () => acknowledged.length - waited,
    async write(random, load) {
      const lastSyncs: LastSyncs = new Map();
      while (!load.isOver || recorder.stats().pending > 0) {
        const isResting = load.isOver || load.isHeld;
        for (let left = isResting ? 0 : 1 + Math.floor(random() * LONGEST_BURST); left > 0; left--)
          recordOne(recorder, lastSyncs, random);
        const { ok } = await recorder.flush();
        await pause(ok ? random() * LONGEST_PAUSE_MS : PAUSE_AFTER_FAILURE_MS);
      }
    },
    async close() {
      await recorder.close(1_000);
      await store.close();
    },
  };
}

/** What this writer measured last, by credential. */
type LastSyncs = Map<string, EventData['ConnectorSynced']>;

const connectorOf = (number: number): ConnectorRef => ({
  userId: `user${number % 3}`,
  credentialId: `credential${number}`,
  exchange: number % 2 ? 'BYBIT' : 'BINGX',
  environment: 'TESTNET',
});

/** Of every kind, so that an event lost, doubled or out of order shows in the rows. */
function recordOne(recorder: Recorder, lastSyncs: LastSyncs, random: Random): void {
  const first = Math.floor(recorder.stats().recorded / FACTS_A_CONNECTOR);
  const connector = connectorOf(first + Math.floor(random() * CONNECTORS_AT_A_TIME));
  const last = lastSyncs.get(connector.credentialId);
  const pick = random();
  if (!last || pick < 0.3) {
    const measuredAt = Date.now();
    const offsetMs = Math.round(random() * 4_000) / 10 - 200;
    const { data } = synced({ ...connector, measuredAt, offsetMs, syncId: randomUUID() }) as Extract<
      NewEvent,
      { type: 'ConnectorSynced' }
    >;
    lastSyncs.set(connector.credentialId, data);
    recorder.record({ type: 'ConnectorSynced', data });
  } else if (pick < 0.7) {
    recorder.recordHit(connector, random() < 0.5 ? 'memory' : 'postgres');
  } else if (pick < 0.8) {
    recorder.record(factOf(syncFailed({ ...connector, durationMs: Math.round(random() * 5_000) })));
  } else if (pick < 0.9) {
    recorder.record(factOf(authFailed({ ...connector })));
  } else if (pick < 0.98) {
    const { syncId, measuredAt, referenceClock } = last;
    recorder.record(
      factOf(
        invalidated({
          ...connector,
          condemnedSyncId: syncId,
          condemnedMeasuredAt: measuredAt,
          referenceClock,
        }),
      ),
    );
  } else {
    recorder.record(factOf(cleaned({ cutoff: Date.now() - 60_000 })));
  }
}

const factOf = ({ type, data }: NewEvent): Fact => ({ type, data }) as Fact;
