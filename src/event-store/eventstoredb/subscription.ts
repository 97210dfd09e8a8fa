/**
 * Following the log: a filtered subscription of the server, cut into pages that the reader asks for.
 *
 *   connecting   find a node, look whether the last event is where it was, subscribe after it
 *   catching up  pages are filled to their size; silence for too long is a stuck server
 *   live         from the server's "caught up" on. That is true when it is said and not when it is read: no server to 26.1
 *                says that a reader fell behind (23.10 ends its call instead). So before each page the head is asked for,
 *                of the leader whoever is followed: behind it pages are filled again, at it the page says `caughtUp`
 *   broken       an error, the server's end of the call, silence: what was gathered and not handed out is dropped,
 *                and after a growing pause it connects again. The client's package would leave it at the error
 *
 * Where nobody says the head, pages go on and do not say `caughtUp`. The reader holds the source back: a page is gathered
 * when it is asked for, and the call stands still in between. Until the first page a failure is thrown, so that a wrong
 * address shows; after that only a refusal is.
 */
import type { Position } from '../../events/event.js';
import type { EventAt, Page } from '../event-store.js';
import { Retries } from './calls.js';
import type { Node } from './connection.js';
import { EventStoreFailure, toFailure } from './failure.js';
import { Feed } from './feed.js';
import { Gathering, type Told } from './gathering.js';
import { interruptAfter, within } from './interruption.js';
import { parsePosition } from './position.js';
import { askForHead, type ReadContext, requireEvent } from './read.js';
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
  // `AbortSignal.any` of the two signals would stay registered with the store's for as long as that lives.
  const bounds = { timeoutMs: Number.POSITIVE_INFINITY, signal: options.signal };
  const end = interruptAfter(bounds, context, 'follow events');
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
  const retries = new Retries(context);
  while (!signal.aborted) {
    let node: Node | undefined;
    try {
      node = await findNode(context, signal);
      if (signal.aborted) return;
      // A log of another past is confirmed and then silent for ever: only looking tells.
      if (progress.last) await requireEvent(context, progress.last);
      for await (const page of pagesFrom(node, context, pageSize, signal, progress)) {
        retries.reset();
        yield page;
      }
    } catch (error) {
      if (signal.aborted) return;
      const mayStart = context.connection.wasReached && performance.now() < startBy;
      const mayRetry = progress.isFollowing || mayStart;
      await retries.pauseAfter(toFailure(error, 'follow events'), node, mayRetry, signal);
    }
  }
}

/** Finding a node has limits of its own, but a reader that gives up does not wait for them. */
const findNode = (context: ReadContext, signal: AbortSignal): Promise<Node> =>
  within({ timeoutMs: context.attemptTimeoutMs, signal }, context, 'find a node to follow events from', () =>
    context.connection.node(),
  );

async function* pagesFrom(
  node: Node,
  context: ReadContext,
  pageSize: number,
  signal: AbortSignal,
  progress: Progress,
): AsyncGenerator<Page, void, void> {
  const after = progress.position === undefined ? undefined : parsePosition(progress.position);
  const gathering = new Gathering(pageSize, progress.position);
  const feed = new Feed(node, allFrom(after), 'follow events', message => {
    progress.isFollowing = true;
    const wasLive = gathering.isLive;
    gathering.add(message);
    if (gathering.isFull) feed.pause();
    // Live, silence is no failure: whoever waits is told.
    if (gathering.hasPage(progress) || gathering.isLive !== wasLive) feed.wake();
  });
  // At once, and not when the reader comes back for more: it may never do so.
  const onAbort = () => feed.close();
  signal.addEventListener('abort', onAbort);
  const stay = node.onRetire(() =>
    feed.end(new EventStoreFailure('the event store is followed from another node', true)),
  );
  try {
    while (!signal.aborted) {
      if (gathering.hasPage(progress)) {
        const isAtHead = gathering.isLive && (await isAtHeadOf(context, gathering, feed));
        if (signal.aborted) return;
        if (!gathering.hasEvents && !isAtHead && gathering.isLive) {
          await briefly(feed);
          if (feed.isOver) feed.check();
          continue;
        }
        feed.pause();
        const page = gathering.takePage(progress, isAtHead);
        progress.position = page.position;
        progress.last = page.events.at(-1) ?? progress.last;
        progress.isAtHead = page.caughtUp;
        yield page;
        feed.resume();
      } else if (feed.isOver) {
        feed.check();
        throw new EventStoreFailure('the event store ended the subscription: subscribing again', true);
      } else {
        await feed.wait(gathering.isLive ? undefined : context.attemptTimeoutMs);
      }
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    stay();
    feed.close();
  }
}

const HEAD_TIMEOUT_MS = 500;
/** What the head shows to be on its way is waited for so long without a sign of it. */
const ON_ITS_WAY_MS = 250;

/** Whether what was gathered reaches the head; what lies between is waited for, as far as it fits into the page. */
async function isAtHeadOf(context: ReadContext, gathering: Gathering, feed: Feed): Promise<boolean> {
  if (gathering.isFull) return false;
  const head = await askForHead(context, Math.min(HEAD_TIMEOUT_MS, context.attemptTimeoutMs));
  if (head === 'unknown') return false;
  for (;;) {
    if (gathering.isFull) return false;
    if (gathering.reaches(head.position)) return true;
    const before = gathering.count;
    await briefly(feed);
    if (gathering.count === before || feed.isOver) return gathering.reaches(head.position);
  }
}

async function briefly(feed: Feed): Promise<void> {
  const timer = setTimeout(() => feed.wake(), ON_ITS_WAY_MS);
  await feed.wait();
  clearTimeout(timer);
}
