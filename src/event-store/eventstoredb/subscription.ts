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
 * The reader holds the source back: a page is gathered when it is asked for, messages wait in a small buffer and
 * then with the server. Until the first page a failure is thrown, so that a wrong address shows; after that only a
 * refusal is.
 *
 * In a store that others use too, ours may be quiet for long. The server says now and then how far it has looked,
 * and when that is far enough from the last position handed out, it is handed out as a page without events, so
 * that a restart need not look at all of it again. Not every time: a page costs the reader a write.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { withDeadline } from '../../deadline.js';
import { decodeEvent } from '../../events/decode.js';
import type { Position, StoredEvent } from '../../events/event.js';
import type { Page } from '../event-store.js';
import { createBackoff, sleep } from '../waiting.js';
import type { CallContext } from './calls.js';
import type { Node } from './connection.js';
import { EventStoreFailure, isTransient, toFailure } from './failure.js';
import { comparePositions, parsePosition, toPosition } from './position.js';
import { Pull } from './pull.js';
import { allFrom } from './read-requests.js';
import { positionOf, toRawEvent } from './recorded-event.js';

/** How much of the log must have gone by for a position without events to be worth a page. */
const QUIET_PAGE_BYTES = 65_536n;

export interface FollowOptions {
  readonly after: Position | undefined;
  readonly signal: AbortSignal;
  readonly pageSize: number;
  /** How long the first page may take to begin with. */
  readonly startTimeoutMs: number;
}

/** What outlives a connection. */
interface Progress {
  position: Position | undefined;
  /** The reader knows that it is at the head: nothing new is nothing to tell. */
  isAtHead: boolean;
  /** The server has answered this subscription. */
  isFollowing: boolean;
}

export async function* followPages(
  context: CallContext,
  options: FollowOptions,
): AsyncGenerator<Page, void, void> {
  const { signal, startTimeoutMs } = options;
  const startBy = performance.now() + startTimeoutMs;
  const progress: Progress = { position: options.after, isAtHead: false, isFollowing: false };
  const backoff = createBackoff();
  while (!signal.aborted) {
    let node: Node | undefined;
    try {
      node = await findNode(context, signal);
      if (signal.aborted) return;
      for await (const page of pagesFrom(node, context, options, progress)) {
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
      await sleep(isRedirected ? 0 : backoff.nextMs(), signal);
    }
  }
}

/** Finding a node has limits of its own, but a reader that gives up does not wait for them. */
async function findNode({ connection, attemptTimeoutMs }: CallContext, signal: AbortSignal): Promise<Node> {
  const gaveUp = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  gaveUp.catch(() => undefined);
  return withDeadline(Promise.race([connection.node(), gaveUp]), attemptTimeoutMs, () => {
    throw new EventStoreFailure('the event store could not follow events (no node in time): retry', true);
  });
}

async function* pagesFrom(
  node: Node,
  { connection, attemptTimeoutMs }: CallContext,
  { signal, pageSize }: FollowOptions,
  progress: Progress,
): AsyncGenerator<Page, void, void> {
  const after = progress.position === undefined ? undefined : parsePosition(progress.position);
  const pull = new Pull(node.stub.read(allFrom(after), node.metadata));
  const gathering = new Gathering(pull, pageSize, progress.position);
  // At once, and not when the reader comes back for more: it may never do so.
  const onAbort = () => {
    pull.cancel();
    pull.wake();
  };
  signal.addEventListener('abort', onAbort);
  try {
    for (;;) {
      const isNews = await gathering.takeWhatIsThere();
      if (signal.aborted) return;
      if (isNews) {
        progress.isFollowing = true;
        connection.wasReached = true;
      }
      const page = gathering.page(progress);
      if (page) {
        progress.position = page.position;
        progress.isAtHead = page.caughtUp;
        yield page;
        if (signal.aborted) return;
        continue;
      }
      if (pull.isOver) {
        pull.check();
        throw new EventStoreFailure('the event store ended the subscription: subscribing again', true);
      }
      await waitForMore(pull, gathering.isLive ? undefined : attemptTimeoutMs);
      if (signal.aborted) return;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    pull.cancel();
  }
}

/** @param silenceMs how long nothing may come; left out: for ever */
async function waitForMore(pull: Pull, silenceMs: number | undefined): Promise<void> {
  if (silenceMs === undefined) return pull.changed();
  await withDeadline(pull.changed(), silenceMs, () => {
    throw new EventStoreFailure('the event store could not follow events (no answer in time): retry', true);
  });
}

/** What has arrived and not been handed out. */
class Gathering {
  isLive = false;
  readonly #pull: Pull;
  readonly #pageSize: number;
  readonly #after: Position | undefined;
  #events: StoredEvent[] = [];
  /** How far the server has looked beyond the last event. */
  #looked: Position | undefined;
  #isFirst = true;

  constructor(pull: Pull, pageSize: number, after: Position | undefined) {
    this.#pull = pull;
    this.#pageSize = pageSize;
    this.#after = after;
  }

  /** Takes messages until the page is full or there are none. @returns whether there were any */
  async takeWhatIsThere(): Promise<boolean> {
    let isNews = false;
    for (;;) {
      const taken = this.#takeArrived();
      isNews ||= taken > 0;
      // Live, more may be on its way through the sockets: a turn of the event loop makes one page of a burst.
      if (!this.isLive || taken === 0 || this.#isFull) return isNews;
      await nextTurn();
    }
  }

  /** @returns a page, when it is time for one */
  page({ position, isAtHead }: Progress): Page | undefined {
    const last = this.#events.at(-1)?.position;
    if (this.#isFull) return this.#handOut(last, false);
    if (this.isLive && (last !== undefined || !isAtHead)) return this.#handOut(last ?? position, true);
    if (last === undefined && isFarFrom(position, this.#looked)) {
      return this.#handOut(this.#looked, this.isLive);
    }
    return undefined;
  }

  get #isFull(): boolean {
    return this.#events.length >= this.#pageSize;
  }

  #handOut(position: Position | undefined, caughtUp: boolean): Page {
    const events = this.#events;
    this.#events = [];
    return { events, position, caughtUp };
  }

  #takeArrived(): number {
    let taken = 0;
    while (!this.#isFull) {
      const message = this.#pull.take();
      if (!message) return taken;
      taken += 1;
      const recorded = message.getEvent()?.getEvent();
      const checkpoint = message.getCheckpoint();
      if (recorded) {
        const position = positionOf(recorded);
        // The server starts behind the position it was given; should one not, the event is not ours to repeat.
        const isRepeated = this.#isFirst && comparePositions(position, this.#after) <= 0;
        this.#isFirst = false;
        if (!isRepeated) this.#events.push(decodeEvent(toRawEvent(recorded)));
        this.#looked = undefined;
      } else if (checkpoint) {
        this.#looked = toPosition(checkpoint);
      } else if (message.hasCaughtUp()) {
        this.isLive = true;
      } else if (message.hasFellBehind()) {
        this.isLive = false;
      }
    }
    return taken;
  }
}

function isFarFrom(position: Position | undefined, looked: Position | undefined): boolean {
  if (looked === undefined) return false;
  return parsePosition(looked).commit - parsePosition(position).commit >= QUIET_PAGE_BYTES;
}
