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
 * first fact lost is an error in the log. What the store calls invalid can never be stored (it fails its schema, or holds
 * what no database text or number can) and would block everything behind it: the batch is halved until it stands alone,
 * and dropped with an error that names it. A flush says how many facts were lost, and is not `ok` then.
 */
import { withDeadline } from '../base/deadline.js';
import { isConnectorStateError } from '../base/errors.js';
import type { Logger } from '../base/logging.js';
import { type Telemetry, unwatched } from '../base/telemetry.js';
import type { AppendResult, EventStore } from '../event-store/event-store.js';
import type { Tier } from '../events/catalogue.js';
import type { Fact, NewEvent, Position } from '../events/event.js';
import { encodeToken, placeAt } from '../events/place-token.js';
import { timeOf } from './facts.js';
import type { CountedRef } from './hit-counts.js';
import { connectorKeyOf } from './known-connector.js';
import { OwedProjection, type Project, type ProjectAlong } from './owed-projection.js';
import { type PendingFact, PendingFacts, type RecordedFact, type RecordOptions } from './pending-facts.js';

export interface RecorderOptions {
  /** Loaded at the first flush: the store and the schemas are not part of a cold start. */
  readonly store: () => Promise<Pick<EventStore, 'append'>>;
  /** Makes event ids (UUIDv7); loaded with the store. */
  readonly newId: () => Promise<() => string>;
  /** Awaited by `flush()` after events were stored; left out where somebody else projects. */
  readonly project?: Project;
  /** Where projecting can begin with the append: awaited before the last of a flush. Must not reject. */
  readonly along?: (events: readonly NewEvent[]) => Promise<ProjectAlong | undefined>;
  readonly maxPending: number;
  readonly flushIntervalMs: number;
  readonly host: string;
  /** Wall clock, epoch milliseconds. */
  readonly wall: () => number;
  readonly log: Logger;
  /** Default: nobody watches. */
  readonly telemetry?: Telemetry | undefined;
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
  /**
   * True when everything that was pending at the call has been stored, nothing was lost before, and, where this process
   * projects (`PROJECTION=inline`), all that it ever stored is in the read tables.
   */
  readonly ok: boolean;
  /** What is pending now: what could not be stored, and what was recorded meanwhile. */
  readonly pending: number;
  /**
   * Facts recorded before the call that no flush will ever store, and that no former `flush()` told of: the store calls
   * them invalid, or there was no room for them (hits, which only count, left out). The log says why.
   */
  readonly lost: number;
  /** The last event this call put into the event store. */
  readonly position: Position | undefined;
  /**
   * That place in the log as text that knows the event there: for `get(…, { atLeast })` and the feed, in any process. Left
   * out where nothing was stored, or the store does not tell.
   */
  readonly token?: string;
  /**
   * Events this call stored in the outbox, where they wait for the event store: safe, but not to be seen yet. Left
   * out when there are none.
   */
  readonly waiting?: number;
  /**
   * Why events that this process stored, now or before, are not in the read tables yet although it projects; they are
   * safe, and the next flush tries again. Left out when all are.
   */
  readonly unprojected?: string;
}

type Drained = Omit<FlushResult, 'lost'>;

const MAX_BACKOFF_MS = 30_000;

