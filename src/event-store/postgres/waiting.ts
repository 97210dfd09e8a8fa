/** How a subscription waits: for a hint, at most so long; and how long after the nth failure in a row. */
import {
  BehaviorSubject,
  defer,
  filter,
  firstValueFrom,
  fromEvent,
  merge,
  type Observable,
  of,
  timer,
} from 'rxjs';

/**
 * What the hints ring and one waits for. It remembers having been rung, so that a ring between the read that
 * found nothing and the wait that follows is not lost; many rings before a wait are one.
 */
export interface Bell {
  /** Forgets earlier rings. */
  reset(): void;
  /** Until the next ring, one since {@link reset} included, but at most `ms`; no longer than until the abort. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
  /** Takes it down: hints ring it no more. */
  remove(): void;
}

export function hangBell(hints: Observable<unknown>): Bell {
  const isRung = new BehaviorSubject(false);
  const rung = isRung.pipe(filter(Boolean));
  const hearing = hints.subscribe(() => isRung.next(true));
  return {
    reset: () => isRung.next(false),
    wait: async (ms, signal) => {
      await firstValueFrom(merge(aborted(signal), rung, timer(ms)));
    },
    remove: () => hearing.unsubscribe(),
  };
}

// AbortSignal.any and .timeout would do without rxjs, and leak: each composite stays registered with a long-lived signal.
const aborted = (signal: AbortSignal): Observable<unknown> =>
  defer(() => (signal.aborted ? of(undefined) : fromEvent(signal, 'abort')));

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

/**
 * Doubling from 100 ms to 5 s: soon back after a restart, and no burden to a server that is coming up.
 * @param failures in a row, from 1
 */
export const retryPauseMs = (failures: number): number =>
  Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), LONGEST_PAUSE_MS);
