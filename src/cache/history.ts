/**
 * The audit trail of one connector, and its state as it was at any time: both read from the events, not from
 * the read tables, so they also answer for what has been replaced or cleaned up since.
 */
import type { ConnectorStateRow } from '../../projections/connector-state-cache.js';
import type { EventStore } from '../event-store/event-store.js';
import type { CredentialRef } from '../events/connector.js';
import type { KnownEvent, StoredEvent } from '../events/event.js';
import { hitsStreamOf, stateStreamOf } from '../events/streams.js';
import type { HistoryPage } from './history-page.js';

export type HistoryEntry = StoredEvent;

const PAGE = 1_000;

/** Both streams of the connector in the store's order, oldest first. */
export async function readHistory(store: EventStore, credential: CredentialRef): Promise<HistoryEntry[]> {
  const streams = [stateStreamOf(credential), hitsStreamOf(credential)];
  const events = (await Promise.all(streams.map(stream => readWholeStream(store, stream)))).flat();
  return events.sort((a, b) => store.compare(a.position, b.position));
}

/** Page after page, until there is none; the next is read when its first event is wanted. */
export async function* eachOf(
  readPage: (cursor: string | undefined) => Promise<HistoryPage>,
): AsyncGenerator<HistoryEntry, void, void> {
  let next: string | undefined;
  do {
    const page: HistoryPage = await readPage(next);
    yield* page.events;
    next = page.next;
  } while (next !== undefined);
}

async function readWholeStream(store: EventStore, stream: string): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for (;;) {
    const page = await store.readStream(stream, { fromVersion: events.length + 1, limit: PAGE });
    events.push(...page);
    if (page.length < PAGE) return events;
  }
}

/** A connector's state at some past time, as the read table would have shown it; offsets in milliseconds. */
export interface StateAt
  extends Pick<
    ConnectorStateRow,
    | 'syncId'
    | 'exchange'
    | 'environment'
    | 'timeOffset'
    | 'uncertaintyMs'
    | 'referenceClock'
    | 'lastSyncTime'
    | 'expiresAt'
    | 'isValid'
    | 'invalidReason'
    | 'hitCount'
  > {
  /** Valid and not expired at that time. */
  readonly isUsable: boolean;
}

/** Folds what had been recorded by `timeMs` (epoch ms, the store's clock) with the projection of the read table. */
export async function stateAtTime(
  history: readonly HistoryEntry[],
  timeMs: number,
): Promise<StateAt | undefined> {
  const { connectorStateCache } = await import('../../projections/connector-state-cache.js');
  const { whyUnbelievable } = await import('../../projections/belief.js');
  const evolved = (before: ConnectorStateRow | undefined, event: KnownEvent) => {
    if (whyUnbelievable(event) !== undefined) return before;
    try {
      return connectorStateCache.evolve(before, event);
    } catch {
      // A dead letter of the projection: it left the row as it was.
      return before;
    }
  };
  let row: ConnectorStateRow | undefined;
  for (const event of history) {
    if (event.recordedAt > timeMs) break;
    if (event.decoded === 'known') row = evolved(row, event);
  }
  if (!row) return undefined;
  const { syncId, exchange, environment, timeOffset, uncertaintyMs, referenceClock, lastSyncTime } = row;
  const { expiresAt, isValid, invalidReason, hitCount } = row;
  return {
    syncId,
    exchange,
    environment,
    timeOffset,
    uncertaintyMs,
    referenceClock,
    lastSyncTime,
    expiresAt,
    isValid,
    invalidReason,
    hitCount,
    isUsable: isValid && expiresAt > timeMs,
  };
}
