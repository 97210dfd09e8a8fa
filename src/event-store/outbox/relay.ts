/**
 * The relay: takes what waits in the outbox to the event store, in order, and removes it there once the store has
 * acknowledged it.
 *
 * A batch is one transaction: take the relay's lock (or leave: another instance is at it), read the oldest rows,
 * append them, delete them, commit. The lock goes with the transaction, so it works through a transaction pooler
 * and dies with its holder. If that happens between the append and the commit the rows are still there, and the
 * next holder appends them again under the same event ids, which stores nothing twice.
 *
 *   idle → (something waits, or the poll) → draining → idle
 *                                            ↓ the store or the database failed
 *                                          resting, 0.1 s doubling to 5 s, and then draining again
 *
 * What the store calls invalid is set aside with the reason, counted, and the rest goes on; what it refuses holds its
 * own stream and no other (forward.ts). The heads of such streams are tried again every minute, and as soon as one
 * of them is taken: a right may have been granted, a limit raised. Any other failure is waited out.
 *
 * Everything new goes behind what waits, so under load there would always be something, and nobody would go to the
 * store directly again. Once a batch was a short one (not one of which much was refused: with all that waited still
 * there, and a second for it, nothing came of the next), the next is therefore taken with the lock that adding to the
 * outbox takes: who comes meanwhile waits those milliseconds, finds the outbox empty, and goes past it. Not
 * before, for a store that has just taken a batch is not likely to hang.
 *
 * Nobody waits for the relay but `drain()`, and its timer never keeps a process alive.
 */
import type { Pool } from 'pg';
import { withDeadline } from '../../base/deadline.js';
import type { Logger } from '../../base/logging.js';
import type { Position } from '../../events/event.js';
import type { EventStore } from '../event-store.js';
import { createBackoff } from '../waiting.js';
import { appendWithin } from './append-within.js';
import { type Forwarded, forward, type Untaken } from './forward.js';
import { type BatchQueries, inRelayTransaction } from './relay-transaction.js';
import { createOutboxTable, type OutboxTable } from './table.js';
import type { WaitingEvent } from './waiting-event.js';

export interface RelayOptions {
  /** Where the events belong. */
  readonly store: Pick<EventStore, 'append'>;
  /** Of the database with the outbox; its role needs UPDATE and DELETE there. */
  readonly pool: Pool;
  readonly log: Logger;
  readonly namedStatements?: boolean | undefined;
  /** Awaited after events were forwarded, e.g. to project them. Its failure is logged. */
  readonly afterForward?: ((position: Position) => Promise<void>) | undefined;
  /** How often the outbox is looked at while nothing is known to wait, in milliseconds. Default 5000. */
  readonly pollIntervalMs?: number | undefined;
  /** How long one append may take, in milliseconds. Default 10 000. */
  readonly appendTimeoutMs?: number | undefined;
  /** Events a batch. Default 500. */
  readonly batchSize?: number | undefined;
  /** How long after a refusal an event is tried again, in milliseconds. Default 60 000. */
  readonly retryRefusedMs?: number | undefined;
}

/** Counted since the relay was created. */
export interface RelayCounters {
  forwarded: number;
  /** Called invalid. */
  dead: number;
  /** Refused, each event once for each reason. */
  refused: number;
  failures: number;
}

/** `empty`: nothing waits. `waiting`: something does, or may. */
export type DrainOutcome = 'empty' | 'waiting';

type BatchOutcome = (Forwarded & { readonly wasFull: boolean }) | 'empty' | 'busy' | 'failed';

const DEFAULT_POLL_INTERVAL_MS = 5_000;
const DEFAULT_APPEND_TIMEOUT_MS = 10_000;
const DEFAULT_BATCH_SIZE = 500;
const DEFAULT_RETRY_REFUSED_MS = 60_000;
/** Others wait for it. */
const LAST_BATCH_TIMEOUT_MS = 1_000;

