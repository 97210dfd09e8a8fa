/** Pauses between attempts. Those of a subscription, which may be woken, are the stores' own. */

/** Ends early, and without an error, when the signal aborts. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  // AbortSignal.any would say this in one line, and leak: each composite stays registered with a long-lived signal.
  return new Promise(resolve => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}

/** Doubling from 100 ms to 5 s: soon back after a restart, and no burden to a server that is coming up. */
export function createBackoff(largestMs = 5_000) {
  const firstMs = 100;
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
