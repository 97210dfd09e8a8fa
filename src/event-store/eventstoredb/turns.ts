/**
 * Reads take turns here, below the 100 calls that a server takes on one connection at once. Beyond them gRPC would keep a
 * call waiting without a word, which looks like a server that says nothing: of 300 reads of 2 000 events all were
 * rejected after 31 s. A read's deadline begins with its turn; what waits is rejected only when nobody got anywhere for
 * as long as a read may take.
 *
 * A connection's calls, at most: {@link READS_AT_ONCE}, {@link LOOKS_AT_ONCE} of appends, which so never queue behind
 * reads, and the one call that all appends share. Subscriptions have connections of their own.
 */
import { createLimit } from '../../base/limit.js';
import { EventStoreFailure } from './failure.js';

/** More do not read faster: the server sends one connection's worth. */
export const READS_AT_ONCE = 24;
/** Reads of the ends of streams that are to be appended to. */
export const LOOKS_AT_ONCE = 64;
/** On one connection. */
export const SUBSCRIPTIONS_AT_ONCE = 90;

export class Turns {
  readonly #limit: ReturnType<typeof createLimit>;
  readonly #patienceMs: number;
  #progressAtMs = Number.NEGATIVE_INFINITY;

  constructor(atOnce: number, patienceMs: number) {
    this.#limit = createLimit(atOnce);
    this.#patienceMs = patienceMs;
  }

  run<T>(action: string, work: () => Promise<T>): Promise<T> {
    const sinceMs = performance.now();
    return this.#limit(async () => {
      if (performance.now() - Math.max(sinceMs, this.#progressAtMs) >= this.#patienceMs) {
        throw new EventStoreFailure(
          `the event store could not ${action} (nothing was answered in ${this.#patienceMs} ms, to those before it neither): retry`,
          true,
        );
      }
      const result = await work();
      this.#progressAtMs = performance.now();
      return result;
    });
  }
}
