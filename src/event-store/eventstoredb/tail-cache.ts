/**
 * The tails of the streams this process appended to last, so that appending again needs no look at the stream
 * first. What another process appends meanwhile shows as a conflict, and is then read.
 */
import { LRUCache } from 'lru-cache';
import { forgetOldest, type Tail } from './stream-tail.js';

/** A remembered event costs some 200 bytes. */
const MAX_EVENTS = 50_000;
const MAX_EVENTS_A_STREAM = 8_192;
const KEPT_EVENTS_A_STREAM = 4_096;

export class TailCache {
  readonly #tails = new LRUCache<string, Tail>({
    maxSize: MAX_EVENTS,
    sizeCalculation: tail => tail.known.size + 1,
  });

  get(stream: string): Tail | undefined {
    return this.#tails.get(stream);
  }

  keep(stream: string, tail: Tail): void {
    if (tail.known.size > MAX_EVENTS_A_STREAM) forgetOldest(tail, KEPT_EVENTS_A_STREAM);
    // The cache asks for a size only of what it does not have.
    this.#tails.delete(stream);
    this.#tails.set(stream, tail);
  }

  forget(stream: string): void {
    this.#tails.delete(stream);
  }
}
