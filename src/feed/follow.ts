/**
 * One follower's way: from where he stood, through what lies before the window, into it, and along with it.
 *
 *   resume ──is the log the one he read?──no──► reset, and from the log's beginning (or end)
 *      │ yes
 *   before the window ──page by page──► in the window ──► waits at its end
 *                                          │ his place is gone from it: too slow
 *                                          └──► cut off, with the last place he was given
 *
 * Pull-based: the next page is looked for when the one before was taken.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { ConnectorStateError } from '../base/errors.js';
import type { EventAt, EventStore, EventsFrom } from '../event-store/event-store.js';
import { LogChangedError } from '../event-store/log-changed-error.js';
import type { Position } from '../events/event.js';
import {
  encodeToken,
  type FeedPlace,
  placeAt,
  placeOf,
  THE_BEGINNING,
  tailOf,
} from '../events/place-token.js';
import { isForgettable } from '../events/streams.js';
import type { EventPage, LiveWindow } from './live-window.js';
import type { PageReader } from './shared-reads.js';
import type { Tail, TailOfProcess } from './tail.js';

/**
 * Why a follower cannot go on where he stood: `other-log`: another log lies behind the address, or it was emptied;
 * `older-log`: it ends before that place, as after a restore; `other-past`: another event lies there.
 */
export type ResetReason = 'other-log' | 'older-log' | 'other-past';
/** `slow`: fell behind by more than the window; `closing`: this process ends. */
export type CutOffReason = 'slow' | 'closing';

export type FeedBatch =
  /** One after the other; shared with other followers, and never changed. */
  | {
      readonly type: 'events';
      readonly page: EventPage;
      readonly log: string | undefined;
      /** There is another already. */
      readonly more: boolean;
    }
  /** The end of the log, for now. Once, and again after a reset. */
  | { readonly type: 'caught-up'; readonly token: string }
  | { readonly type: 'reset'; readonly reason: ResetReason; readonly token: string }
  /** The last. */
  | { readonly type: 'cut-off'; readonly reason: CutOffReason; readonly token: string };

/**
 * How long a follower of the live end lets news wait: he is woken by the first, and takes what has come when this resolves.
 * @param enough so much has come that he must not wait any longer
 */
export type Gather = (enough: Promise<void>, signal: AbortSignal) => Promise<void>;

export interface FollowParts {
  readonly store: EventStore;
  readonly tail: TailOfProcess;
}

export interface FollowFrom {
  readonly from: FeedPlace | 'end';
  readonly afterReset: 'beginning' | 'end';
  readonly gather?: Gather | undefined;
  readonly signal: AbortSignal;
}

/** How long after a read that failed the next is tried, and how often in a row. */
const RETRY_PAUSE_MS = 500;
const MAX_RETRIES = 20;

/** @throws what the store throws at the first read, and later what does not pass by itself */
export async function* follow(
  parts: FollowParts,
  options: FollowFrom,
): AsyncGenerator<FeedBatch, void, void> {
  const { tail: tailOfProcess } = parts;
  const { afterReset } = options;
  let from: FeedPlace | 'end' = options.from;
  let reason: ResetReason | undefined;
  for (;;) {
    if (tailOfProcess.isClosed()) throw new ConnectorStateError('CLOSED', 'the event feed is closed');
    const tail = await tailOfProcess.join();
    const reader = tail.reads.open();
    try {
      const way = new Way(parts, tail, reader, from, options);
      if (reason !== undefined) yield { type: 'reset', reason, token: way.token };
      reason = yield* way.run();
      if (reason === undefined) return;
      from = afterReset === 'end' ? 'end' : THE_BEGINNING;
    } finally {
      reader.close();
      tailOfProcess.leave();
    }
  }
}

class Way {
  readonly #parts: FollowParts;
  readonly #tail: Tail;
  readonly #window: LiveWindow;
  readonly #reader: PageReader;
  readonly #from: FeedPlace | 'end';
  readonly #signal: AbortSignal;
  readonly #gather: Gather | undefined;
  /** The last event that was handed out or passed over. */
  #last: (EventAt & { readonly isHit: boolean }) | undefined;
  #position: Position | undefined;
  #token: string;

  constructor(
    parts: FollowParts,
    tail: Tail,
    reader: PageReader,
    from: FeedPlace | 'end',
    { signal, gather }: FollowFrom,
  ) {
    this.#parts = parts;
    this.#tail = tail;
    this.#window = tail.window;
    this.#reader = reader;
    this.#from = from;
    this.#signal = signal;
    this.#gather = gather;
    const last = tail.last();
    this.#position = from === 'end' ? last?.position : from.at?.position;
    this.#token = encodeToken(from === 'end' ? endOf(tail.log(), last) : from);
  }

  /** Behind what was handed out last. */
  get token(): string {
    return this.#token;
  }

