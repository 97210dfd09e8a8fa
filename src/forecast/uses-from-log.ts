/**
 * The uses of each connector as the log tells them: its hits, which say when the first and the last of a batch were, and the
 * measurements that were made because a lookup found nothing good. Hits that are forgotten teach nothing any more.
 */
import type { EventStore } from '../event-store/event-store.js';
import type { SyncTrigger } from '../events/catalogue.js';
import { cacheKeyOf, scopeOf } from '../events/connector.js';
import type { Position, StoredEvent } from '../events/event.js';
import type { Uses } from './backtest.js';

const COLD: readonly SyncTrigger[] = ['absent', 'expired', 'invalid', 'corrupt'];
const PAGE_SIZE = 1_000;
/** About 80 MB. Beyond it the oldest connectors' uses are not the question any more: a shorter span is. */
const MOST_USES = 10_000_000;

export interface LogUses {
  /** One entry a connector. */
  readonly uses: readonly Uses[];
  readonly total: number;
  /** There were more; what was read last is missing. */
  readonly isTruncated: boolean;
}

/** @param options.sinceMs epoch milliseconds. @throws whatever the store throws */
export async function usesFromLog(
  store: Pick<EventStore, 'readAll'>,
  { sinceMs = 0, signal }: { readonly sinceMs?: number; readonly signal?: AbortSignal },
): Promise<LogUses> {
  const found = new Map<string, number[]>();
  let total = 0;
  let after: Position | undefined;
  while (total < MOST_USES) {
    signal?.throwIfAborted();
    const page = await store.readAll({ after, limit: PAGE_SIZE });
    for (const event of page) {
      for (const atMs of usesIn(event)) {
        if (atMs < sinceMs) continue;
        const key = keyOf(event);
        const times = found.get(key);
        if (times) times.push(atMs);
        else found.set(key, [atMs]);
        total += 1;
      }
    }
    after = page.at(-1)?.position;
    if (page.length < PAGE_SIZE) break;
  }
  const uses = [...found.values()].map(times => times.sort((a, b) => a - b));
  return { uses, total, isTruncated: total >= MOST_USES };
}

function usesIn(event: StoredEvent): readonly number[] {
  if (event.decoded !== 'known') return [];
  if (event.type === 'ConnectorStateHit') {
    const { firstAt, lastAt, count } = event.data;
    return count > 1 && lastAt > firstAt ? [firstAt, lastAt] : [lastAt];
  }
  const isCold = event.type === 'ConnectorSynced' && COLD.includes(event.data.trigger);
  return isCold ? [event.data.measuredAt] : [];
}

function keyOf(event: StoredEvent): string {
  if (event.decoded !== 'known' || !('userId' in event.data)) return event.stream;
  return `${cacheKeyOf(event.data)} ${event.data.exchange} ${event.data.environment} ${scopeOf(event.data)}`;
}
