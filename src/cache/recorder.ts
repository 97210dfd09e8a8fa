/**
 * The recorder: where facts wait for the event store, so that nobody waits for it.
 *
 * `record()` never blocks and never throws. A fact is *pending* until a flush takes it; a flush takes one
 * batch at a time (*in flight*), and only the store's acknowledgement ends a fact's life here. If the append
 * fails, the batch stays in front, in order and under the same event ids, so that a retry after a lost answer
 * stores nothing twice (promise 1). Hits are not facts yet: they are counted per connector and tier, and
 * become one event each when a flush takes them.
 *
 * A flush is started by a timer some time after the first fact of a batch, by a full batch, or by `flush()`. It
 * takes what was recorded before it began and leaves the rest to the next, so that it ends however busily others
 * go on recording: everything recorded has a number, and a flush a high-water mark. After a failure the timer
 * backs off, doubling up to half a minute. The timer never keeps a process alive: whoever must not lose facts (a
 * serverless function, a shutdown) awaits `flush()`.
 *
 * Memory is bounded (promise 8). Over the limit hits go first, then the oldest facts, each counted and
 * warned about. What fails validation can never be stored: it is dropped with an error that names it, for it
 * would otherwise block everything behind it.
 */
import { withDeadline } from '../deadline.js';
import { isConnectorStateError } from '../errors.js';
import type { AppendResult, EventStore } from '../event-store/event-store.js';
import type { Tier } from '../events/catalogue.js';
import type { ConnectorRef } from '../events/connector.js';
import type { Fact, NewEvent, Position } from '../events/event.js';
import { CLEANUP_STREAM, hitsStreamOf, stateStreamOf } from '../events/streams.js';
import type { Logger } from '../logging.js';
import { HitCounts } from './hit-counts.js';
import { connectorKeyOf } from './known-connector.js';

export interface RecorderOptions {
  /** Loaded at the first flush: the store and the schemas are not part of a cold start. */
  readonly store: () => Promise<Pick<EventStore, 'append'>>;
  /** Makes event ids (UUIDv7); loaded with the store. */
  readonly newId: () => Promise<() => string>;
  /** Awaited by `flush()` after events were stored, e.g. to project them. Its failure is logged. */
  readonly afterAppend?: (position: Position) => Promise<void>;
  readonly maxPending: number;
  readonly flushIntervalMs: number;
  readonly host: string;
  /** Wall clock, epoch milliseconds. */
  readonly wall: () => number;
  readonly log: Logger;
}

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

interface Pending extends RecordedFact {
  /** In the order of recording; see the high-water mark of a flush. */
  readonly number: number;
  readonly stream: string;
  readonly correlationId: string | undefined;
  readonly causedBy: RecordedFact | undefined;
}

export interface RecorderStats {
  readonly pending: number;
  readonly recorded: number;
  readonly appended: number;
  readonly droppedHits: number;
  readonly droppedFacts: number;
  readonly rejected: number;
  readonly flushFailures: number;
}

export interface FlushResult {
  /** True when everything that was pending at the call has been stored. */
  readonly ok: boolean;
  /** What is pending now: what could not be stored, and what was recorded meanwhile. */
  readonly pending: number;
  /** The last event this call put into the event store. */
  readonly position: Position | undefined;
  /**
   * Events this call stored in the outbox, where they wait for the event store: safe, but not to be seen yet. Left
   * out when there are none.
   */
  readonly waiting?: number;
}

const BATCH_SIZE = 500;
const MAX_BACKOFF_MS = 30_000;

