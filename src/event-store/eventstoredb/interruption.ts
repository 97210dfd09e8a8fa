/**
 * The end of an operation by its deadline, its caller's signal or the store's end, whatever the network does. Nothing the server or
 * gRPC leaves unanswered can outlast it.
 */
import { setMaxListeners } from 'node:events';
import { EventStoreFailure } from './failure.js';

export interface Bounds {
  readonly timeoutMs: number;
  /** The caller's. */
  readonly signal?: AbortSignal | undefined;
}

export interface Interruption {
  /** Aborted at the deadline, by the caller's signal, or when the store is closed. */
  readonly signal: AbortSignal;
  leftMs(): number;
  /** `work`, or the interruption's failure, whichever comes first. */
  race<T>(work: Promise<T>): Promise<T>;
  /** Must be called when the operation is over. */
  dispose(): void;
}

/**
 * @param closing aborted when the store is closed
 * @param action completes "the event store could not …"
 */
export function interruptAfter(
  { timeoutMs, signal }: Bounds,
  closing: AbortSignal,
  action: string,
): Interruption {
  const over = new AbortController();
  // Every read of an operation listens; that is no leak.
  setMaxListeners(0, over.signal);
  const endsAt = performance.now() + timeoutMs;
  let reject!: (error: EventStoreFailure) => void;
  const interrupted = new Promise<never>((_, fail) => {
    reject = fail;
  });
  interrupted.catch(() => undefined);
  const end = (how: string) => {
    reject(new EventStoreFailure(`the event store could not ${action}${how}`, true));
    over.abort();
  };
  const onAbort = () => end(": the caller's signal ended it");
  const onClose = () => end(': it was closed meanwhile');
  const timer = setTimeout(
    () => end(` within ${timeoutMs} ms: retry with the same event ids, or allow more time`),
    timeoutMs,
  );
  if (signal?.aborted) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  closing.addEventListener('abort', onClose, { once: true });
  return {
    signal: over.signal,
    leftMs: () => Math.max(0, endsAt - performance.now()),
    race(work) {
      work.catch(() => undefined);
      return Promise.race([interrupted, work]);
    },
    dispose() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      closing.removeEventListener('abort', onClose);
    },
  };
}
