/** A follower's timers, injected so that tests decide when time is up. */
export interface FeedTimers {
  /** @returns what ends it */
  every(ms: number, tick: () => void): () => void;
  after(ms: number, fire: () => void): () => void;
  /** A clock that does not step. */
  nowMs(): number;
}

export const systemTimers: FeedTimers = {
  every(ms, tick) {
    const timer = setInterval(tick, ms);
    return () => clearInterval(timer);
  },
  after(ms, fire) {
    const timer = setTimeout(fire, ms);
    return () => clearTimeout(timer);
  },
  nowMs: () => performance.now(),
};
