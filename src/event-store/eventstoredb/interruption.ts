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
  /** By the monotonic clock. */
  readonly endsAtMs: number;
  /** How long one attempt may go without a sign of life. */
  readonly attemptMs: number;
  /** What the last attempt failed with: the reason behind a deadline. */
  lastFailure: Error | undefined;
  readonly #listeners = new Set<(failure: Error) => void>();
  #failure: Error | undefined;
  #controller: AbortController | undefined;
  readonly #disposal: (() => void)[] = [];

  constructor(endsAtMs: number, attemptMs: number) {
    this.endsAtMs = endsAtMs;
    this.attemptMs = attemptMs;
  }

  get isOver(): boolean {
    return this.#failure !== undefined;
  }

  /** Made when it is first asked for: most operations never sleep and need none. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      // Whatever an operation waits for at once listens; that is no leak.
      setMaxListeners(0, this.#controller.signal);
      if (this.#failure) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  leftMs(): number {
    return Math.max(0, this.endsAtMs - performance.now());
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

  onDispose(action: () => void): void {
    this.#disposal.push(action);
  }

  /** Must be called when the operation is over. */
  dispose(): void {
    for (const action of this.#disposal) action();
    this.#listeners.clear();
  }

  end(failure: Error): void {
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
  const operation = new Interruption(performance.now() + timeoutMs, attemptMs);
  const because = (how: () => string) => () =>
    operation.end(new EventStoreFailure(`the event store could not ${action}${how()}`, true));
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
  operation.onDispose(() => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
    closing.removeEventListener('abort', onClose);
  });
  return operation;
}

/** `work`, or the failure of what ends it early. @param action completes "the event store could not …" */
export async function within<T>(
  bounds: Bounds,
  store: Parameters<typeof interruptAfter>[1],
  action: string,
  work: (operation: Interruption) => Promise<T>,
): Promise<T> {
  const operation = interruptAfter(bounds, store, action);
  try {
    return await operation.race(work(operation));
  } finally {
    operation.dispose();
  }
}

/** Of operations that travel together: over when the last of them is, with the failure of that one. */
export function whenAllAre(members: readonly Interruption[]): Interruption {
  const all = new Interruption(
    Math.max(...members.map(({ endsAtMs }) => endsAtMs)),
    Math.min(...members.map(({ attemptMs }) => attemptMs)),
  );
  let left = members.length;
  for (const member of members) {
    const forget = member.onOver(failure => {
      left -= 1;
      if (left === 0) all.end(failure);
    });
    all.onDispose(forget);
  }
  return all;
}
