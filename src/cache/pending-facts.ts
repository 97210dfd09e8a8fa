/**
 * What waits in the recorder, and how it is kept bounded (promise 8).
 *
 *   facts      in the order of recording
 *   hits       counted per connector and tier: one event each, made when a batch takes them
 *   in flight  the batch that is being stored; stays in front, as it is, until it is acknowledged
 *
 * Everything recorded has a number, so that a flush can take what was recorded before it began and leave the rest.
 * Over the limit hits go first, then the oldest facts, each counted.
 */
import type { Tier } from '../events/catalogue.js';
import type { Fact } from '../events/event.js';
import { hitsStreamOf, streamOf } from '../events/streams.js';
import { Fifo } from './fifo.js';
import { type CountedRef, HitCounts } from './hit-counts.js';

export interface RecordOptions {
  readonly correlationId?: string | undefined;
  /** The fact this one follows from. */
  readonly causedBy?: RecordedFact | undefined;
}

/** A fact on its way; its id is given when it first leaves. */
export interface RecordedFact {
  readonly fact: Fact;
  readonly occurredAt: number;
  id: string | undefined;
}

export interface PendingFact extends RecordedFact {
  /** In the order of recording. */
  readonly number: number;
  readonly stream: string;
  readonly correlationId: string | undefined;
  readonly causedBy: RecordedFact | undefined;
}

const BATCH_SIZE = 500;

export class PendingFacts {
  readonly #maxPending: number;
  readonly #hits = new HitCounts();
  readonly #facts = new Fifo<PendingFact>();
  #inFlight: readonly PendingFact[] = [];
  #lastNumber = 0;
  droppedHits = 0;
  droppedFacts = 0;

  constructor(maxPending: number) {
    this.#maxPending = maxPending;
  }

  get size(): number {
    return this.#facts.length + this.#inFlight.length + this.#hits.size;
  }

  /** A batch is full of facts alone. */
  get hasFullBatch(): boolean {
    return this.#facts.length >= BATCH_SIZE;
  }

  /** Of what was recorded last, a fact or the first hit of a count. */
  get lastNumber(): number {
    return this.#lastNumber;
  }

  /** None is left behind it but for what is recorded meanwhile. */
  get isLastInFlight(): boolean {
    return this.#inFlight.length < BATCH_SIZE;
  }

  /** The batch that {@link take} took. */
  get inFlight(): readonly PendingFact[] {
    return this.#inFlight;
  }

  add(fact: Fact, occurredAt: number, { correlationId, causedBy }: RecordOptions): PendingFact {
    const pending: PendingFact = {
      number: ++this.#lastNumber,
      fact,
      occurredAt,
      id: undefined,
      stream: streamOf(fact),
      correlationId,
      causedBy,
    };
    this.#facts.push(pending);
    this.#makeRoom();
    return pending;
  }

  addHit(ref: CountedRef, tier: Tier, key: string, at: number, how: 'stale' | undefined): void {
    if (this.#hits.count(ref, tier, key, at, this.#lastNumber + 1, how)) this.#lastNumber++;
    this.#makeRoom();
  }

  /** Moves the next batch in flight unless one is; false when nothing is left up to the mark. */
  take(mark: number): boolean {
    if (this.#inFlight.length > 0) return true;
    let due = 0;
    while (due < BATCH_SIZE && (this.#facts.at(due)?.number ?? Number.POSITIVE_INFINITY) <= mark) due++;
    const batch = this.#facts.take(due);
    // Only as many as travel now: what stays behind goes on being counted, and goes first when room is needed.
    while (batch.length < BATCH_SIZE) {
      const oldest = this.#hits.takeOldest(mark);
      if (!oldest) break;
      const { number, data } = oldest;
      batch.push({
        number,
        fact: { type: 'ConnectorStateHit', data },
        occurredAt: data.lastAt,
        id: undefined,
        stream: hitsStreamOf(data),
        correlationId: undefined,
        causedBy: undefined,
      });
    }
    this.#inFlight = batch;
    return batch.length > 0;
  }

  /** These, of the batch in flight, are stored or will never be. */
  settle(done: readonly PendingFact[]): void {
    if (done.length === this.#inFlight.length) {
      this.#inFlight = [];
      return;
    }
    const gone = new Set(done);
    this.#inFlight = this.#inFlight.filter(pending => !gone.has(pending));
  }

  #makeRoom(): void {
    if (this.size <= this.#maxPending) return;
    const dropped = this.#hits.takeOldest();
    // A batch under way may be stored already, so only what no flush has taken can be dropped.
    if (dropped) this.droppedHits += dropped.data.count;
    else if (this.#facts.shift()) this.droppedFacts++;
  }
}
