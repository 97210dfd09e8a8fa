/**
 * The tails of the streams that a batch of writes is for: remembered, else read, and read on when there is reason to.
 * While the batch is under way nobody else appends to these streams from this process.
 */
import type { createLimit } from '../../base/limit.js';
import type { CallContext } from './calls.js';
import type { Node } from './connection.js';
import { isTransient, ofAll, toFailure } from './failure.js';
import { noteUse } from './give-way.js';
import type { Interruption } from './interruption.js';
import { reaches, readTail, refreshTail, type SearchBound, type Tail, tailOfNew } from './stream-tail.js';
import type { TailCache } from './tail-cache.js';

export interface TailContext extends CallContext {
  readonly tails: TailCache;
  /** What the server takes at once, as it turned out, in bytes of {@link sizeOf}, and how many writes it took since. */
  readonly limit: { bytes: number; stored: number };
  /** Of all appends of the process: reads of the ends of streams. */
  readonly looks: ReturnType<typeof createLimit>;
}

export class TailsInUse {
  readonly #context: TailContext;
  readonly #bounds: ReadonlyMap<string, SearchBound>;
  readonly #tails = new Map<string, Tail>();
  /** Streams whose tail was read, not remembered, so that what it says of the version holds. */
  readonly #fresh = new Set<string>();
  readonly #tellsNew: boolean;

  /** @param tellsNew whether somebody wants to know which events were there already */
  constructor(context: TailContext, bounds: ReadonlyMap<string, SearchBound>, tellsNew: boolean) {
    this.#context = context;
    this.#bounds = bounds;
    this.#tellsNew = tellsNew;
  }

  of(stream: string): Tail {
    return this.#tails.get(stream) as Tail;
  }

  all(): Iterable<Tail> {
    return this.#tails.values();
  }

  isFresh(stream: string): boolean {
    return this.#fresh.has(stream);
  }

  /**
   * Reads the tails that are not remembered, and again all whose last appends had no answer.
   * @param newTo streams none of whose events can be there: they are not read
   */
  async look(node: Node, interruption: Interruption, newTo: ReadonlySet<string>): Promise<void> {
    const looks: (() => Promise<void>)[] = [];
    for (const [stream, bound] of this.#bounds) {
      const inUse = this.#tails.get(stream);
      if (inUse) {
        looks.push(
          reaches(inUse, bound)
            ? () => this.refresh(node, stream, undefined, interruption)
            : () => this.#read(node, stream, bound, interruption),
        );
        continue;
      }
      const remembered = this.#context.tails.get(stream);
      // Of several streams one that is not new after all would come behind the others in the log.
      if (newTo.has(stream) && (remembered || this.#bounds.size === 1)) {
        if (remembered) noteUse(remembered);
        this.#tails.set(stream, remembered ?? tailOfNew());
        continue;
      }
      if (!remembered || !reaches(remembered, bound)) {
        looks.push(() => this.#read(node, stream, bound, interruption));
        continue;
      }
      noteUse(remembered);
      this.#tails.set(stream, remembered);
      if (this.#tellsNew && this.#mayRepeatAll(remembered, bound)) {
        looks.push(() => this.refresh(node, stream, undefined, interruption));
      }
    }
    if (looks.length === 0) return;
    const refusals: Error[] = [];
    const note = (error: Error) => {
      if (isTransient(error)) throw error;
      refusals.push(error);
    };
    await Promise.all(looks.map(look => this.#context.looks(look).catch(note)));
    const refusal = ofAll(refusals);
    if (refusal) throw refusal;
  }

  /** @param actual the version at which the server says the stream is */
  async refresh(
    node: Node,
    stream: string,
    actual: number | undefined,
    operation: Interruption,
  ): Promise<void> {
    // Shorter than it was: another log is served now, from a backup for instance, and what is remembered is not of it.
    if (actual !== undefined && actual < this.of(stream).version) {
      await this.#read(node, stream, this.#bounds.get(stream) as SearchBound, operation);
      return;
    }
    await refreshTail(node, stream, this.of(stream), actual, operation).catch(error => {
      throw toFailure(error, 'append', stream);
    });
    this.#fresh.add(stream);
  }

  keep(): void {
    for (const [stream, tail] of this.#tails) this.#context.tails.keep(stream, tail);
  }

  /**
   * Another process may have stored all of the events since we last heard of the stream: the server would take them
   * for the same append, and we for a new one. With a single one among them that was made later it would not. Made in the same millisecond it may
   * have been stored before.
   */
  #mayRepeatAll({ confirmedMs }: Tail, { latestIdMs }: SearchBound): boolean {
    return latestIdMs <= confirmedMs;
  }

  async #read(node: Node, stream: string, bound: SearchBound, operation: Interruption) {
    const tail = await readTail(node, stream, bound, operation).catch(error => {
      throw toFailure(error, 'append', stream);
    });
    this.#tails.set(stream, tail);
    this.#fresh.add(stream);
  }
}
