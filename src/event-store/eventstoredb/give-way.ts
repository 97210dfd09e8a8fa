/**
 * How long a process should leave its streams to others after an append. Whoever lost a stream has to read before it can
 * try again, and would never come first against one that appends again and again (tried: not in ten seconds). So that
 * one stops for as long as this takes: always while others are known to append there, and else now and then in case
 * they want to.
 */
import type { Tail } from './stream-tail.js';

/** To hear of the conflict, to read (not where the events were just made), to append. */
const ROUND_TRIPS = 3;
/** A read can take longer than the append whose round trip was measured. */
const MIN_PAUSE_MS = 10;
/** A stream counts as contended for so long after a conflict. */
const CONTENDED_FOR_MS = 1_000;
/** So long at least a process appends to a stream before it gives way in case others want to. */
const HELD_FOR_MS = 100;
/** And so many times as long as it gives way: where nobody wants to, that costs a fortieth. */
const HELD_FACTOR = 40;

/** Called when a stream is about to be appended to: one that lay idle for long enough was given way to. */
export function noteUse(tail: Tail): void {
  const now = Date.now();
  if (now - tail.confirmedMs >= tail.giveWayMs) tail.heldSinceMs = now;
}

/** @param roundTripMs of the last append. @returns 0 where there is no reason to wait */
export function giveWayMs(tails: Iterable<Tail>, roundTripMs: number): number {
  const now = Date.now();
  const pauseMs = Math.max(MIN_PAUSE_MS, ROUND_TRIPS * roundTripMs);
  let isDue = false;
  for (const tail of tails) {
    tail.giveWayMs = pauseMs;
    const isContended = tail.contendedMs > now - CONTENDED_FOR_MS;
    if (!isContended && now - tail.heldSinceMs < Math.max(HELD_FOR_MS, HELD_FACTOR * pauseMs)) continue;
    tail.heldSinceMs = now;
    isDue = true;
  }
  return isDue ? pauseMs : 0;
}
