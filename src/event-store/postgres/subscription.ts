/**
 * Following the log: pages from a position on, first what is there, then what comes.
 *
 * Pull-based: the next page is read when the reader asks for it, so one page is in memory and a slow reader holds
 * the source back. At the head it waits for the listener's bell or the polling interval, whichever is first,
 * and reads again; a burst of hints during a read is one more read.
 *
 * The first read decides whether there is anything to follow: its failure is thrown, so that a wrong address or a
 * missing table shows at once. From then on the subscription outlives the database: a read that fails for a
 * reason that may pass is reported, retried with growing pauses and never ends the iteration; only a refusal
 * (a right that was withdrawn, a table that is gone) does.
 */
import type { Position, StoredEvent } from '../../events/event.js';
import type { Page } from '../event-store.js';
import { isTransient } from './failure.js';
import { createBackoff, createBell } from './waiting.js';

export interface Source {
  readPage(after: Position | undefined, limit: number, signal: AbortSignal): Promise<readonly StoredEvent[]>;
  /** Calls back when there may be something new. @returns stops that */
  listen(onHint: () => void): () => void;
  /** A read failed and will be retried. */
  onRetry(error: Error): void;
}

export async function* followPages(
  source: Source,
  options: {
    readonly after: Position | undefined;
    readonly signal: AbortSignal;
    readonly pageSize: number;
    readonly pollIntervalMs: number;
  },
): AsyncGenerator<Page, void, void> {
  const { signal, pageSize, pollIntervalMs } = options;
  const bell = createBell();
  const backoff = createBackoff();
  const stopListening = source.listen(bell.ring);
  try {
    let position = options.after;
    let isFollowing = false;
    // The reader knows that it is at the head: nothing new is nothing to tell.
    let isAtHead = false;
    while (!signal.aborted) {
      bell.reset();
      let events: readonly StoredEvent[];
      try {
        events = await source.readPage(position, pageSize, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!isFollowing || !isTransient(error)) throw error;
        source.onRetry(error as Error);
        await bell.wait(backoff.nextMs(), signal);
        continue;
      }
      if (signal.aborted) return;
      isFollowing = true;
      backoff.reset();
      const caughtUp = events.length < pageSize;
      position = events.at(-1)?.position ?? position;
      if (events.length > 0 || !isAtHead) yield { events, position, caughtUp };
      isAtHead = caughtUp;
      if (caughtUp) await bell.wait(pollIntervalMs, signal);
    }
  } finally {
    stopListening();
  }
}
