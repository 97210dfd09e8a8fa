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
import { BriefEnding, type Ending } from '../base/deadline.js';

export class LookupTimeoutError extends Error {
  constructor(deadlineMs: number, from = 'the database') {
    super(`no answer from ${from} within ${deadlineMs} ms`);
    this.name = 'LookupTimeoutError';
  }
}

/** Answers in the order of the keys. */
type Query<Key, Answer> = (keys: readonly Key[], signal: Ending) => Promise<readonly Answer[]>;

/** A class, for it leads to all that its lookup has made: see shared-tier/reader.ts. */
class Waiting<Key, Answer> {
  readonly key: Key;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (reason: unknown) => void;

  constructor(key: Key, resolve: (answer: Answer) => void, reject: (reason: unknown) => void) {
    this.key = key;
    this.resolve = resolve;
    this.reject = reject;
  }
}

const MAX_BATCH = 1_000;

export interface BatcherOptions {
  readonly deadlineMs: number;
  /** Queries under way at once, usually the size of the pool. */
  readonly maxInFlight: number;
  /** Keys a query. Default 1 000: as many as one request of the HTTP API may ask for. */
  readonly maxBatch?: number;
  /** Whom nobody waits for any longer, for the message. Default: the database. */
  readonly from?: string;
}

export class LookupBatcher<Key, Answer> {
  readonly #query: Query<Key, Answer>;
  readonly #options: BatcherOptions;
  readonly #queue: Batch<Key, Answer>[] = [];
  #open: Batch<Key, Answer> | undefined;
  #inFlight = 0;

  constructor(query: Query<Key, Answer>, options: BatcherOptions) {
    this.#query = query;
    this.#options = options;
  }

  /** @throws LookupTimeoutError after the deadline; otherwise what the query threw */
  lookup(key: Key): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#batch().waiting.push(new Waiting(key, resolve, reject));
    });
  }

  #batch(): Batch<Key, Answer> {
    const { maxBatch = MAX_BATCH } = this.#options;
    if (this.#open && this.#open.waiting.length < maxBatch) return this.#open;
    const batch = new Batch<Key, Answer>(this.#options, expired => this.#drop(expired));
    this.#open = batch;
    this.#queue.push(batch);
    // A microtask later the callers of this turn have all joined.
    queueMicrotask(() => this.#pump());
    return batch;
  }

  #drop(batch: Batch<Key, Answer>): void {
    const index = this.#queue.indexOf(batch);
    if (index >= 0) this.#queue.splice(index, 1);
    if (this.#open === batch) this.#open = undefined;
  }

  #pump(): void {
    while (this.#inFlight < this.#options.maxInFlight) {
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

class Batch<Key, Answer> {
  readonly waiting: Waiting<Key, Answer>[] = [];
  readonly #ending = new BriefEnding();
  readonly #timer: NodeJS.Timeout;
  #settled = false;

  constructor({ deadlineMs, from }: BatcherOptions, onExpired: (batch: Batch<Key, Answer>) => void) {
    this.#timer = setTimeout(() => {
      setImmediate(() => {
        if (this.#settled) return;
        onExpired(this);
        const timeout = new LookupTimeoutError(deadlineMs, from);
        this.#reject(timeout);
        this.#ending.abort(timeout);
      });
    }, deadlineMs);
  }

  async run(query: Query<Key, Answer>): Promise<void> {
    try {
      const answers = await query(
        this.waiting.map(w => w.key),
        this.#ending,
      );
      if (this.#settled) return;
      for (const [i, waiting] of this.#settle().entries()) waiting.resolve(answers[i] as Answer);
    } catch (error) {
      this.#reject(error);
    }
  }

  #reject(reason: unknown): void {
    if (this.#settled) return;
    for (const waiting of this.#settle()) waiting.reject(reason);
  }

  /** The list is emptied, for V8 may make it old from the start like a literal, and it leads to all of the lookups. */
  #settle(): Waiting<Key, Answer>[] {
    this.#settled = true;
    clearTimeout(this.#timer);
    return this.waiting.splice(0);
  }
}
