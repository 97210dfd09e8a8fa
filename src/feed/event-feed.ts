/**
 * The live feed: every fact, in the log's order, from any place on, as an async iterable or an rxjs Observable.
 *
 * A process reads the log once, however many follow it (tail.ts); what each is given he may filter. Every event comes
 * with a token, from which the feed goes on later, also in another process. Where it cannot, because the log is
 * not the one that was read, a `reset` says so before anything else; nothing is ever passed over in silence.
 */
import { Observable } from 'rxjs';
import { ConnectorStateError, InvalidInputError } from '../base/errors.js';
import { shown } from '../base/shown.js';
import type { EventStore } from '../event-store/event-store.js';
import type { Position, StoredEvent } from '../events/event.js';
import { decodeToken, type FeedPlace, isPosition, THE_BEGINNING } from '../events/place-token.js';
import { createFilter, type FeedFilter, type WantsEvent } from './feed-filter.js';
import {
  type CutOffReason,
  type FeedBatch,
  follow,
  type Gather,
  type ResetReason,
  tokenAt,
  tokenOfLast,
} from './follow.js';
import type { EventPage } from './live-window.js';
import { createTail } from './tail.js';

export type FeedMessage =
  | { readonly type: 'event'; readonly event: StoredEvent; readonly token: string }
  /** How far he has come whose filter let nothing pass at the end of a page. */
  | { readonly type: 'progress'; readonly token: string }
  /** Nothing more for now: what follows is live. */
  | { readonly type: 'caught-up'; readonly token: string }
  /**
   * The log is not the one that was read before; what follows is from its beginning (or its end, as asked for). Whatever was
   * made of earlier events has to be made anew.
   */
  | { readonly type: 'reset'; readonly reason: ResetReason; readonly token: string }
  /** The last message: go on later from `token`. */
  | { readonly type: 'cut-off'; readonly reason: CutOffReason; readonly token: string };

export interface FeedOptions {
  /**
   * `beginning`, `end` (default: what comes from now on), a token of an earlier message, or a position that an append
   * returned (whose log is not checked).
   */
  readonly from?: string | undefined;
  readonly filter?: FeedFilter | undefined;
  /** Where to go on after a reset. Default `beginning`. */
  readonly afterReset?: 'beginning' | 'end' | undefined;
  /** Ends it without an error. */
  readonly signal?: AbortSignal | undefined;
}

export interface BatchOptions extends FeedOptions {
  /** Left out: what comes is handed out as it comes. */
  readonly gather?: Gather | undefined;
}

/** Pages as they are shared by all followers, for who writes them out many times over. */
export type FilteredBatch =
  | Exclude<FeedBatch, { type: 'events' }>
  | {
      readonly type: 'events';
      /** What was read, unfiltered. */
      readonly page: EventPage;
      /** Which of it is wanted; `undefined`: all. */
      readonly wants: WantsEvent | undefined;
      readonly log: string | undefined;
      /** There is another already: what is made of this one need not go out by itself. */
      readonly more: boolean;
      /** The place behind the whole page. */
      readonly token: string;
    };

export interface EventFeed {
  /**
   * @example
   * for await (const message of feed.follow({ from: 'beginning', filter: { exchange: 'BYBIT' } })) {
   *   if (message.type === 'event') console.log(message.event.type, message.token);
   * }
   * @throws InvalidInputError for a bad place or filter, at once; ConnectorStateError `EVENT_STORE_FAILED`, `CLOSED` while
   *   it is iterated
   */
  follow(options?: FeedOptions): AsyncIterable<FeedMessage>;
  /**
   * The same as an Observable, each subscription a follower of its own. It does not wait for its subscribers: what they do
   * with an event takes place before the next.
   * @example
   * feed.observe({ filter: { types: ['ConnectorAuthFailed'] } }).subscribe(message => …);
   */
  observe(options?: Omit<FeedOptions, 'signal'>): Observable<FeedMessage>;
  /** The same a page at a time. */
  batches(options?: BatchOptions): AsyncIterable<FilteredBatch>;
  /** How many follow now. */
  readonly followers: number;
  /** Everybody is cut off, with the place to go on from elsewhere. */
  close(): Promise<void>;
}

export interface EventFeedOptions {
  readonly store: EventStore;
  /** How many events a follower of the live end may fall behind before he is cut off, 1 and up. Default 10 000. */
  readonly windowEvents?: number;
  /** Events a page, 1–10 000. Default 500. */
  readonly pageSize?: number;
}

const DEFAULT_WINDOW_EVENTS = 10_000;
const DEFAULT_PAGE_SIZE = 500;

export function createEventFeed(options: EventFeedOptions): EventFeed {
  const { store, windowEvents = DEFAULT_WINDOW_EVENTS, pageSize = DEFAULT_PAGE_SIZE } = options;
  const tail = createTail({ store, windowEvents, pageSize });
  const parts = { store, tail };

  const batches: EventFeed['batches'] = ({
    from = 'end',
    filter,
    afterReset = 'beginning',
    signal,
    gather,
  } = {}) => {
    const wants = createFilter(filter);
    const place = parseFrom(from);
    if (afterReset !== 'beginning' && afterReset !== 'end') {
      throw new InvalidInputError(`afterReset must be "beginning" or "end", got ${shown(afterReset)}`);
    }
    if (tail.isClosed()) throw new ConnectorStateError('CLOSED', 'the event feed is closed');
    return filtered(follow(parts, { from: place, afterReset, signal: signal ?? NEVER, gather }), wants);
  };
  const feed: EventFeed = {
    batches,
    follow: followOptions => oneByOne(batches(followOptions)),
    observe: followOptions =>
      new Observable<FeedMessage>(subscriber => {
        const stop = new AbortController();
        const messages = feed.follow({ ...followOptions, signal: stop.signal });
        void (async () => {
          for await (const message of messages) {
            if (subscriber.closed) return;
            subscriber.next(message);
          }
          subscriber.complete();
        })().catch(error => subscriber.error(error));
        return () => stop.abort();
      }),
    get followers() {
      return tail.followers();
    },
    close: () => tail.close(),
  };
  return feed;
}

const NEVER = new AbortController().signal;

/** @throws InvalidInputError */
function parseFrom(from: string): FeedPlace | 'end' {
  if (from === 'end') return 'end';
  if (from === 'beginning') return THE_BEGINNING;
  if (typeof from === 'string' && isPosition(from)) {
    return {
      log: undefined,
      at: { position: from as Position, tail: undefined },
      isHit: false,
      anchor: undefined,
    };
  }
  return decodeToken(String(from));
}

async function* filtered(
  source: AsyncGenerator<FeedBatch, void, void>,
  wants: WantsEvent | undefined,
): AsyncGenerator<FilteredBatch, void, void> {
  for await (const batch of source) {
    if (batch.type !== 'events') yield batch;
    else yield { ...batch, wants, token: tokenOfLast(batch.page, batch.log) };
  }
}

async function* oneByOne(source: AsyncIterable<FilteredBatch>): AsyncGenerator<FeedMessage, void, void> {
  for await (const batch of source) {
    if (batch.type !== 'events') {
      yield batch;
      continue;
    }
    const { page, wants, log } = batch;
    for (let i = 0; i < page.length; i++) {
      const event = page[i] as StoredEvent;
      if (wants && !wants(event)) continue;
      yield { type: 'event', event, token: tokenAt(page, i, log) };
    }
    if (wants && !wants(page.at(-1) as StoredEvent)) yield { type: 'progress', token: batch.token };
  }
}
