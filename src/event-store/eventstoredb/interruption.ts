/**
 * The end of an operation by its deadline, its caller's signal or the store's end, whatever the network does. Nothing
 * the server or gRPC leaves unanswered can outlast it.
 */
import { setMaxListeners } from 'node:events';
import { EventStoreFailure } from './failure.js';

/** One that is not answered leaves time for two others, on other nodes. */
export const ATTEMPTS_A_CALL = 3;

export interface Bounds {
  /** `Infinity` for what has no end of its own. */
  readonly timeoutMs: number;
  /** The caller's. */
  readonly signal?: AbortSignal | undefined;
}

export class Interruption {
  readonly #leftMs: () => number;
  /** How long one attempt may go without a sign of life. */
  readonly attemptMs: number;
  /** What the last attempt failed with: the reason behind a deadline. */
  lastFailure: Error | undefined;
  readonly #listeners = new Set<(failure: Error) => void>();
  #failure: Error | undefined;
  #controller: AbortController | undefined;
  #stop = () => {};

  /**
   * @param leftMs how long it is until then
   * @param start is given what ends the operation, and returns what takes that back
   */
  constructor(
    leftMs: () => number,
    attemptMs: number,
    start: (end: (failure: Error) => void, operation: Interruption) => () => void,
  ) {
    this.#leftMs = leftMs;
    this.attemptMs = attemptMs;
    this.#stop = start(failure => this.#end(failure), this);
  }

  get isOver(): boolean {
    return this.#failure !== undefined;
  }

  /** Made when it is first asked for: an append that reads nothing needs none. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      // Every read of an operation listens; that is no leak.
      setMaxListeners(0, this.#controller.signal);
      if (this.#failure) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  leftMs(): number {
    return this.#leftMs();
  }

  throwIfOver(): void {
    if (this.#failure) throw this.#failure;
  }

  /** Called once, at once if it is over. @returns takes that back */
  onOver(listener: (failure: Error) => void): () => void {
    if (this.#failure) listener(this.#failure);
    else this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** `work`, or the interruption's failure, whichever comes first. */
  race<T>(work: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const forget = this.onOver(reject);
      work.then(
        value => {
          forget();
          resolve(value);
        },
        error => {
          forget();
          reject(error);
        },
      );
    });
  }

  /** Must be called when the operation is over. */
  dispose(): void {
    this.#stop();
    this.#listeners.clear();
  }

  #end(failure: Error): void {
    if (this.#failure) return;
    this.#failure = failure;
    for (const listener of this.#listeners) listener(failure);
    this.#listeners.clear();
    this.#controller?.abort();
  }
}

/** @param action completes "the event store could not …" */
export function interruptAfter(
  { timeoutMs, signal }: Bounds,
  store: {
    /** Aborted when the store is closed. */
    readonly closing: AbortSignal;
    /** The longest silence of any attempt. */
    readonly attemptTimeoutMs: number;
  },
  action: string,
): Interruption {
  const { closing } = store;
  const attemptMs = Math.min(store.attemptTimeoutMs, Math.ceil(timeoutMs / ATTEMPTS_A_CALL));
  const endsAt = performance.now() + timeoutMs;
  const leftMs = () => Math.max(0, endsAt - performance.now());
  return new Interruption(leftMs, attemptMs, (end, operation) => {
    const because = (how: () => string) => () =>
      end(new EventStoreFailure(`the event store could not ${action}${how()}`, true));
    const onAbort = because(() => ": the caller's signal ended it");
    const onClose = because(() => ': it was closed meanwhile');
    const onTimeout = because(() => {
      const last = operation.lastFailure ? ` (${operation.lastFailure.message})` : '';
      return ` within ${timeoutMs} ms${last}: retry with the same event ids, or allow more time`;
    });
    const timer = timeoutMs === Number.POSITIVE_INFINITY ? undefined : setTimeout(onTimeout, timeoutMs);
    if (signal?.aborted) onAbort();
    signal?.addEventListener('abort', onAbort);
    closing.addEventListener('abort', onClose);
    return () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      closing.removeEventListener('abort', onClose);
    };
  });
}

/** Of operations that travel together: over when the last of them is, with the failure of that one. */
export function whenAllAre(members: readonly Interruption[]): Interruption {
  const leftMs = () => members.reduce((longest, member) => Math.max(longest, member.leftMs()), 0);
  const attemptMs = members.reduce((shortest, member) => Math.min(shortest, member.attemptMs), Infinity);
  return new Interruption(leftMs, attemptMs, end => {
    let left = members.length;
    const onOver = (failure: Error) => {
      left -= 1;
      if (left === 0) end(failure);
    };
    const stops = members.map(member => member.onOver(onOver));
    return () => {
      for (const stop of stops) stop();
    };
  });
}
