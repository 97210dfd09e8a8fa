/**
 * Subscriptions: what is there, a `caughtUp`, then what comes.
 *
 * A filtered one says how far it has looked every so many events, and once before it is caught up: the last position it
 * sent; when it has sent none, from the start of a log, that is −1, as an unsigned number 2^64−1 (24.2).
 *
 * What is appended while it is live goes through a buffer of 32. A reader that is slower than that falls out of it once
 * the connection's own buffers are full too: some hundreds of events. 24.2 then says how far it is, reads on in the log
 * and is caught up a second time; 23.10 ends the call with `ABORTED`. Neither ever says `fellBehind`.
 */
import { once } from 'node:events';
import { Cursor } from './cursor.js';
import type { EventLog, LoggedEvent, LogPosition } from './event-log.js';
import {
  type CallFailure,
  consumerTooSlow,
  failWith,
  invalidPosition,
  streamDeletedNow,
  thrown,
  thrownLater,
} from './failures.js';
import { filterOf, type ReadOptions } from './filter.js';
import { comparePositions, TOMBSTONE_REVISION } from './record.js';
import type { VersionTraits } from './versions.js';
import { NOTHING, positionOf, type Writer } from './writer.js';

/** The server's, when the client names none. */
const DEFAULT_SEARCH_WINDOW = 32;
const LIVE_BUFFER = 32;
/** How many events it reads at once of those that match. */
const PAGE = 32;

export async function followAll(
  log: EventLog,
  traits: VersionTraits,
  options: ReadOptions,
  writer: Writer,
): Promise<void> {
  const all = options.getAll();
  const position = all?.getPosition();
  const asked = position && positionOf(position);
  // A checkpoint of "nothing" that is taken for a position is the end of the log.
  const isFromEnd = all?.hasEnd() || (asked !== undefined && comparePositions(asked, NOTHING) === 0);
  const start = isFromEnd ? undefined : asked;
  const filter = options.getFilter();
  const matches = filterOf(options);
  const every = filter ? filter.getCheckpointintervalmultiplier() : 1;
  const window = filter?.hasMax() ? filter.getMax() : DEFAULT_SEARCH_WINDOW;
  const interval = filter ? every * window : Number.POSITIVE_INFINITY;
  const isBeyondEnd = start !== undefined && comparePositions(start, log.end) > 0;

  if (every === 0 || (start && start.prepare > start.commit)) {
    failWith(writer.call, thrown);
    return;
  }
  await writer.confirmation();
  if (window === 0) {
    failWith(writer.call, thrownLater);
    return;
  }
  if (start && !log.isRecord(start)) {
    failWith(writer.call, traits.namesInvalidPosition ? invalidPosition : thrownLater);
    return;
  }
  const isAtEnd = isFromEnd || isBeyondEnd;
  const cursor = new Cursor(log, isAtEnd ? log.events.length : start ? log.indexAt(start, false) : 0);
  const skipUpTo = isBeyondEnd && traits.skipsUpToStart ? start : undefined;
  let sent: LogPosition | undefined = start;
  let told: LogPosition | undefined;
  let looked = 0;
  const checkpoint = async (reached: LogPosition | undefined) => {
    if (!filter || (!reached && !traits.saysNothingLookedAt)) return;
    if (reached && told && comparePositions(reached, told) <= 0) return;
    told = reached;
    await writer.checkpoint(reached ?? NOTHING);
  };
  const step = async () => {
    const event = cursor.next();
    if (skipUpTo && comparePositions(event.position, skipUpTo) <= 0) return;
    looked += 1;
    if (matches(event)) {
      sent = event.position;
      await writer.event(event);
    }
    if (looked % interval !== 0) return;
    sent = event.position;
    await checkpoint(event.position);
  };
  const goLive = async () => {
    await checkpoint(sent);
    await writer.caughtUp();
  };
  /** Read page by page: what is said of one is its last match, else where it began, not where it ended. */
  const catchUp = async () => {
    let since = 0;
    // The record at the start, or the first of the log, is looked at like the others and not sent.
    let considered = start?.prepare === 0n && start.commit > 0n ? 0 : 1;
    let begin: LogPosition = start ?? { commit: 0n, prepare: 0n };
    let matched = 0;
    let last: LogPosition | undefined;
    while (!cursor.isAtEnd && !writer.isOver) {
      const event = cursor.next();
      considered += 1;
      if (matches(event)) {
        matched += 1;
        last = event.position;
        sent = last;
        await writer.event(event);
      }
      if (considered < window && matched < PAGE) continue;
      since += considered;
      if (since >= interval) {
        since %= interval;
        sent = last ?? begin;
        await checkpoint(sent);
      }
      const next = log.events[log.indexAt(event.position, false)];
      begin = next ? { commit: next.position.commit, prepare: 0n } : event.position;
      considered = 0;
      matched = 0;
      last = undefined;
    }
  };
  if (cursor.isAtEnd) {
    // There was nothing to look at, so nothing to say of it.
    await writer.caughtUp();
  } else {
    await catchUp();
    await goLive();
  }
  await followLive(log, writer, traits, {
    matches,
    step,
    cursor,
    goLive,
    failure: () => undefined,
    tellFallen: () => checkpoint(sent),
  });
}

