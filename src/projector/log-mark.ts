/**
 * What a checkpoint remembers of the log, so that whoever goes on from there can tell that it is still the same log.
 *
 *  - which log: the id of the first event that is kept for good (it moves along when a log is copied or restored);
 *  - the last event that was read, its id and where it lay. Any read from there on finds it, or finds something else;
 *  - a digest of the last events before it (at most {@link LONGEST_TAIL}), for a log that has the same event at the
 *    same place behind a different past, as retries after a restore can make it.
 *
 * The digest is a chain, sha256(digest so far, position, id), and covers a bounded tail: it goes on from page to page
 * until it is as long as it may be, and then begins anew with the page at hand. Hits are left out of it, for they may
 * be forgotten.
 *
 * Pure. Held against the log by continuity.ts.
 */
import { createHash } from 'node:crypto';
import type { EventAt } from '../event-store/event-store.js';
import type { Position, StoredEvent } from '../events/event.js';
import { isForgettable } from '../events/streams.js';

export interface LogTail {
  /** The event before the tail; `undefined`: it begins with the log. */
  readonly from: Position | undefined;
  /** How many events lie in it, hits included. */
  readonly events: number;
  /** Hexadecimal; '' while it holds nothing but hits. */
  readonly digest: string;
}

export interface LogMark {
  /** `undefined`: not known yet, for the first page held nothing but hits. */
  readonly log: string | undefined;
  readonly at: EventAt;
  readonly tail: LogTail | undefined;
}

export const LONGEST_TAIL = 128;
/** What a page that is longer keeps of itself. */
const TAIL_OF_A_PAGE = 64;

type LogEvent = Pick<StoredEvent, 'id' | 'position' | 'stream'>;

/** The digest of a tail: over the events that are kept for good, in their order. */
export function digestOf(events: readonly LogEvent[], digest = ''): string {
  let chain = digest;
  for (const { id, position, stream } of events) {
    if (isForgettable(stream)) continue;
    chain = createHash('sha256').update(`${chain} ${position} ${id}`).digest('hex').slice(0, 32);
  }
  return chain;
}

/**
 * The mark after these events were read too.
 * @param mark of the event before them; `undefined`: they are the first of the log, or nothing is known of those before
 * @param events the next in global order, without a gap
 * @param isStart nothing lies before them
 */
export function extendMark(
  mark: LogMark | undefined,
  events: readonly LogEvent[],
  isStart: boolean,
): LogMark | undefined {
  const last = events.at(-1);
  if (!last) return mark;
  return {
    log: mark?.log ?? (isStart ? events.find(({ stream }) => !isForgettable(stream))?.id : undefined),
    at: { id: last.id, position: last.position },
    tail: extendTail(mark, events, isStart),
  };
}

function extendTail(mark: LogMark | undefined, events: readonly LogEvent[], isStart: boolean): LogTail {
  const { tail, at } = mark ?? {};
  if (events.length >= TAIL_OF_A_PAGE) {
    const kept = events.slice(-TAIL_OF_A_PAGE);
    const before = events[events.length - TAIL_OF_A_PAGE - 1];
    return { from: before?.position ?? at?.position, events: kept.length, digest: digestOf(kept) };
  }
  const length = (tail?.events ?? 0) + events.length;
  if (isStart || !tail || length > LONGEST_TAIL) {
    return { from: at?.position, events: events.length, digest: digestOf(events) };
  }
  return { from: tail.from, events: length, digest: digestOf(events, tail.digest) };
}

/** As it is stored. */
export const encodeMark = (mark: LogMark | undefined): string | null =>
  mark === undefined
    ? null
    : JSON.stringify({
        log: mark.log,
        id: mark.at.id,
        at: mark.at.position,
        tail: mark.tail && { from: mark.tail.from, events: mark.tail.events, digest: mark.tail.digest },
      });

/** What is no mark is none: whoever wrote it, the next page makes one. */
export function decodeMark(text: string | null | undefined): LogMark | undefined {
  if (text === null || text === undefined) return undefined;
  const { log, id, at, tail } = JSON.parse(text) as {
    log?: string;
    id?: string;
    at?: Position;
    tail?: { from?: Position; events: number; digest: string };
  };
  if (id === undefined || at === undefined) return undefined;
  return {
    log,
    at: { id, position: at },
    tail: tail && { from: tail.from, events: tail.events, digest: tail.digest },
  };
}
