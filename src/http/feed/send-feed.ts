/**
 * One follower's connection: batches go out as fast as he takes them, and no faster.
 *
 * The next batch is asked for when the socket has taken the last, so what waits for a slow reader is one page, which he shares
 * with the others, and what his socket holds. One who takes nothing for {@link STALL_MS} is cut off; so is, by the feed
 * itself, who has fallen behind by more than its window. Either way he comes back with the last id he was sent.
 */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { FilteredBatch } from '../../feed/event-feed.js';
import { type Audience, frameOf, heartbeat, OPENING } from './frames.js';

export const HEARTBEAT_MS = 15_000;
export const STALL_MS = 30_000;

export interface FeedTimers {
  /** @returns what ends it */
  every(ms: number, tick: () => void): () => void;
  after(ms: number, fire: () => void): () => void;
}

export const systemTimers: FeedTimers = {
  every(ms, tick) {
    const timer = setInterval(tick, ms);
    return () => clearInterval(timer);
  },
  after(ms, fire) {
    const timer = setTimeout(fire, ms);
    return () => clearTimeout(timer);
  },
};

export interface FeedConnection {
  readonly response: ServerResponse;
  readonly audience: Audience;
  /** Aborted when the connection ends, however it does. */
  readonly gone: AbortController;
  readonly timers: FeedTimers;
}

/** Resolves when the connection has ended; throws what the feed throws. */
export async function sendFeed(
  batches: AsyncIterator<FilteredBatch>,
  first: IteratorResult<FilteredBatch>,
  { response, audience, gone, timers }: FeedConnection,
): Promise<void> {
  let token: string | undefined;
  let isStuck = false;
  const endHeartbeats = timers.every(HEARTBEAT_MS, () => {
    // Who still has to take the last page need not be told that there is none.
    if (!isStuck && token !== undefined) response.write(heartbeat(token));
  });
  async function send(chunk: string | Buffer): Promise<void> {
    if (response.write(chunk)) return;
    isStuck = true;
    const endPatience = timers.after(STALL_MS, () => response.destroy());
    try {
      await once(response, 'drain', { signal: gone.signal });
    } catch {
      // Gone meanwhile.
    } finally {
      isStuck = false;
      endPatience();
    }
  }
  try {
    await send(OPENING);
    for (let next = first; !next.done && !gone.signal.aborted; next = await batches.next()) {
      const frame = frameOf(next.value, audience);
      if (frame !== undefined) await send(frame);
      token = next.value.token;
    }
  } finally {
    endHeartbeats();
    gone.abort();
    await batches.return?.();
    response.end();
  }
}