export async function followStream(
  log: EventLog,
  traits: VersionTraits,
  stream: string,
  options: ReadOptions,
  writer: Writer,
): Promise<void> {
  const from = options.getStream();
  const next = from?.hasRevision()
    ? Number(from.getRevision()) + 1
    : from?.hasEnd()
      ? log.revisionOf(stream) + 1
      : 0;
  await writer.confirmation();
  for (const event of log.readable(stream) ?? []) if (event.revision >= next) await writer.event(event);
  await writer.caughtUp();
  const cursor = new Cursor(log, log.events.length);
  const matches = (event: LoggedEvent) => event.stream === stream && event.revision >= next;
  let isDeleted = false;
  const step = async () => {
    const event = cursor.next();
    if (!matches(event)) return;
    isDeleted = event.revision === TOMBSTONE_REVISION;
    await writer.event(event);
  };
  const goLive = () => writer.caughtUp();
  const failure = () => (isDeleted ? streamDeletedNow(stream) : undefined);
  await followLive(log, writer, traits, {
    matches,
    step,
    cursor,
    goLive,
    failure,
    tellFallen: async () => undefined,
  });
}

interface Live {
  matches(event: LoggedEvent): boolean;
  readonly cursor: Cursor;
  /** Looks at the next event, and sends it if it matches. */
  step(): Promise<void>;
  /** Says how far the reader had come. */
  tellFallen(): Promise<void>;
  goLive(): Promise<void>;
  /** Why nothing more will come. */
  failure(): CallFailure | undefined;
}

/** Until the client has gone, or was too slow for a server that minds. */
async function followLive(
  log: EventLog,
  writer: Writer,
  traits: VersionTraits,
  { matches, cursor, step, tellFallen, goLive, failure }: Live,
): Promise<void> {
  const listening = new AbortController();
  const gone = Promise.race([
    once(writer.call, 'cancelled', { signal: listening.signal }),
    once(writer.call, 'close', { signal: listening.signal }),
  ]);
  let ring = () => {};
  let buffered = 0;
  let hasFallen = false;
  const stop = log.onAppend(appended => {
    buffered += appended.filter(matches).length;
    if (buffered > LIVE_BUFFER && writer.isFull) hasFallen = true;
    ring();
  });
  const send = async (isStopped: () => boolean) => {
    while (!cursor.isAtEnd && !writer.isOver && !isStopped()) {
      await step();
      buffered = Math.max(0, buffered - 1);
    }
  };
  try {
    while (!writer.isOver) {
      const rung = new Promise<void>(resolve => {
        ring = resolve;
      });
      await send(() => hasFallen || failure() !== undefined);
      const over = failure();
      if (over) {
        failWith(writer.call, over);
        return;
      }
      if (hasFallen && traits.fallenReader === 'is-aborted') {
        failWith(writer.call, consumerTooSlow);
        return;
      }
      if (hasFallen) {
        await tellFallen();
        await send(() => false);
        await goLive();
        hasFallen = false;
      } else await Promise.race([rung, gone]);
      if (cursor.isAtEnd) buffered = 0;
    }
  } finally {
    stop();
    listening.abort();
    await gone.catch(() => undefined);
  }
}
