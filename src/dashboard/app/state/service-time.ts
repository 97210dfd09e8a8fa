/**
 * What time it is where the service runs. A browser's own clock may be off by hours, and what a page says of a fact ("3 min
 * ago"), asks for ("the last hour") and does ("believe it no more since an hour ago") would be off by as much.
 *
 * Each answer's `Date` tells it to a second: it was made behind the question and before the answer came. A clock of the
 * browser's that this allows is left as it is.
 */
import { signal } from '@preact/signals';

/** A `Date` is cut down to whole seconds. */
const RESOLUTION_MS = 1_000;

/** The service's clock minus this browser's, where these are surely apart; else 0. */
export const serviceAheadMs = signal(0);

/** Epoch milliseconds. */
export const serviceNow = (): number => Date.now() + serviceAheadMs.value;

/** @param date of an answer; sent and received by this browser's clock */
export function hearTime(date: string | null, sentAtMs: number, receivedAtMs: number): void {
  const toldMs = Date.parse(date ?? '');
  if (Number.isNaN(toldMs)) return;
  serviceAheadMs.value = aheadMs(toldMs, sentAtMs, receivedAtMs, serviceAheadMs.peek());
}

/** What is known already stays while it is possible, so that no page moves for a second's sake. */
export function aheadMs(toldMs: number, sentAtMs: number, receivedAtMs: number, knownMs: number): number {
  const least = toldMs - receivedAtMs;
  const most = toldMs + RESOLUTION_MS - sentAtMs;
  const isPossible = (ms: number) => ms >= least && ms <= most;
  if (isPossible(0)) return 0;
  return isPossible(knownMs) ? knownMs : (least + most) / 2;
}
