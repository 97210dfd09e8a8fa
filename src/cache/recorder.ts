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
 * Memory is bounded (promise 8); what waits, and what goes first when there is no room, is in pending-facts.ts. The
 * first fact lost is an error in the log. What fails validation can never be stored: it is dropped with an error that
 * names it, for it would otherwise block everything behind it.
 */
import { withDeadline } from '../deadline.js';
import { isConnectorStateError } from '../errors.js';
import type { AppendResult, EventStore } from '../event-store/event-store.js';
import type { Tier } from '../events/catalogue.js';
import type { ConnectorRef } from '../events/connector.js';
import type { Fact, NewEvent, Position } from '../events/event.js';
import type { Logger } from '../logging.js';
import { connectorKeyOf } from './known-connector.js';
import { type PendingFact, PendingFacts, type RecordedFact, type RecordOptions } from './pending-facts.js';

export interface RecorderOptions {
  /** Loaded at the first flush: the store and the schemas are not part of a cold start. */
  readonly store: () => Promise<Pick<EventStore, 'append'>>;
  /** Makes event ids (UUIDv7); loaded with the store. */
  readonly newId: () => Promise<() => string>;
  /** Awaited by `flush()` after events were stored, e.g. to project them: those last stored. Its failure is logged. */
  readonly afterAppend?: (position: Position, stored: readonly NewEvent[]) => Promise<void>;
  readonly maxPending: number;
  readonly flushIntervalMs: number;
  readonly host: string;
  /** Wall clock, epoch milliseconds. */
  readonly wall: () => number;
  readonly log: Logger;
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

const MAX_BACKOFF_MS = 30_000;

export class Recorder {
  readonly #options: RecorderOptions;
  readonly #pending: PendingFacts;
  #flushing: Promise<FlushResult> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #closed = false;
  #hasLost = false;
  #lastStored: readonly NewEvent[] = [];
  #counters = { recorded: 0, appended: 0, rejected: 0, flushFailures: 0 };

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#pending = new PendingFacts(options.maxPending);
  }

  record(fact: Fact, options: RecordOptions = {}): RecordedFact {
    const pending = this.#pending.add(fact, this.#now(), options);
    this.#counters.recorded++;
    this.#noteLoss();
    this.#flushSoon();
    return pending;
  }

  /** @param key names the connector; made anew when it is left out */
  recordHit(ref: ConnectorRef, tier: Tier, key: string = connectorKeyOf(ref), how?: 'stale'): void {
    this.#pending.addHit(ref, tier, key, this.#now(), how);
    this.#counters.recorded++;
    this.#noteLoss();
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
      pending: this.#pending.size,
      position: undefined,
    }));
  }

  stats(): RecorderStats {
    const { droppedHits, droppedFacts } = this.#pending;
    return { pending: this.#pending.size, droppedHits, droppedFacts, ...this.#counters };
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

  #now(): number {
    return Math.round(this.#options.wall());
  }

  async #flushAll(): Promise<FlushResult> {
    // Who calls while a flush is under way wants what was recorded since then stored too; all who do share the next.
    if (this.#flushing) await this.#flushing;
    this.#flushing ??= this.#drain(this.#pending.lastNumber).finally(() => {
      this.#flushing = undefined;
      if (this.#pending.size > 0) this.#flushSoon();
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
      while (this.#pending.take(mark)) {
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
        pending: this.#pending.size,
      };
      this.#options.log.warn(problem, 'facts could not be stored and stay pending; they will be retried');
      return { ok: false, pending: this.#pending.size, position, ...(waiting > 0 && { waiting }) };
    }
    if (position) await this.#runAfterAppend(position);
    return { ok: true, pending: this.#pending.size, position, ...(waiting > 0 && { waiting }) };
  }

  async #append(): Promise<AppendResult | undefined> {
    const [store, newId] = await Promise.all([this.#options.store(), this.#options.newId()]);
    const batch = this.#pending.inFlight;
    for (const pending of batch) pending.id ??= newId();
    try {
      const events = batch.map(pending => this.#toEvent(pending));
      const result = await store.append(events);
      this.#lastStored = events;
      this.#counters.appended += batch.length;
      this.#pending.acknowledge();
      return result;
    } catch (error) {
      if (!isConnectorStateError(error, 'INVALID_EVENT')) throw error;
      await this.#dropInvalid();
      return undefined;
    }
  }

  async #dropInvalid(): Promise<void> {
    const { validateNewEvent } = await import('../events/decode.js');
    const before = this.#pending.inFlight.length;
    this.#pending.reject(pending => {
      try {
        validateNewEvent(this.#toEvent(pending));
        return false;
      } catch (error) {
        this.#counters.rejected++;
        this.#options.log.error(
          { error: (error as Error).message },
          'a fact that fails its schema was dropped',
        );
        return true;
      }
    });
    // The store refused what the schema allows: dropping all is the only way not to block for ever.
    if (this.#pending.inFlight.length === before) {
      this.#counters.rejected += before;
      this.#options.log.error(
        { dropped: before },
        'a batch of facts that the store calls invalid was dropped',
      );
      this.#pending.acknowledge();
    }
  }

  async #runAfterAppend(position: Position): Promise<void> {
    try {
      await this.#options.afterAppend?.(position, this.#lastStored);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#options.log.warn(
        { error: message },
        'stored facts could not be projected now; the next flush tries again',
      );
    } finally {
      this.#lastStored = [];
    }
  }

  #toEvent({ fact, stream, id, occurredAt, correlationId, causedBy }: PendingFact): NewEvent {
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

  #noteLoss(): void {
    if (this.#hasLost || this.#pending.droppedFacts === 0) return;
    this.#hasLost = true;
    this.#options.log.error(
      { maxPending: this.#options.maxPending },
      'the buffer of pending facts is full and the oldest are dropped: raise MAX_PENDING_EVENTS or mend the event store',
    );
  }

  /** At once when a batch is full and the store takes them, else when the timer says. */
  #flushSoon(): void {
    if (!this.#pending.hasFullBatch || this.#failures > 0) this.#schedule();
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
