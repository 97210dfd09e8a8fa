/**
 * Following the log: pages from a position on, first what is there, then what comes.
 *
 * Pull-based: the next page is read when the reader asks for it, so one page is in memory and a slow reader holds
 * the source back; that is why pages are a generator and only the hints are an observable, which would not wait
 * for its reader. At the head it waits for a hint or the polling interval, whichever is first, and reads again;
 * a burst of hints during a read is one more read.
 *
 * The first read decides whether there is anything to follow: its failure is thrown, so that a wrong address or a
 * missing table shows at once. From then on the subscription outlives the database: a read that fails for a
 * reason that may pass is reported, retried with growing pauses and never ends the iteration; only a refusal
 * (a right that was withdrawn, a table that is gone) does.
 *
 * Each read begins at the last event that was handed out and must find it there. A database may come back from an
 * older backup while we wait for it; without this, its new events would lie before our place and be passed over.
 */
import type { Observable } from 'rxjs';
import type { Position } from '../../events/event.js';
import type { EventAt, EventsFrom, Page } from '../event-store.js';
import { LogChangedError } from '../log-changed-error.js';
import { HEARS_NOTHING, listenForAppends } from './append-listener.js';
import { isTransient } from './failure.js';
import { hangBell, retryPauseMs } from './waiting.js';

export interface Source {
  readPage(after: Position | undefined, limit: number, signal: AbortSignal): Promise<EventsFrom>;
  /** Where to LISTEN for appends; `undefined`: poll only. */
  readonly listen: { readonly connectionString: string } | undefined;
  /** Hears of each read that failed and will be retried, and of each LISTEN connection that was lost. */
  onRetry(error: Error): void;
}

export interface FollowOptions {
  readonly after: Position | undefined;
  readonly expecting?: EventAt | undefined;
  readonly signal: AbortSignal;
  readonly pageSize: number;
  readonly pollIntervalMs: number;
}

export interface Subscriptions {
  follow(options: FollowOptions): AsyncGenerator<Page, void, void>;
  /** Resolves when the LISTEN connection that they share is closed. Ends none of them: their signals do. */
  close(): Promise<void>;
}

export function openSubscriptions(source: Source): Subscriptions {
  const { hints, close } = source.listen
    ? listenForAppends(source.listen.connectionString, source.onRetry)
    : HEARS_NOTHING;
  return { follow: options => followPages(source, hints, options), close };
}

async function* followPages(
  source: Source,
  hints: Observable<void>,
  options: FollowOptions,
): AsyncGenerator<Page, void, void> {
  const { signal, pageSize, pollIntervalMs } = options;
  // Over before it began: nobody must start to listen for it.
  if (signal.aborted) return;
  const bell = hangBell(hints);
  try {
    let position = options.after;
    let last = options.expecting;
    let isFollowing = false;
    let failures = 0;
    // The reader knows that it is at the head: nothing new is nothing to tell.
    let isAtHead = false;
    while (!signal.aborted) {
      bell.reset();
      let read: EventsFrom;
      try {
        read = await source.readPage(last?.position ?? position, pageSize, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!isFollowing || !isTransient(error)) throw error;
        source.onRetry(error as Error);
        await bell.wait(retryPauseMs(++failures), signal);
        continue;
      }
      if (signal.aborted) return;
      if (last && read.at?.id !== last.id) throw new LogChangedError(last);
      isFollowing = true;
      failures = 0;
      const { events } = read;
      const caughtUp = events.length < pageSize;
      last = events.at(-1) ?? last;
      position = last?.position ?? position;
      if (events.length > 0 || !isAtHead) yield { events, position, caughtUp };
      isAtHead = caughtUp;
      if (caughtUp) await bell.wait(pollIntervalMs, signal);
    }
  } finally {
    bell.remove();
  }
}