export class Recorder {
  readonly #options: RecorderOptions;
  #facts: Pending[] = [];
  /** Taken by a flush and not yet acknowledged; always retried before anything newer. */
  #inFlight: Pending[] = [];
  readonly #hits = new HitCounts();
  /** Of what was recorded last, a fact or the first hit of a count. */
  #lastNumber = 0;
  #flushing: Promise<FlushResult> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #closed = false;
  #counters = { recorded: 0, appended: 0, droppedHits: 0, droppedFacts: 0, rejected: 0, flushFailures: 0 };

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  record(fact: Fact, options: RecordOptions = {}): RecordedFact {
    const pending: Pending = {
      number: ++this.#lastNumber,
      fact,
      occurredAt: Math.round(this.#options.wall()),
      id: undefined,
      stream: streamOf(fact),
      correlationId: options.correlationId,
      causedBy: options.causedBy,
    };
    this.#facts.push(pending);
    this.#counters.recorded++;
    this.#makeRoom();
    this.#flushSoon();
    return pending;
  }

  /** @param key names the connector; made anew when it is left out */
  recordHit(ref: ConnectorRef, tier: Tier, key: string = connectorKeyOf(ref), how?: 'stale'): void {
    const at = Math.round(this.#options.wall());
    if (this.#hits.count(ref, tier, key, at, this.#lastNumber + 1, how)) this.#lastNumber++;
    this.#counters.recorded++;
    this.#makeRoom();
    this.#schedule();
  }

  /**
   * Stores what is pending now, not what is recorded meanwhile. Never throws: a failure is logged and leaves
   * everything pending.
   * @param timeoutMs gives up waiting (not the flush itself) after this long
   */
  async flush(timeoutMs?: number): Promise<FlushResult> {
    const flushed = this.#flushAll();
    if (timeoutMs === undefined) return flushed;
    return withDeadline(flushed, timeoutMs, () => ({
      ok: false,
      pending: this.#size(),
      position: undefined,
    }));
  }

  stats(): RecorderStats {
    return { pending: this.#size(), ...this.#counters };
  }

  /** A last flush, bounded; what could not be stored is said in the log. */
  async close(timeoutMs: number): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    const { pending } = await this.flush(timeoutMs);
    clearTimeout(this.#timer);
    if (pending > 0) {
      this.#options.log.error({ pending }, `closing with ${pending} facts that could not be stored`);
    }
  }

  #size(): number {
    return this.#facts.length + this.#inFlight.length + this.#hits.size;
  }

  async #flushAll(): Promise<FlushResult> {
    // Who calls while a flush is under way wants what was recorded since then stored too; all who do share the next.
    if (this.#flushing) await this.#flushing;
    this.#flushing ??= this.#drain(this.#lastNumber).finally(() => {
      this.#flushing = undefined;
      if (this.#size() > 0) this.#flushSoon();
    });
    return this.#flushing;
  }

  /** @param mark stores what was recorded up to this number */
  async #drain(mark: number): Promise<FlushResult> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    let position: Position | undefined;
    let waiting = 0;
    try {
      while (this.#take(mark)) {
        const result = await this.#append();
        position = result?.position ?? position;
        waiting += result?.waiting ?? 0;
        this.#failures = 0;
      }
    } catch (error) {
      this.#failures++;
      this.#counters.flushFailures++;
      const problem = {
        error: error instanceof Error ? error.message : String(error),
        pending: this.#size(),
      };
      this.#options.log.warn(problem, 'facts could not be stored and stay pending; they will be retried');
      return { ok: false, pending: this.#size(), position, ...(waiting > 0 && { waiting }) };
    }
    if (position) await this.#runAfterAppend(position);
    return { ok: true, pending: this.#size(), position, ...(waiting > 0 && { waiting }) };
  }

  /** Moves the next batch in flight; false when nothing is left up to the mark. */
  #take(mark: number): boolean {
    if (this.#inFlight.length > 0) return true;
    let due = 0;
    while (due < BATCH_SIZE && (this.#facts[due]?.number ?? Number.POSITIVE_INFINITY) <= mark) due++;
    this.#inFlight = this.#facts.splice(0, due);
    // Only as many as travel now: what stays behind goes on being counted, and goes first when room is needed.
    while (this.#inFlight.length < BATCH_SIZE) {
      const oldest = this.#hits.takeOldest(mark);
      if (!oldest) break;
      const { number, data } = oldest;
      this.#inFlight.push({
        number,
        fact: { type: 'ConnectorStateHit', data },
        occurredAt: data.lastAt,
        id: undefined,
        stream: hitsStreamOf(data),
        correlationId: undefined,
        causedBy: undefined,
      });
    }
    return this.#inFlight.length > 0;
  }

  async #append(): Promise<AppendResult | undefined> {
    const [store, newId] = await Promise.all([this.#options.store(), this.#options.newId()]);
    for (const pending of this.#inFlight) pending.id ??= newId();
    try {
      const result = await store.append(this.#inFlight.map(pending => this.#toEvent(pending)));
      this.#counters.appended += this.#inFlight.length;
      this.#inFlight = [];
      return result;
    } catch (error) {
      if (!isConnectorStateError(error, 'INVALID_EVENT')) throw error;
      await this.#dropInvalid();
      return undefined;
    }
  }

  async #dropInvalid(): Promise<void> {
    const { validateNewEvent } = await import('../events/decode.js');
    const before = this.#inFlight.length;
    this.#inFlight = this.#inFlight.filter(pending => {
      try {
        validateNewEvent(this.#toEvent(pending));
        return true;
      } catch (error) {
        this.#counters.rejected++;
        this.#options.log.error(
          { error: (error as Error).message },
          'a fact that fails its schema was dropped',
        );
        return false;
      }
    });
    // The store refused what the schema allows: dropping all is the only way not to block for ever.
    if (this.#inFlight.length === before) {
      this.#counters.rejected += before;
      this.#options.log.error(
        { dropped: before },
        'a batch of facts that the store calls invalid was dropped',
      );
      this.#inFlight = [];
    }
  }

  async #runAfterAppend(position: Position): Promise<void> {
    try {
      await this.#options.afterAppend?.(position);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#options.log.warn(
        { error: message },
        'stored facts could not be projected now; the next flush tries again',
      );
    }
  }

