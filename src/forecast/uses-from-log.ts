/**
 * The uses of each connector as the log tells them: its hits, which say when the first and the last of a batch were, and the
 * measurements that were made because a lookup found nothing good. Hits that are forgotten teach nothing any more.
 */
import type { EventStore } from '../event-store/event-store.js';
import { cacheKeyOf } from '../events/connector.js';
import type { Position } from '../events/event.js';
import { type Uses, usesIn } from '../events/uses.js';
import type { Uses as UseTimes } from './backtest.js';

const PAGE_SIZE = 1_000;
/** About 80 MB. Beyond it the oldest connectors' uses are not the question any more: a shorter span is. */
const MOST_USES = 10_000_000;

export interface LogUses {
  /** One entry a connector. */
  readonly uses: readonly UseTimes[];
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
      const uses = event.decoded === 'known' ? usesIn(event) : undefined;
      if (!uses) continue;
      const key = keyOf(uses);
      for (const atMs of timesIn(uses)) {
        if (atMs < sinceMs) continue;
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

function timesIn(uses: Uses): readonly number[] {
  const { count, firstAt, lastAt } = uses;
  return count > 1 && lastAt > firstAt ? [firstAt, lastAt] : [lastAt];
}

const keyOf = ({ ref }: Uses): string => `${cacheKeyOf(ref)} ${ref.exchange} ${ref.environment} ${ref.scope}`;
