/**
 * Following the log: a filtered subscription of the server, cut into pages that the reader asks for.
 *
 *   connecting   find a node, subscribe after the last position that was handed out
 *   catching up  pages are filled to their size; silence for too long is a stuck server
 *   live         from the server's "caught up" on: whatever has arrived is a page, and silence is normal (gRPC's
 *                keep-alive notices a connection that died without a word). "Fell behind" is catching up again
 *   broken       an error, the server's end of the call, silence: what was gathered and not handed out is dropped,
 *                and after a growing pause it connects again. The client's package would leave it at the error
 *
 * The reader holds the source back: a page is gathered when it is asked for, and the call stands still in between.
 * Until the first page a failure is thrown, so that a wrong address shows; after that only a refusal is.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { withDeadline } from '../../deadline.js';
import type { Position } from '../../events/event.js';
import type { EventAt, Page } from '../event-store.js';
import { createBackoff, sleep } from '../waiting.js';
import type { Node } from './connection.js';
import { EventStoreFailure, isTransient, toFailure } from './failure.js';
import { Feed } from './feed.js';
import { Gathering, type Told } from './gathering.js';
import { anyOf } from './interruption.js';
import { parsePosition } from './position.js';
import { type ReadContext, requireEvent } from './read.js';
import { allFrom } from './read-requests.js';

export interface FollowOptions {
  readonly after: Position | undefined;
  readonly expecting?: EventAt | undefined;
  /** Ends it without an error, as does closing the store. */
  readonly signal: AbortSignal;
  readonly pageSize: number;
  /** How long the first page may take to begin with. */
  readonly startTimeoutMs: number;
}

/** What outlives a connection. */
interface Progress extends Told {
  position: Position | undefined;
  /** The last event that was handed out. */
  last: EventAt | undefined;
  isAtHead: boolean;
  /** The server has answered this subscription. */
  isFollowing: boolean;
}

export async function* followPages(
  context: ReadContext,
  options: FollowOptions,
): AsyncGenerator<Page, void, void> {
  const end = anyOf(options.signal, context.closing);
  try {
    yield* followUntil(end.signal, context, options);
  } finally {
    end.dispose();
  }
}

async function* followUntil(
  signal: AbortSignal,
  context: ReadContext,
  { after, expecting, pageSize, startTimeoutMs }: FollowOptions,
): AsyncGenerator<Page, void, void> {
  const startBy = performance.now() + startTimeoutMs;
  const progress: Progress = { position: after, last: expecting, isAtHead: false, isFollowing: false };
  const backoff = createBackoff();
  let wasRedirected = false;
  while (!signal.aborted) {
    let node: Node | undefined;
    try {
      node = await findNode(context, signal);
      if (signal.aborted) return;
      // A log of another past is confirmed and then silent for ever: only looking tells.
      if (progress.last) await requireEvent(context, progress.last);
      for await (const page of pagesFrom(node, context, pageSize, signal, progress)) {
        backoff.reset();
        yield page;
      }
    } catch (error) {
      if (signal.aborted) return;
      const failure = toFailure(error, 'follow events');
      if (node && isTransient(failure)) await context.connection.doubt(node, failure);
      const mayStart = context.connection.wasReached && performance.now() < startBy;
      const isRedirected = failure instanceof EventStoreFailure && failure.leader !== undefined;
      if (!isTransient(failure) || !(progress.isFollowing || mayStart || isRedirected)) throw failure;
      context.onRetry(failure);
      // Two nodes that each name the other are not asked in turn without a pause.
      await sleep(isRedirected && !wasRedirected ? 0 : backoff.nextMs(), signal);
      wasRedirected = isRedirected;
    }
  }
}

/** Finding a node has limits of its own, but a reader that gives up does not wait for them. */
async function findNode({ connection, attemptTimeoutMs }: ReadContext, signal: AbortSignal): Promise<Node> {
  let giveUp = () => {};
  const gaveUp = new Promise<never>((_, reject) => {
    giveUp = () => reject(signal.reason);
  });
  gaveUp.catch(() => undefined);
  signal.addEventListener('abort', giveUp);
  try {
    return await withDeadline(Promise.race([connection.node(), gaveUp]), attemptTimeoutMs, () => {
      throw new EventStoreFailure('the event store could not follow events (no node in time): retry', true);
    });
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

async function* pagesFrom(
  node: Node,
  { connection, attemptTimeoutMs }: ReadContext,
  pageSize: number,
  signal: AbortSignal,
  progress: Progress,
): AsyncGenerator<Page, void, void> {
  const after = progress.position === undefined ? undefined : parsePosition(progress.position);
  const gathering = new Gathering(pageSize, progress.position);
  const over = node.begin();
  const feed = new Feed(node.stub.read(allFrom(after), node.metadata), message => {
    progress.isFollowing = true;
    connection.noteReached();
    node.heard();
    silence.heard();
    gathering.add(message);
    if (gathering.isFull) feed.pause();
    if (gathering.hasPage(progress)) feed.wake();
  });
  const silence = limitSilence(feed, attemptTimeoutMs);
  // At once, and not when the reader comes back for more: it may never do so.
  const onAbort = () => {
    feed.cancel();
    feed.wake();
  };
  signal.addEventListener('abort', onAbort);
  const stay = node.onRetire(() =>
    feed.end(new EventStoreFailure('the event store is followed from another node', true)),
  );
  try {
    while (!signal.aborted) {
      if (gathering.hasPage(progress)) {
        if (gathering.isLive) await settle(gathering);
        feed.pause();
        const page = gathering.takePage(progress);
        progress.position = page.position;
        progress.last = page.events.at(-1) ?? progress.last;
        progress.isAtHead = page.caughtUp;
        yield page;
        feed.resume();
      } else if (feed.isOver) {
        feed.check();
        throw new EventStoreFailure('the event store ended the subscription: subscribing again', true);
      } else {
        await silence.during(feed.wait(), !gathering.isLive);
      }
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    stay();
    silence.stop();
    feed.cancel();
    over();
  }
}

/** More may be on its way through the sockets: a turn of the event loop makes one page of a burst. */
async function settle(gathering: Gathering): Promise<void> {
  let before: number;
  do {
    before = gathering.count;
    await nextTurn();
  } while (gathering.count > before && !gathering.isFull);
}

/** One timer for all waits: they are many, and nearly all of them short. */
function limitSilence(feed: Feed, limitMs: number) {
  let isLimited = false;
  let wasTooLong = false;
  const timer = setTimeout(() => {
    if (!isLimited) return;
    wasTooLong = true;
    feed.wake();
  }, limitMs);
  return {
    heard: () => void timer.refresh(),
    async during(wait: Promise<void>, isToBeLimited: boolean): Promise<void> {
      isLimited = isToBeLimited;
      timer.refresh();
      await wait;
      isLimited = false;
      if (wasTooLong) {
        throw new EventStoreFailure(
          'the event store could not follow events (no answer in time): retry',
          true,
        );
      }
    },
    stop: () => clearTimeout(timer),
  };
}