  async *run(): AsyncGenerator<FeedBatch, ResetReason | undefined, void> {
    const start = await this.#begin();
    if (start !== undefined) return start;
    const changed = yield* this.#catchUp();
    if (changed !== undefined) return changed;
    // From here on he holds nobody up who still reads.
    this.#reader.close();
    if (this.#signal.aborted) return undefined;
    return yield* this.#goAlong();
  }

  /** Whether the log is the one that the token is of. */
  async #begin(): Promise<ResetReason | undefined> {
    const from = this.#from;
    if (from === 'end') return undefined;
    const { at, log, isHit, anchor } = from;
    if (!at) return undefined;
    const { store } = this.#parts;
    if (!at.position.startsWith(`${store.name}/`)) return 'other-log';
    const here = this.#tail.log();
    if (log !== undefined && log !== here) return 'other-log';
    const known = this.#window.eventAt(at.position);
    // As a write returns it: which event lies there is not told, but that one did. Waited for, all until then would be passed over.
    if (at.tail === undefined) return known || !(await this.#isBeyond(at.position)) ? undefined : 'older-log';
    if (known) return tailOf(known.id) === at.tail ? undefined : 'other-past';
    const found = (await this.#reader.after(at.position)).at;
    if (found) return tailOf(found.id) === at.tail ? undefined : 'other-past';
    if (await this.#isBeyond(at.position)) return 'older-log';
    if (!isHit) return 'other-past';
    if (!anchor) return undefined;
    const kept = (await this.#reader.after(anchor.position)).at;
    return kept && tailOf(kept.id) === anchor.tail ? undefined : 'other-past';
  }

  async #isBeyond(position: Position): Promise<boolean> {
    const { store } = this.#parts;
    return store.compare((await store.last())?.position, position) < 0;
  }

  async *#catchUp(): AsyncGenerator<FeedBatch, ResetReason | undefined, void> {
    let failures = 0;
    while (!this.#signal.aborted && !this.#window.covers(this.#position)) {
      let read: EventsFrom;
      try {
        read = await this.#reader.after(this.#position);
        failures = 0;
      } catch (error) {
        const mayPass = (error as { transient?: boolean }).transient === true;
        if (!this.#last || !mayPass || ++failures > MAX_RETRIES) throw error;
        await delay(RETRY_PAUSE_MS, undefined, { signal: this.#signal }).catch(() => undefined);
        continue;
      }
      const last = this.#last;
      if (last && read.at?.id !== last.id && !(last.isHit && !read.at)) return 'other-past';
      if (read.events.length > 0) yield* this.#handOut(read.events);
      // Hits that were forgotten lay between; the window begins behind them.
      else this.#position = this.#window.start;
    }
    return undefined;
  }

  async *#goAlong(): AsyncGenerator<FeedBatch, ResetReason | undefined, void> {
    const window = this.#window;
    const entered = window.enter(this.#position);
    let next = entered.next;
    if (entered.rest.length > 0) yield* this.#handOut(entered.rest);
    let hasCaughtUp = false;
    while (!this.#signal.aborted) {
      const page = window.page(next);
      if (page === 'gone') {
        yield { type: 'cut-off', reason: 'slow', token: this.#token };
        return undefined;
      }
      if (page) {
        next += 1;
        const behind = this.#behind(page);
        if (behind.length > 0) yield* this.#handOut(behind, window.page(next) !== undefined);
        continue;
      }
      if (!hasCaughtUp) {
        hasCaughtUp = true;
        yield { type: 'caught-up', token: this.#token };
        continue;
      }
      const ended = this.#tail.ended();
      if (ended) return yield* this.#tailEnded(ended.error);
      await untilEither(window.changed(), this.#signal);
      if (this.#gather && !this.#tail.ended()) await this.#gather(window.quarterFull(), this.#signal);
    }
    return undefined;
  }

  async *#tailEnded(error: unknown): AsyncGenerator<FeedBatch, ResetReason | undefined, void> {
    if (this.#parts.tail.isClosed() || error === undefined) {
      yield { type: 'cut-off', reason: 'closing', token: this.#token };
      return undefined;
    }
    if (!(error instanceof LogChangedError)) throw error;
    const { store } = this.#parts;
    const [last, first] = await Promise.all([store.last(), store.identity()]);
    const log = this.#tail.log();
    if (log !== undefined && (first === undefined || tailOf(first) !== log)) return 'other-log';
    return store.compare(last?.position, error.remembered.position) < 0 ? 'older-log' : 'other-past';
  }

  /** What of a page he has not had. */
  #behind(page: EventPage): EventPage {
    const { compare } = this.#parts.store;
    const position = this.#position;
    if (compare(page[0]?.position, position) > 0) return page;
    return page.filter(event => compare(event.position, position) > 0);
  }

  *#handOut(page: EventPage, more = false): Generator<FeedBatch, void, void> {
    const log = this.#tail.log();
    const last = page.at(-1) as EventPage[number];
    yield { type: 'events', page, log, more };
    this.#last = { id: last.id, position: last.position, isHit: isForgettable(last.stream) };
    this.#position = last.position;
    this.#token = tokenOfLast(page, log);
  }
}

/** Of which stream the last event is was not asked for: it may be a hit. */
const endOf = (log: string | undefined, last: EventAt | undefined): FeedPlace =>
  last ? { log, at: placeOf(last), isHit: true, anchor: undefined } : THE_BEGINNING;

/** The place behind a page. */
export function tokenOfLast(page: EventPage, log: string | undefined): string {
  return tokenAt(page, page.length - 1, log);
}

/** The place behind the event at an index of a page. */
export function tokenAt(page: EventPage, index: number, log: string | undefined): string {
  const event = page[index] as EventPage[number];
  let anchor: EventAt | undefined;
  for (let i = index - 1; i >= 0 && isForgettable(event.stream); i--) {
    const before = page[i] as EventPage[number];
    if (isForgettable(before.stream)) continue;
    anchor = before;
    break;
  }
  return encodeToken(placeAt(log, event, anchor));
}

async function untilEither(changed: Promise<void>, signal: AbortSignal): Promise<void> {
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<void>(resolve => {
    onAbort = resolve;
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  await Promise.race([changed, aborted]);
  signal.removeEventListener('abort', onAbort);
}
