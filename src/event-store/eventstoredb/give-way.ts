/**
 * When a process should leave its streams to others for a moment. Whoever has to read after a conflict, because its
 * events may have been there already, would never come first against one that appends again and again (tried: not in ten
 * seconds). So that one stops now and then for as long as this takes, in case others want to.
 *
 * Of several that append at once all must stop together, or the reader still comes too late. They do without a word to
 * each other: at every {@link VERSIONS_A_BREATH}th version of the stream, which each of them passes or is told of by its
 * conflict. (Stopping after every append instead, six processes came to a third of that rate.)
 */
import type { Tail } from './stream-tail.js';

/** To hear of the conflict, to read, to append; and who has just read all but the last goes through it once more. */
const ROUND_TRIPS = 6;
/** A read can take longer than the append whose round trip was measured. */
const MIN_PAUSE_MS = 15;
/** A stream counts as contended for so long after a conflict. */
const CONTENDED_FOR_MS = 1_000;
const VERSIONS_A_BREATH = 256;
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
    const breath = Math.floor(tail.version / VERSIONS_A_BREATH);
    const isDrawn = tail.contendedMs > now - CONTENDED_FOR_MS && breath > tail.breath;
    tail.breath = breath;
    if (!isDrawn && now - tail.heldSinceMs < Math.max(HELD_FOR_MS, HELD_FACTOR * pauseMs)) continue;
    tail.heldSinceMs = now;
    isDue = true;
  }
  return isDue ? pauseMs : 0;
}
