/**
 * Storing a list of writes, each event once, whatever is lost on the way.
 *
 * Round by round: look at the tails of the streams (or remember them), leave out what is there, send in order what
 * can come next, each write at the version at which its stream must be, and wait for all answers.
 *   stored     that write is done
 *   conflict   another process was faster, and nothing of this write is stored: read what it appended, for it may have
 *              been the same events, and go another round with what is missing still. Of events that only this process can
 *              have, nothing need be read: the conflict tells the version, and that is named next
 *   unknown    the answer was lost, or never came: go another round. The same events at the same version are the
 *              same write to the server, so whether the first arrived, or arrives late, they are stored once;
 *              and should others have appended behind them, they are found in the tail
 *   refused    for good: the caller hears of it, and of what was stored all the same
 * A late write of ours can never land twice, because it names a version that the stream has only once.
 *
 * What this trades: a stream's first append in a process costs a read, unless its events were just made here: then the
 * stream is taken to be new, and a conflict tells if it is not. An append of several writes is not one transaction: a failure in the middle leaves what came before. Streams with an expected version go first, so that
 * a conflict leaves nothing behind as long as only one stream has one.
 */
import type { ExpectedVersion } from '../event-store.js';
import { VersionConflictError } from '../version-conflict-error.js';
import { sleep } from '../waiting.js';
import type { PinnedWrite, Receipt } from './append-call.js';
import { collect } from './calls.js';
import type { Node } from './connection.js';
import { isTooLarge, ofAll } from './failure.js';
import { giveWayMs } from './give-way.js';
import type { Interruption } from './interruption.js';
import { streamRead } from './read-requests.js';
import { BatchProgress, type StoredEvents } from './stored-events.js';
import { type SearchBound, skipTo } from './stream-tail.js';
import { type TailContext, TailsInUse } from './tails-in-use.js';
import { fitting, sizeOf, type Write } from './writes.js';

export interface Batch {
  readonly writes: readonly Write[];
  /** Of every stream. */
  readonly bounds: ReadonlyMap<string, SearchBound>;
  /** Streams all of whose events were made here and given to nobody before. */
  readonly newTo: ReadonlySet<string>;
  readonly expected: ReadonlyMap<string, number>;
  /** What the caller named, for the error. */
  readonly named: Readonly<Record<string, ExpectedVersion>>;
  /** Whether somebody wants to know where the events lie and which were there already. */
  readonly tellsResult: boolean;
}

const APPENDS_AT_ONCE = 512;
/** After so many the server is tried with twice as much: its limit may have been raised again. */
const WRITES_BEFORE_MORE = 32;

export class Storing {
  readonly #context: TailContext;
  readonly #batch: Batch;
  readonly #tails: TailsInUse;
  readonly #progress: BatchProgress;
  #roundTripMs = 0;
  /** As {@link Batch.newTo}; empty once something was sent whose outcome is not known. */
  #newTo: ReadonlySet<string>;

  /** @param ours events this process has sent before: should they be there, it stored them. Added to */
  constructor(context: TailContext, batch: Batch, ours: Set<string>) {
    this.#context = context;
    this.#batch = batch;
    this.#newTo = batch.newTo;
    this.#tails = new TailsInUse(context, batch.bounds, batch.tellsResult);
    this.#progress = new BatchProgress(batch.bounds.keys(), ours);
  }

  get stored(): StoredEvents {
    return this.#progress.stored;
  }

