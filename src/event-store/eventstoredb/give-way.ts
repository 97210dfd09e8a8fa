/**
 * When a process should leave its streams to others for a moment. Whoever has to read after a conflict, because its
 * events may have been there already, would never come first against one that appends again and again (tried: not in ten
 * seconds). So that one stops now and then for as long as this takes, in case others want to.
 *
 * Of several that append at once all must stop together, or the reader still comes too late. They do without a word to
 * each other, at versions of the stream that are multiples of the same number, which each of them passes or is told of by
 * its conflict. That number is a power of two that follows the stream's rate, which all see alike: those who reckon twice
 * as much stop at every second of the others' places. Whoever reads so comes in after a few dozen round trips, however
 * long these are. (At every 256th version, whatever the rate, it took 400 of them, and on a busy cluster an append
 * to seven streams was not stored in 120 s. Stopping after every append, six processes came to a third of their rate.)
 */
import type { Tail } from './stream-tail.js';

/** To hear of the conflict, to read, to append; and who has just read all but the last goes through it once more. */
const ROUND_TRIPS = 6;
/** A read can take longer than the append whose round trip was measured. */
const MIN_PAUSE_MS = 15;
/** A stream counts as contended for so many pauses after a conflict. */
const CONTENDED_FOR = 20;
/** At a multiple of so many versions at least all leave a contended stream, */
const MIN_INTERVAL = 32;
/** or of what it gains in so long; */
const INTERVAL_MS = 200;
/** but not before a process has held it for so many pauses: with many streams one is always at such a place. */
const HELD_AT_LEAST = 2;
/** So many pauses a process holds a stream that seems its own: where nobody wants to come in, that costs a fortieth. */
const HELD_ALONE = 40;

/**
 * Called when a stream is about to be appended to: one that lay idle for long enough was given way to.
 * @param nowMs by the monotonic clock
 */
export function noteUse(tail: Tail, nowMs = performance.now()): void {
  if (nowMs >= tail.isLeftAtMs) tail.held = undefined;
}

/**
 * @param tails of streams that were just appended to
 * @param roundTripMs of the last append
 * @param nowMs by the monotonic clock
 * @returns for how long to leave all of them, milliseconds; 0 where there is no reason to
 */
export function giveWayMs(tails: Iterable<Tail>, roundTripMs: number, nowMs = performance.now()): number {
  const pauseMs = Math.max(MIN_PAUSE_MS, ROUND_TRIPS * roundTripMs);
  const all = [...tails];
  const isDue = all.filter(tail => isToBeLeft(tail, pauseMs, nowMs)).length > 0;
  for (const tail of all) {
    tail.isLeftAtMs = nowMs + pauseMs;
    tail.askedVersion = tail.version;
    if (isDue || !tail.held) tail.held = { sinceMs: nowMs, sinceVersion: tail.version };
  }
  return isDue ? pauseMs : 0;
}

function isToBeLeft({ held, version, askedVersion, contendedMs }: Tail, pauseMs: number, nowMs: number) {
  if (!held) return false;
  const heldMs = nowMs - held.sinceMs;
  if (heldMs >= HELD_ALONE * pauseMs) return true;
  if (heldMs < HELD_AT_LEAST * pauseMs || nowMs - contendedMs >= CONTENDED_FOR * pauseMs) return false;
  const gained = ((version - held.sinceVersion) * INTERVAL_MS) / heldMs;
  const interval = 2 ** Math.floor(Math.log2(Math.max(MIN_INTERVAL, gained)));
  return Math.floor(version / interval) > Math.floor(askedVersion / interval);
}
