/** This process's timers, injected so that tests and simulations decide when time is up. */
export interface Timers {
  /** @returns what calls it off */
  after(ms: number, action: () => void): () => void;
}

/** Node fires at once what is asked for later than this. */
const LONGEST_MS = 2 ** 31 - 1;

/** Never keeps the process alive. */
export const systemTimers: Timers = {
  after(ms, action) {
    const timer = setTimeout(action, Math.min(ms, LONGEST_MS));
    timer.unref();
    return () => clearTimeout(timer);
  },
};
