/**
 * Concurrent lookups of different keys travel in one query, and none outlasts its deadline.
 *
 * A batch collects keys while the turn of the event loop that opened it lasts, or, when as many queries are
 * under way as there are connections, until one of those returns: the busier the database, the larger the
 * batches. Each batch has one deadline, counted from its first key, so a key that joins later waits shorter,
 * never longer.
 *
 * The deadline is for the database, not for us. Timers fire before sockets are read, so after a busy stretch
 * of this process (loading an SDK takes 200 ms) an answer that lies ready would be called late. When the
 * timer fires, the sockets are therefore read once more before anything is given up.
 */
import type { LookupKey, LookupReply, LookupRow } from '../read-model/lookup.js';

export class LookupTimeoutError extends Error {
  constructor(deadlineMs: number) {
    super(`no answer from the database within ${deadlineMs} ms`);
    this.name = 'LookupTimeoutError';
  }
}

/** One key's share of a reply. */
export type LookupAnswer = LookupRow & Pick<LookupReply, 'clockId' | 'sample' | 'checkpoint' | 'head'>;

type Query = (keys: readonly LookupKey[], signal: AbortSignal) => Promise<LookupReply>;

interface Waiting {
  readonly key: LookupKey;
  readonly resolve: (answer: LookupAnswer) => void;
  readonly reject: (reason: unknown) => void;
}

const MAX_BATCH = 200;

export class LookupBatcher {
  readonly #query: Query;
  readonly #deadlineMs: number;
  readonly #maxInFlight: number;
  readonly #queue: Batch[] = [];
  #open: Batch | undefined;
  #inFlight = 0;

  /** @param maxInFlight queries under way at once, usually the size of the pool */
  constructor(query: Query, options: { deadlineMs: number; maxInFlight: number }) {
    this.#query = query;
    this.#deadlineMs = options.deadlineMs;
    this.#maxInFlight = options.maxInFlight;
  }

  /** @throws LookupTimeoutError after the deadline; otherwise what the query threw */
  lookup(key: LookupKey): Promise<LookupAnswer> {
    return new Promise((resolve, reject) => {
      this.#batch().waiting.push({ key, resolve, reject });
    });
  }

  #batch(): Batch {
    if (this.#open && this.#open.waiting.length < MAX_BATCH) return this.#open;
    const batch = new Batch(this.#deadlineMs, expired => this.#drop(expired));
    this.#open = batch;
    this.#queue.push(batch);
    // A microtask later the callers of this turn have all joined.
    queueMicrotask(() => this.#pump());
    return batch;
  }

  #drop(batch: Batch): void {
    const index = this.#queue.indexOf(batch);
    if (index >= 0) this.#queue.splice(index, 1);
    if (this.#open === batch) this.#open = undefined;
  }

  #pump(): void {
    while (this.#inFlight < this.#maxInFlight) {
      const batch = this.#queue.shift();
      if (!batch) return;
      if (this.#open === batch) this.#open = undefined;
      this.#inFlight++;
      void batch.run(this.#query).finally(() => {
        this.#inFlight--;
        this.#pump();
      });
    }
  }
}

class Batch {
  readonly waiting: Waiting[] = [];
  readonly #abort = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #settled = false;

  constructor(deadlineMs: number, onExpired: (batch: Batch) => void) {
    this.#timer = setTimeout(() => {
      setImmediate(() => {
        if (this.#settled) return;
        onExpired(this);
        const timeout = new LookupTimeoutError(deadlineMs);
        this.#reject(timeout);
        this.#abort.abort(timeout);
      });
    }, deadlineMs);
  }

  async run(query: Query): Promise<void> {
    try {
      const reply = await query(
        this.waiting.map(w => w.key),
        this.#abort.signal,
      );
      if (this.#settled) return;
      this.#settle();
      for (const [i, waiting] of this.waiting.entries()) {
        const { clockId, sample, checkpoint, head } = reply;
        waiting.resolve({ ...(reply.rows[i] as LookupRow), clockId, sample, checkpoint, head });
      }
    } catch (error) {
      this.#reject(error);
    }
  }

  #reject(reason: unknown): void {
    if (this.#settled) return;
    this.#settle();
    for (const waiting of this.waiting) waiting.reject(reason);
  }

  #settle(): void {
    this.#settled = true;
    clearTimeout(this.#timer);
  }
}
