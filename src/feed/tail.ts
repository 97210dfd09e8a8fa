/**
 * The one reader of the log that a process has, whatever number of followers.
 *
 *   nobody ──first joins──► starting ──► following ──last leaves──► stopped
 *                                           │ the log changed, or was refused
 *                                           └──► ended: who is there hears of it; who comes next starts a new one
 *
 * It begins at the log's end and puts what comes into the window. What lies before the window is read for those who ask
 * for it, page by page (shared-reads.ts), until they are in it.
 */
import type { EventAt, EventStore } from '../event-store/event-store.js';
import { tailOf } from '../events/place-token.js';
import { isForgettable } from '../events/streams.js';
import { LiveWindow } from './live-window.js';
import { createSharedReads, type SharedReads } from './shared-reads.js';

export interface Tail {
  readonly window: LiveWindow;
  /** Of what lies before the window. */
  readonly reads: SharedReads;
  /** The end of the id of the log's first event, at the tail's start or, where there was none, since. */
  log(): string | undefined;
  /** The newest event; `undefined`: there is none. */
  last(): EventAt | undefined;
  /** Why it follows no more; `undefined`: it does. */
  readonly ended: () => { readonly error: unknown } | undefined;
}

export interface TailOfProcess {
  /** The tail, started where none runs. Each join is followed by a leave. @throws what the store throws */
  join(): Promise<Tail>;
  leave(): void;
  /** Ends it, and wakes everybody. */
  close(): Promise<void>;
  readonly followers: () => number;
  readonly isClosed: () => boolean;
}

export interface TailOptions {
  readonly store: EventStore;
  /** How many events a follower may fall behind. */
  readonly windowEvents: number;
  readonly pageSize: number;
}

interface Running {
  readonly opened: Promise<Tail>;
  readonly stop: AbortController;
  done: Promise<void>;
}

export function createTail({ store, windowEvents, pageSize }: TailOptions): TailOfProcess {
  let running: Running | undefined;
  let followers = 0;
  let isClosed = false;

  function start(): Running {
    const stop = new AbortController();
    const { promise: opened, resolve, reject } = deferred<Tail>();
    const begun: Running = { opened, stop, done: Promise.resolve() };
    const isOver = () => {
      if (running === begun) running = undefined;
    };
    begun.done = follow(stop.signal, resolve, isOver).catch(error => {
      isOver();
      reject(error);
    });
    return begun;
  }

  async function follow(
    signal: AbortSignal,
    opened: (tail: Tail) => void,
    isOver: () => void,
  ): Promise<void> {
    const [head, identity] = await Promise.all([store.last(), store.identity()]);
    let last = head;
    let log = identity === undefined ? undefined : tailOf(identity);
    const window = new LiveWindow(head?.position, windowEvents, store.compare);
    let ended: { readonly error: unknown } | undefined;
    const reads = createSharedReads(store, { pageSize });
    opened({ window, reads, log: () => log, last: () => last, ended: () => ended });
    try {
      for await (const page of store.subscribe({
        after: head?.position,
        expecting: head,
        pageSize,
        signal,
      })) {
        // There was none before: the first that is kept is the log's first.
        const first = log ?? page.events.find(({ stream }) => !isForgettable(stream))?.id;
        log = first && tailOf(first);
        last = page.events.at(-1) ?? last;
        window.push(page.events);
      }
      ended = { error: undefined };
    } catch (error) {
      ended = { error };
    } finally {
      isOver();
      window.wake();
    }
  }

  return {
    async join() {
      followers += 1;
      running ??= start();
      try {
        return await running.opened;
      } catch (error) {
        followers -= 1;
        throw error;
      }
    },
    leave() {
      followers -= 1;
      if (followers > 0) return;
      running?.stop.abort();
      running = undefined;
    },
    async close() {
      isClosed = true;
      const last = running;
      running = undefined;
      last?.stop.abort();
      await last?.done;
    },
    followers: () => followers,
    isClosed: () => isClosed,
  };
}

function deferred<T>() {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  // Whoever joins looks at it; that nobody did is no failure of its own.
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}
