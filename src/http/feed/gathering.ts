/**
 * When the pages of people are told of news.
 *
 * Each write wakes a process at the other end, which then comes asking. Who follows only to know that something happened (a
 * dashboard asks again what it shows) says how long news may wait for him. He is woken by the first, and what has come by his
 * next moment goes out in one piece:
 *
 *   event  ·     · ·        ·     ·
 *   page A ├────────────┤────────────┤     moments `gatherMs` apart,
 *   page B     ├────────────┤────────────  each page's at another time
 *
 * All of them together are written to no more than {@link MOST_A_SECOND} times a second, so that what many pages cost the
 * service does not grow with them: from the thirty-first page on, of those that give 3 s, the moments of each lie further
 * apart, {@link LONGEST_MS} at most.
 */
import type { Gather } from '../../feed/follow.js';
import type { FeedTimers } from './timers.js';

export const MOST_A_SECOND = 10;
/** Shorter than the time between two heartbeats, which say where the follower stands. */
export const LONGEST_MS = 10_000;

export interface Gathering {
  /** One more page. @param share where in the time between two moments its own lie, 0 to 1; default: anywhere */
  join(gatherMs: number, share?: number): { readonly gather: Gather; leave(): void };
}

export function createGathering(timers: FeedTimers): Gathering {
  let pages = 0;
  return {
    join(gatherMs, share = Math.random()) {
      pages += 1;
      const untilNextMs = () => {
        const apartMs = Math.max(gatherMs, Math.min(LONGEST_MS, (pages * 1_000) / MOST_A_SECOND));
        return apartMs - ((timers.nowMs() + share * apartMs) % apartMs);
      };
      return {
        gather: (enough, signal) =>
          new Promise(resolve => {
            const go = () => {
              endWait();
              signal.removeEventListener('abort', go);
              resolve();
            };
            const endWait = timers.after(untilNextMs(), go);
            void enough.then(go);
            signal.addEventListener('abort', go, { once: true });
            if (signal.aborted) go();
          }),
        leave: () => {
          pages -= 1;
        },
      };
    },
  };
}