  #toEvent({ fact, stream, id, occurredAt, correlationId, causedBy }: Pending): NewEvent {
    return {
      ...fact,
      id: id as string,
      stream,
      occurredAt,
      host: this.#options.host,
      ...(correlationId ? { correlationId } : {}),
      ...(causedBy?.id ? { causationId: causedBy.id } : {}),
    };
  }

  #makeRoom(): void {
    if (this.#size() <= this.#options.maxPending) return;
    const dropped = this.#hits.takeOldest();
    if (dropped) {
      this.#counters.droppedHits += dropped.data.count;
      return;
    }
    if (this.#counters.droppedFacts === 0) {
      this.#options.log.error(
        { maxPending: this.#options.maxPending },
        'the buffer of pending facts is full and the oldest are dropped: raise MAX_PENDING_EVENTS or mend the event store',
      );
    }
    // A batch under way may be stored already, so only what no flush has taken can be dropped.
    if (this.#facts.shift()) this.#counters.droppedFacts++;
  }

  /** At once when a batch is full and the store takes them, else when the timer says. */
  #flushSoon(): void {
    if (this.#facts.length < BATCH_SIZE || this.#failures > 0) this.#schedule();
    else if (!this.#closed) this.#flushInBackground();
  }

  #schedule(): void {
    if (this.#timer || this.#closed) return;
    const backoff = Math.min(this.#options.flushIntervalMs * 2 ** this.#failures, MAX_BACKOFF_MS);
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#flushInBackground();
      },
      this.#failures === 0 ? this.#options.flushIntervalMs : Math.max(backoff, this.#options.flushIntervalMs),
    );
    this.#timer.unref();
  }

  #flushInBackground(): void {
    if (!this.#flushing) void this.#flushAll();
  }
}

function streamOf(fact: Fact): string {
  switch (fact.type) {
    case 'ExpiredStatesCleaned':
      return CLEANUP_STREAM;
    case 'ConnectorStateHit':
    case 'ConnectorShadowed':
      return hitsStreamOf(fact.data);
    default:
      return stateStreamOf(fact.data);
  }
}