  /** One attempt; it may be made again on another node. */
  async run(node: Node, interruption: Interruption): Promise<void> {
    const { expected, tellsResult } = this.#batch;
    await this.#tails.look(node, interruption, this.#newTo);
    const newTo = this.#newTo;
    this.#newTo = new Set();
    for (;;) {
      this.#noteWhatIsThere();
      if (expected.size > 0) await this.#checkExpected(node, interruption);
      const next = this.#next();
      if (next.length === 0) break;
      const conflicts = await this.#send(node, next, interruption);
      if (conflicts.size === 0) continue;
      const toRead = [...conflicts].filter(([stream, actual]) => {
        this.#tails.of(stream).contendedMs = performance.now();
        if (!newTo.has(stream)) return true;
        skipTo(this.#tails.of(stream), actual);
        return false;
      });
      // Whoever need not read tries again at once (a random pause made it no faster, and had one wait for 0.6 s), but
      // stops with the others. Two who read and conflict again and again part ways by chance.
      const pauseMs = toRead.length === 0 ? this.giveWayMs() : Math.random() * this.#roundTripMs;
      if (pauseMs > 0) await sleep(pauseMs, interruption.signal);
      interruption.throwIfOver();
      await Promise.all(
        toRead.map(([stream, actual]) => this.#tails.refresh(node, stream, actual, interruption)),
      );
    }
    if (tellsResult) await this.#locate(node, interruption);
    this.#tails.keep();
  }

  /** No further attempt is made: what the tails say may no longer be so. */
  giveUp(): void {
    for (const stream of this.stored.keys()) this.#context.tails.forget(stream);
    this.#progress.handOver();
  }

  /** How long to leave the streams to others now. */
  giveWayMs(): number {
    return giveWayMs(this.#tails.all(), this.#roundTripMs);
  }

  #noteWhatIsThere(): void {
    for (const write of this.#batch.writes) {
      this.#progress.noteFound(write, this.#tails.of(write.stream).known);
    }
  }

  /** @throws VersionConflictError when a stream to which something is still to be appended is elsewhere */
  async #checkExpected(node: Node, interruption: Interruption): Promise<void> {
    for (const [stream, expected] of this.#batch.expected) {
      const tail = this.#tails.of(stream);
      if (!this.#isMissingIn(stream) || this.#progress.wasBegun(stream)) continue;
      if (tail.version !== expected && !this.#tails.isFresh(stream)) {
        await this.#tails.refresh(node, stream, undefined, interruption);
        this.#noteWhatIsThere();
      }
      if (tail.version !== expected && this.#isMissingIn(stream)) {
        throw new VersionConflictError(stream, this.#batch.named[stream] ?? 'any', tail.version);
      }
    }
  }

  #isMissingIn(stream: string): boolean {
    return this.#batch.writes.some(
      write => write.stream === stream && this.#progress.missingOf(write).length > 0,
    );
  }

  /**
   * The next writes with what is missing of them, none of a stream before an earlier one of that stream is stored:
   * of two on their way the second could find the stream where it expects it because somebody else's append
   * took the first one's place, and would overtake it.
   */
  #next(): PinnedWrite[] {
    const writes = new Map<string, PinnedWrite>();
    for (const write of this.#batch.writes) {
      const { stream } = write;
      const missing = this.#progress.missingOf(write);
      if (missing.length === 0) continue;
      if (writes.has(stream)) break;
      const events = fitting(missing, this.#context.limit.bytes);
      writes.set(stream, { stream, version: this.#tails.of(stream).version, events });
      // The rest of it comes next, before what is behind it.
      if (events.length < missing.length) break;
    }
    return [...writes.values()];
  }

  /** @returns the streams that were elsewhere, and where */
  async #send(
    node: Node,
    writes: readonly PinnedWrite[],
    interruption: Interruption,
  ): Promise<Map<string, number>> {
    const conflicts = new Map<string, number>();
    for (const turn of this.#turnsOf(writes)) {
      if (conflicts.size > 0) break;
      interruption.throwIfOver();
      const timeoutMs = Math.max(1, Math.min(interruption.attemptMs, interruption.leftMs()));
      const sentMs = performance.now();
      const receipts = await node.appends.append(turn, timeoutMs, stop => interruption.onOver(stop));
      this.#roundTripMs = performance.now() - sentMs;
      this.#noteReceipts(turn, receipts, conflicts);
    }
    return conflicts;
  }

  /** Whether the first write to a stream with an expected version is stored decides about all. */
  #turnsOf(writes: readonly PinnedWrite[]): PinnedWrite[][] {
    const isDecisive = ({ stream }: Write) =>
      this.#batch.expected.has(stream) && !this.#progress.wasBegun(stream);
    const decisive = this.#batch.expected.size > 0 ? writes.filter(isDecisive) : [];
    const others = decisive.length > 0 ? writes.filter(write => !isDecisive(write)) : writes;
    const turns = decisive.length > 0 ? [decisive] : [];
    for (let from = 0; from < others.length; from += APPENDS_AT_ONCE) {
      turns.push(others.slice(from, from + APPENDS_AT_ONCE));
    }
    return turns;
  }

  /** @throws when there are failures among them */
  #noteReceipts(
    writes: readonly PinnedWrite[],
    receipts: readonly Receipt[],
    conflicts: Map<string, number>,
  ): void {
    const failures: Error[] = [];
    for (const [index, receipt] of receipts.entries()) {
      const write = writes[index] as PinnedWrite;
      if (receipt.outcome === 'stored') this.#noteStored(write, receipt);
      else if (receipt.outcome === 'conflict') conflicts.set(write.stream, receipt.actual);
      else if (isTooLarge(receipt.failure) && write.events.length > 1) this.#noteLimit(write);
      else {
        this.#progress.noteUncertain(write);
        failures.push(receipt.failure);
      }
    }
    const failure = ofAll(failures);
    if (failure) throw failure;
  }

  /** A server may be set to take less at once than it does by itself; nothing of the write is stored. */
  #noteLimit({ events }: PinnedWrite): void {
    const bytes = events.reduce((sum, event) => sum + sizeOf(event), 0);
    const { limit } = this.#context;
    limit.bytes = Math.min(limit.bytes, Math.ceil(bytes / 2));
    limit.stored = 0;
  }

  #noteStored({ stream, events }: PinnedWrite, last: Extract<Receipt, { outcome: 'stored' }>): void {
    const { limit } = this.#context;
    limit.stored += 1;
    if (limit.stored % WRITES_BEFORE_MORE === 0) limit.bytes *= 2;
    const tail = this.#tails.of(stream);
    const stored = this.#progress.in(stream);
    let version = last.version - events.length;
    for (const { id } of events) {
      version += 1;
      const event = { version, position: last.position, isNew: true };
      tail.known.set(id.toLowerCase(), event);
      stored.set(id.toLowerCase(), event);
    }
    tail.version = Math.max(tail.version, last.version);
    tail.confirmedMs = Date.now();
  }

  /** A server may take an append and not say where it lies: it is asked for the last of what it said nothing of. */
  async #locate(node: Node, interruption: Interruption): Promise<void> {
    for (const [stream, stored] of this.#progress.stored) {
      let version = 0;
      for (const event of stored.values()) {
        if (event.position === undefined) version = Math.max(version, event.version);
      }
      if (version === 0) continue;
      const request = streamRead(stream, { direction: 'forwards', fromVersion: version, count: 1 });
      await collect(node, request, interruption, ({ position }) => {
        for (const [key, event] of stored) {
          if (event.position === undefined) stored.set(key, { ...event, position });
        }
      });
    }
  }
}