export class Relay {
  readonly #options: RelayOptions;
  readonly #appendTimeoutMs: number;
  readonly #batchSize: number;
  readonly #backoff = createBackoff();
  readonly #stop = new AbortController();
  /** What it empties, to be looked at. */
  readonly outbox: OutboxTable;
  readonly counters: RelayCounters = { forwarded: 0, dead: 0, refused: 0, failures: 0 };
  #draining: Promise<DrainOutcome> | undefined;
  #drainingSinceMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #isStarted = false;
  /** Monotonic milliseconds until which the relay rests after a failure. */
  #restUntilMs = 0;
  /** Monotonic milliseconds at which refused heads are tried again. */
  #retryRefusedAtMs = 0;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.outbox = createOutboxTable(options.pool, options.namedStatements ?? true);
    this.#appendTimeoutMs = options.appendTimeoutMs ?? DEFAULT_APPEND_TIMEOUT_MS;
    this.#batchSize = options.batchSize ?? DEFAULT_BATCH_SIZE;
  }

  /** Drains in the background from now on, until {@link stop}. */
  start(): void {
    this.#isStarted = true;
    this.#schedule(0);
  }

  /** Something was put into the outbox: the store has just failed somebody, or others wait already. */
  poke({ storeFailed }: { readonly storeFailed: boolean }): void {
    if (storeFailed && this.#restMs() === 0) this.#rest();
    this.#schedule(this.#restMs());
  }

  /**
   * Forwards what waits; at once `waiting` while the relay rests after a failure. Never throws.
   * @param options.timeoutMs gives up waiting (not the draining itself) this long after the draining began, so that
   *   a store that hangs delays one caller and not each of many
   * @param options.force tries although the relay rests
   */
  async drain({
    timeoutMs,
    force = false,
  }: {
    timeoutMs?: number;
    force?: boolean;
  } = {}): Promise<DrainOutcome> {
    if (this.#stop.signal.aborted || (!force && this.#restMs() > 0)) return 'waiting';
    if (!this.#draining) {
      this.#drainingSinceMs = performance.now();
      this.#draining = this.#drainAll().finally(() => {
        this.#draining = undefined;
      });
    }
    if (timeoutMs === undefined) return this.#draining;
    const leftMs = this.#drainingSinceMs + timeoutMs - performance.now();
    return leftMs <= 0 ? 'waiting' : withDeadline(this.#draining, leftMs, () => 'waiting' as const);
  }

  /** Ends the background work and the append under way; what was not acknowledged goes on waiting. */
  async stop(): Promise<void> {
    this.#stop.abort();
    clearTimeout(this.#timer);
    await this.#draining;
  }

  async #drainAll(): Promise<DrainOutcome> {
    const startedAtMs = performance.now();
    let forwarded = 0;
    let isNearlyEmpty = false;
    for (;;) {
      if (this.#stop.signal.aborted) return 'waiting';
      const outcome = await this.#forwardBatch(isNearlyEmpty, startedAtMs);
      if (typeof outcome === 'object') {
        forwarded += outcome.stored.length;
        if (outcome.position) await this.#runAfterForward(outcome.position);
        isNearlyEmpty = !outcome.wasFull;
        if (outcome.failure === undefined) continue;
      }
      if (forwarded > 0)
        this.#options.log.info({ forwarded }, 'events that waited are in the event store now');
      if (this.#restMs() > 0) this.#schedule(this.#restMs());
      return outcome === 'empty' ? 'empty' : 'waiting';
    }
  }

  async #forwardBatch(keepOthersOut: boolean, startedAtMs: number): Promise<BatchOutcome> {
    const { pool, store } = this.#options;
    const timeoutMs = keepOthersOut
      ? Math.min(LAST_BATCH_TIMEOUT_MS, this.#appendTimeoutMs)
      : this.#appendTimeoutMs;
    try {
      const outcome = await inRelayTransaction(pool, async (queries): Promise<BatchOutcome> => {
        if (!(await queries.tryLock())) return 'busy';
        if (keepOthersOut) await queries.keepOthersOut();
        await this.#retryRefused(queries, startedAtMs);
        const batch = await queries.oldest(this.#batchSize);
        if (batch.length === 0) return 'empty';
        const result = await forward(batch, events =>
          appendWithin(store, events, timeoutMs, this.#stop.signal),
        );
        await queries.remove(result.stored);
        await queries.bury(result.dead);
        await queries.hold(result.refused);
        const done = new Set(takenCareOf(result));
        const oldest = batch.find(each => !done.has(each));
        if (result.failure !== undefined && oldest) await queries.noteFailure(oldest, result.failure);
        return { ...result, wasFull: batch.length >= this.#batchSize };
      });
      if (typeof outcome === 'object') this.#count(outcome);
      if (typeof outcome === 'object' && outcome.failure !== undefined) this.#rest();
      else this.#wake();
      return outcome;
    } catch (error) {
      // The outbox itself could not be used; what was appended is appended again, under the same ids.
      this.#rest();
      this.#options.log.debug({ error: messageOf(error) }, 'the outbox could not be emptied');
      return 'failed';
    }
  }

  async #retryRefused(queries: BatchQueries, startedAtMs: number): Promise<void> {
    const now = performance.now();
    if (now < this.#retryRefusedAtMs) return;
    const everyMs = this.#options.retryRefusedMs ?? DEFAULT_RETRY_REFUSED_MS;
    // Because one was taken: all. But none that was refused since this draining began: it would never end.
    const isEarly = this.#retryRefusedAtMs === Number.NEGATIVE_INFINITY;
    this.#retryRefusedAtMs = now + everyMs;
    await queries.retryRefused(Math.max(isEarly ? 0 : everyMs, now - startedAtMs));
  }

  #count({ stored, dead, refused }: Forwarded): void {
    this.counters.forwarded += stored.length;
    this.counters.dead += dead.length;
    if (stored.some(({ lastError }) => lastError !== undefined)) {
      this.#retryRefusedAtMs = Number.NEGATIVE_INFINITY;
    }
    const tell = ({ waiting, problem }: Untaken, what: string) => {
      const { id, type, stream } = waiting.event;
      this.#options.log.error({ id, type, stream, problem }, what);
    };
    for (const each of dead) {
      tell(
        each,
        'an event that waited is called invalid by the event store and was set aside; the rest goes on',
      );
    }
    for (const each of refused) {
      // Tried every minute, told once.
      if (each.waiting.lastError === each.problem) continue;
      this.counters.refused++;
      tell(
        each,
        'the event store refused an event that waited: its stream waits behind it, the rest goes on',
      );
    }
  }

  async #runAfterForward(position: Position): Promise<void> {
    try {
      await this.#options.afterForward?.(position);
    } catch (error) {
      this.#options.log.warn({ error: messageOf(error) }, 'forwarded events could not be projected now');
    }
  }

  #rest(): void {
    this.counters.failures++;
    this.#restUntilMs = performance.now() + this.#backoff.nextMs();
  }

  #wake(): void {
    this.#backoff.reset();
    this.#restUntilMs = 0;
  }

  #restMs(): number {
    return Math.max(0, this.#restUntilMs - performance.now());
  }

  /** One timer; who wants to be earlier moves it forward. */
  #schedule(inMs: number): void {
    if (!this.#isStarted || this.#stop.signal.aborted) return;
    const atMs = performance.now() + inMs;
    if (this.#timer && atMs >= this.#timerAtMs) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = atMs;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.drain().finally(() => {
        this.#schedule(Math.max(this.#restMs(), this.#pollIntervalMs()));
      });
    }, inMs);
    this.#timer.unref();
  }

  #pollIntervalMs(): number {
    return this.#options.pollIntervalMs ?? DEFAULT_POLL_INTERVAL_MS;
  }
}

const takenCareOf = ({ stored, dead, refused }: Forwarded): readonly WaitingEvent[] => [
  ...stored,
  ...[...dead, ...refused].map(({ waiting }) => waiting),
];

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
