/**
 * One follower's connection: batches go out as fast as he takes them, and no faster.
 *
 * The next batch is asked for when the socket has taken the last, so what waits for a slow reader is one page, which he shares
 * with the others, and what his socket holds. One who takes nothing for {@link STALL_MS} is cut off; so is, by the feed
 * itself, who has fallen behind by more than its window. Either way he comes back with the last id he was sent.
 */
import type { ServerResponse } from 'node:http';
import type { FilteredBatch } from '../../feed/event-feed.js';
import { type Audience, frameOf, type Hits, heartbeat, OPENING } from './frames.js';
import { Outlet } from './outlet.js';
import type { FeedTimers } from './timers.js';

export const HEARTBEAT_MS = 15_000;

export interface FeedConnection {
  readonly response: ServerResponse;
  readonly audience: Audience;
  readonly hits?: Hits | undefined;
  /** Aborted when the connection ends, however it does. */
  readonly gone: AbortController;
  readonly timers: FeedTimers;
}

/** Resolves when the connection has ended; throws what the feed throws. */
export async function sendFeed(
  batches: AsyncIterator<FilteredBatch>,
  first: IteratorResult<FilteredBatch>,
  { response, audience, hits, gone, timers }: FeedConnection,
): Promise<void> {
  let token: string | undefined;
  const outlet = new Outlet({ response, gone: gone.signal, timers });
  const endHeartbeats = timers.every(HEARTBEAT_MS, () => {
    // Who still has to be given the last page need not be told that there is none.
    if (outlet.isIdle && token !== undefined) response.write(heartbeat(token));
  });
  try {
    await outlet.put(OPENING);
    for (let next = first; !next.done && !gone.signal.aborted; next = await batches.next()) {
      const batch = next.value;
      await outlet.put(frameOf(batch, audience, hits), batch.type === 'events' && batch.more);
      token = batch.token;
    }
    await outlet.put(undefined);
  } finally {
    endHeartbeats();
    gone.abort();
    await batches.return?.();
    response.end();
  }
}