export class Recorder {
  readonly #options: RecorderOptions;
  readonly #pending: PendingFacts;
  #flushing: Promise<Drained> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #closed = false;
  /** Its last flush has ended, or had no more time. */
  #isOver = false;
  #hasLost = false;
  readonly #owed: OwedProjection;
  /** Lost facts that a `flush()` has told its caller of. */
  #lostTold = 0;
  #storedUpTo: Position | undefined;
  #counters = { recorded: 0, appended: 0, rejected: 0, flushFailures: 0 };

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#pending = new PendingFacts(options.maxPending);
    this.#owed = new OwedProjection(options.project, options.log);
  }

  /** The last place in the log where this process stored something; `undefined` before the first. */
  storedUpTo(): Position | undefined {
    return this.#storedUpTo;
  }

  record(fact: Fact, options: RecordOptions = {}): RecordedFact {
    const pending = this.#pending.add(fact, this.#now(), options);
    this.#counters.recorded++;
    this.#options.telemetry?.fact(fact);
    this.#noteLoss();
    this.#flushSoon();
    return pending;
  }

  /** @param key names the connector; made anew when it is left out */
  recordHit(ref: CountedRef, tier: Tier, key: string = connectorKeyOf(ref), how?: 'stale'): void {
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
    // Who calls while another does is told the same.
    const told = this.#lostTold;
    const flushed = this.#flushAll();
    const result = await (timeoutMs === undefined
      ? flushed
      : withDeadline(flushed, timeoutMs, () => ({
          ok: false,
          pending: this.#pending.size,
          position: undefined,
        })));
    const lost = this.#lost - told;
    this.#lostTold = this.#lost;
    return { ...result, ok: result.ok && lost === 0, lost };
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
    this.#isOver = true;
    clearTimeout(this.#timer);
    if (pending > 0) {
      this.#options.log.error({ pending }, `closing with ${pending} facts that could not be stored`);
    }
  }

  get #lost(): number {
    return this.#counters.rejected + this.#pending.droppedFacts;
  }

  /** A machine that began without a battery thinks that it is 1970: what it says is kept, under a time that events may have. */
  #now(): number {
    return timeOf(this.#options.wall());
  }

  async #flushAll(): Promise<Drained> {
    // Who calls while a flush is under way wants what was recorded since then stored too; all who do share the next.
    if (this.#flushing) await this.#flushing;
    // Whoever closed has said meanwhile what could not be stored, and closes the store next.
    if (this.#isOver)
      return { ok: this.#pending.size === 0, pending: this.#pending.size, position: undefined };
    this.#flushing ??= this.#drain(this.#pending.lastNumber).finally(() => {
      this.#flushing = undefined;
      if (this.#pending.size > 0) this.#flushSoon();
    });
    return this.#flushing;
  }

  /** @param mark stores what was recorded up to this number */
  async #drain(mark: number): Promise<Drained> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    let stored: Pick<FlushResult, 'position' | 'token'> = { position: undefined };
    let waiting = 0;
    try {
      while (this.#pending.take(mark)) {
        const result = await this.#append();
        if (result?.position !== undefined) stored = placeOfLast(result);
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
      return { ok: false, pending: this.#pending.size, ...stored, ...(waiting > 0 && { waiting }) };
    }
    const unprojected = await this.#owed.pay();
    return {
      ok: unprojected === undefined,
      pending: this.#pending.size,
      ...stored,
      ...(waiting > 0 && { waiting }),
      ...(unprojected !== undefined && { unprojected }),
    };
  }

  async #append(): Promise<AppendResult | undefined> {
    const [store, newId] = await Promise.all([this.#options.store(), this.#options.newId()]);
    const batch = this.#pending.inFlight;
    for (const pending of batch) pending.id ??= newId();
    return this.#appendTo(store, batch);
  }

  /** What a store calls invalid is found by halves, so that it takes nothing with it. @throws what the store throws else */
  async #appendTo(
    store: Pick<EventStore, 'append'>,
    batch: readonly PendingFact[],
  ): Promise<AppendResult | undefined> {
    try {
      const events = batch.map(pending => this.#toEvent(pending));
      const { telemetry = unwatched } = this.#options;
      const along = this.#pending.isLastInFlight ? await this.#options.along?.(events) : undefined;
      const result = await telemetry.span(
        'append',
        {
          attributes: { 'connector_state.events': events.length },
          correlationIds: events.map(({ correlationId }) => correlationId),
        },
        () => store.append(events, along && { behind: along.send }),
      );
      if (result.position !== undefined) {
        this.#storedUpTo = result.position;
        this.#owed.owe(result.position, events, along?.project);
      }
      this.#counters.appended += batch.length;
      this.#pending.settle(batch);
      return result;
    } catch (error) {
      if (!isConnectorStateError(error, 'INVALID_EVENT')) throw error;
      if (batch.length === 1) return this.#drop(batch, error);
    }
    const middle = Math.ceil(batch.length / 2);
    const first = await this.#appendTo(store, batch.slice(0, middle));
    const second = await this.#appendTo(store, batch.slice(middle));
    if (!first || !second) return first ?? second;
    const waiting = (first.waiting ?? 0) + (second.waiting ?? 0);
    return {
      ...(second.position ? second : first),
      events: [...first.events, ...second.events],
      ...(waiting > 0 && { waiting }),
    };
  }

  #drop(batch: readonly PendingFact[], { message }: Error): undefined {
    this.#counters.rejected += batch.length;
    this.#pending.settle(batch);
    this.#options.log.error({ error: message }, 'a fact that no event store would take was dropped');
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

function placeOfLast({ position, last }: AppendResult): Pick<FlushResult, 'position' | 'token'> {
  if (!position || !last) return { position };
  return { position, token: encodeToken(placeAt(undefined, { ...last, position }, undefined)) };
}
