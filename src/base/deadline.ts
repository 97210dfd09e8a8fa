/** Node fires a longer timer at once. 24.8 days are for ever here. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** `promise`, or `fallback()` when it takes longer; the promise goes on and its late outcome is not looked at. */
export async function withDeadline<T, F>(
  promise: Promise<T>,
  deadlineMs: number,
  fallback: () => F,
): Promise<T | F> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<F>((resolve, reject) => {
    timer = setTimeout(
      () => {
        try {
          resolve(fallback());
        } catch (error) {
          reject(error);
        }
      },
      Math.min(deadlineMs, MAX_TIMER_MS),
    );
  });
  // After the race nobody listens to it any more, and a late failure must not end the process.
  promise.catch(() => undefined);
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** As much of an `AbortSignal` as a wait looks at. */
export interface Ending {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/**
 * An `AbortController` and its signal in one, for what is made with every lookup. Node 20 keeps an `AbortSignal`, and all that
 * its listeners refer to, until a full garbage collection, so that whole lookups are copied and promoted that would
 * have been thrown away young. An `EventTarget` is let go of, but makes a map and an event's worth of objects each time.
 */
export class BriefEnding implements Ending {
  aborted = false;
  reason: unknown = undefined;
  #listeners: (() => void)[] = [];

  addEventListener(_: 'abort', listener: () => void): void {
    this.#listeners.push(listener);
  }

  removeEventListener(_: 'abort', listener: () => void): void {
    this.#listeners = this.#listeners.filter(each => each !== listener);
  }

  /** Who listens hears it once. */
  abort(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    for (const listener of this.#listeners) listener();
  }
}

/** `promise`, or the signal's reason when it is aborted first; the promise goes on and its late outcome is not looked at. */
export function untilAborted<T>(promise: Promise<T>, signal: Ending): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    promise.then(resolve, reject);
  });
}
