/**
 * Reading one's own writes: asks again until the read model has reached a position, within a deadline.
 *
 * The projector is usually a few milliseconds behind, so the first pause is short and the pauses grow. An answer that
 * is too old is kept: when the deadline ends it is better than none, and is handed out as what it is.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { withDeadline } from '../base/deadline.js';

const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 20;

/** @throws what the first `ask` throws; later failures leave the last answer standing */
export async function untilReached<T>(
  ask: () => Promise<T>,
  hasReached: (answer: T) => boolean,
  deadlineMs: number,
): Promise<{ readonly answer: T; readonly reached: boolean }> {
  const endMs = performance.now() + deadlineMs;
  let answer = await ask();
  let pauseMs = FIRST_PAUSE_MS;
  for (;;) {
    if (hasReached(answer)) return { answer, reached: true };
    await pause(Math.max(0, Math.min(pauseMs, endMs - performance.now())));
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    const leftMs = endMs - performance.now();
    if (leftMs <= 0) return { answer, reached: false };
    const next = await withDeadline(ask(), leftMs, () => undefined).catch(() => undefined);
    if (!next) return { answer, reached: false };
    answer = next;
  }
}
