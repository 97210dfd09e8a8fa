/**
 * The tails of the streams this process appended to last, so that appending again needs no look at the stream
 * first. What another process appends meanwhile shows as a conflict, and is then read.
 *
 * Room is shared out: the more streams, the fewer events are remembered of each. Few are enough for whoever appends
 * what is newer than all it forgot, and a tail that fell out altogether costs its stream a read.
 */
import { LRUCache } from 'lru-cache';
import { forgetOldest, type Tail } from './stream-tail.js';

/** A remembered event costs some 200 bytes, and a tail about as much. */
const MAX_ENTRIES = 100_000;
const MAX_EVENTS_A_STREAM = 8_192;
const MIN_EVENTS_A_STREAM = 2;

export class TailCache {
  readonly #tails = new LRUCache<string, Tail>({
    maxSize: MAX_ENTRIES,
    sizeCalculation: tail => tail.known.size + 1,
  });

  get(stream: string): Tail | undefined {
    return this.#tails.get(stream);
  }

  keep(stream: string, tail: Tail): void {
    const share = Math.floor(MAX_ENTRIES / (this.#tails.size + 1)) - 1;
    const most = Math.min(Math.max(share, MIN_EVENTS_A_STREAM), MAX_EVENTS_A_STREAM);
    // By half, so that not every append of a long series has to forget.
    if (tail.known.size > most) forgetOldest(tail, Math.ceil(most / 2));
    // The cache asks for a size only of what it does not have.
    this.#tails.delete(stream);
    this.#tails.set(stream, tail);
  }

  forget(stream: string): void {
    this.#tails.delete(stream);
  }
}
