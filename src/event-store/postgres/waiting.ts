/** The two ways to wait here; both end early, and without an error, when the signal aborts. */

export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return wakeable(signal, ms).over;
}

/**
 * A bell that many may ring and one waits for. It remembers having been rung, so that a ring between the read
 * that found nothing and the wait that follows is not lost; many rings before a wait are one.
 */
export interface Bell {
  ring(): void;
  /** Forgets earlier rings. */
  reset(): void;
  /** Until the next ring, one since {@link reset} included, but at most `ms`. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

export function createBell(): Bell {
  let isRung = false;
  let wake = () => {};
  return {
    ring() {
      isRung = true;
      wake();
    },
    reset() {
      isRung = false;
    },
    async wait(ms, signal) {
      if (isRung) return;
      const waiting = wakeable(signal, ms);
      wake = waiting.end;
      await waiting.over;
    },
  };
}

// AbortSignal.any would say this in one line, and leak: each composite stays registered with a long-lived signal.
function wakeable(signal: AbortSignal, ms: number): { over: Promise<void>; end: () => void } {
  let resolve!: () => void;
  const over = new Promise<void>(done => {
    resolve = done;
  });
  const end = () => {
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
    resolve();
  };
  const timer = setTimeout(end, ms);
  if (signal.aborted) end();
  else signal.addEventListener('abort', end, { once: true });
  return { over, end };
}

/** Doubling from 100 ms to 5 s: soon back after a restart, and no burden to a server that is coming up. */
export function createBackoff() {
  const firstMs = 100;
  const largestMs = 5_000;
  let ms = firstMs;
  return {
    nextMs() {
      const current = ms;
      ms = Math.min(ms * 2, largestMs);
      return current;
    },
    reset() {
      ms = firstMs;
    },
  };
}
