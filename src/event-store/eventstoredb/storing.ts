/**
 * Storing a list of writes, each event once, whatever is lost on the way.
 *
 * Round by round: look at the tails of the streams (or remember them), leave out what is there, send in order what
 * can come next, each write at the version at which its stream must be, and wait for all answers.
 *   stored     that write is done
 *   conflict   another process was faster: read what it appended, and go another round with what is missing still
 *   unknown    the answer was lost, or never came: go another round. The same events at the same version are the
 *              same write to the server, so whether the first arrived, or arrives late, they are stored once;
 *              and should others have appended behind them, they are found in the tail
 *   refused    for good: the caller hears of it, and of what was stored all the same
 * A late write of ours can never land twice, because it names a version that the stream has only once.
 *
 * What this trades: a stream's first append in a process costs a read, and an append of several writes is not one
 * transaction: a failure in the middle leaves what came before. Streams with an expected version go first, so that
 * a conflict leaves nothing behind as long as only one stream has one.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import pLimit from 'p-limit';
import type { ExpectedVersion } from '../event-store.js';
import { VersionConflictError } from '../version-conflict-error.js';
import type { Proposal, Receipt } from './append-call.js';
import { type CallContext, collect, withRetries } from './calls.js';
import type { Node } from './connection.js';
import { isTransient } from './failure.js';
import type { Interruption } from './interruption.js';
import type { KeyedLock } from './keyed-lock.js';
import { streamRead } from './read-requests.js';
import { idOf, positionOf, versionOf } from './recorded-event.js';
import { type Known, reaches, readTail, refreshTail, type SearchBound, type Tail } from './stream-tail.js';
import type { TailCache } from './tail-cache.js';
import type { Write } from './writes.js';

export interface StoreContext extends CallContext {
  readonly locks: KeyedLock;
  readonly tails: TailCache;
  /** Called before a stream is appended to for the first time in this process. Never rejects. */
  prepare(node: Node, stream: string, signal: AbortSignal): Promise<void>;
}

export interface Job {
  /** Completes "the event store could not …". */
  readonly action: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly writes: readonly Write[];
  readonly bounds: ReadonlyMap<string, SearchBound>;
  readonly expected: ReadonlyMap<string, number>;
  /** What the caller named, for the error. */
  readonly named: Readonly<Record<string, ExpectedVersion>>;
  /** Whether every event's position must be known afterwards. */
  readonly wantsPositions: boolean;
}

export interface Stored extends Known {
  readonly isNew: boolean;
}

/** By stream and lower-case id. */
export type StoredEvents = ReadonlyMap<string, ReadonlyMap<string, Stored>>;

/** Streams looked at, and appends under way, at a time. */
const LOOKS_AT_ONCE = 64;
const APPENDS_AT_ONCE = 512;
/** Two who conflict again and again part ways by chance. */
const CONFLICT_PAUSE_MS = 8;

export async function store(context: StoreContext, job: Job): Promise<StoredEvents> {
  const streams = [...new Set(job.writes.map(({ stream }) => stream))];
  const storing = new Storing(context, job, streams);
  const lock = context.locks.acquire(streams);
  let isDone = false;
  try {
    await withRetries(context, job.action, job, async (node, interruption) => {
      await interruption.race(lock.ready);
      await storing.run(node, interruption);
    });
    isDone = true;
    return storing.stored;
  } finally {
    // What was left in the middle, perhaps with an answer still to come, is looked at anew by the next.
    if (!isDone) for (const stream of streams) context.tails.forget(stream);
    lock.release();
  }
}

interface PinnedWrite extends Write {
  /** The version at which the stream must be. */
  readonly version: number;
}

class Storing {
  readonly stored = new Map<string, Map<string, Stored>>();
  readonly #context: StoreContext;
  readonly #job: Job;
  readonly #streams: readonly string[];
  readonly #tails = new Map<string, Tail>();
  /** Streams whose tail was read, not remembered, so that what it says of the version holds. */
  readonly #fresh = new Set<string>();
  /** Events sent without an answer: should they be there, we stored them. */
  readonly #uncertain = new Set<string>();

  constructor(context: StoreContext, job: Job, streams: readonly string[]) {
    this.#context = context;
    this.#job = job;
    this.#streams = streams;
    for (const stream of streams) this.stored.set(stream, new Map());
  }

  async run(node: Node, interruption: Interruption): Promise<void> {
    await this.#look(node, interruption.signal);
    this.#context.connection.wasReached = true;
    for (let round = 1; ; round++) {
      this.#noteWhatIsThere();
      await this.#checkExpected(node, interruption.signal);
      const next = this.#next();
      if (next.length === 0) break;
      const conflicts = await this.#send(node, next, interruption);
      if (conflicts.size === 0) continue;
      await sleep(Math.random() * CONFLICT_PAUSE_MS * round);
      interruption.signal.throwIfAborted();
      await Promise.all(
        [...conflicts].map(([stream, actual]) => this.#refresh(node, stream, actual, interruption.signal)),
      );
    }
    if (this.#job.wantsPositions) await this.#locate(node, interruption.signal);
    for (const [stream, tail] of this.#tails) this.#context.tails.keep(stream, tail);
  }

  /** Reads the tails that are not remembered, and again all whose last appends had no answer. */
  async #look(node: Node, signal: AbortSignal): Promise<void> {
    const { tails, attemptTimeoutMs, prepare } = this.#context;
    await forEachOf(this.#streams, async stream => {
      if (this.#tails.has(stream)) return this.#refresh(node, stream, undefined, signal);
      const bound = this.#job.bounds.get(stream) as SearchBound;
      const remembered = tails.get(stream);
      if (remembered && reaches(remembered, bound)) {
        this.#tails.set(stream, remembered);
        // An event older than what we know may have been stored by another process since: the server would take
        // it for the same append, and we for a new one.
        if (bound.idMs < remembered.confirmedMs) await this.#refresh(node, stream, undefined, signal);
        return;
      }
      const [tail] = await Promise.all([
        readTail(node, stream, bound, attemptTimeoutMs, signal),
        remembered ? undefined : prepare(node, stream, signal),
      ]);
      this.#tails.set(stream, tail);
      this.#fresh.add(stream);
    });
  }

  async #refresh(node: Node, stream: string, actual: number | undefined, signal: AbortSignal): Promise<void> {
    await refreshTail(node, stream, this.#tailOf(stream), actual, this.#context.attemptTimeoutMs, signal);
    this.#fresh.add(stream);
  }

  #noteWhatIsThere(): void {
    for (const { stream, events } of this.#job.writes) {
      const stored = this.#storedIn(stream);
      const { known } = this.#tailOf(stream);
      for (const { id } of events) {
        const key = id.toLowerCase();
        const found = known.get(key);
        if (found && !stored.has(key)) {
          stored.set(key, { ...found, isNew: this.#uncertain.has(`${stream} ${key}`) });
        }
      }
    }
  }

  /** @throws VersionConflictError when a stream to which something is still to be appended is elsewhere */
  async #checkExpected(node: Node, signal: AbortSignal): Promise<void> {
    for (const [stream, expected] of this.#job.expected) {
      const tail = this.#tailOf(stream);
      if (!this.#isMissingIn(stream) || this.#wasBegun(stream)) continue;
      if (tail.version !== expected && !this.#fresh.has(stream)) {
        await this.#refresh(node, stream, undefined, signal);
        this.#noteWhatIsThere();
      }
      if (tail.version !== expected && this.#isMissingIn(stream)) {
        throw new VersionConflictError(stream, this.#job.named[stream] ?? 'any', tail.version);
      }
    }
  }

  /** An append of several writes: the version was right when the first was stored. */
  #wasBegun(stream: string): boolean {
    for (const { isNew } of this.#storedIn(stream).values()) if (isNew) return true;
    return false;
  }

  #isMissingIn(stream: string): boolean {
    const stored = this.#storedIn(stream);
    return this.#job.writes.some(
      write => write.stream === stream && write.events.some(({ id }) => !stored.has(id.toLowerCase())),
    );
  }

  /**
   * The next writes with what is missing of them, none of a stream before an earlier one of that stream is stored:
   * of two on their way the second could find the stream where it expects it because somebody else's append
   * took the first one's place, and would overtake it.
   */
  #next(): PinnedWrite[] {
    const writes = new Map<string, PinnedWrite>();
    for (const { stream, events } of this.#job.writes) {
      const stored = this.#storedIn(stream);
      const missing = new Map<string, Proposal>();
      for (const event of events) {
        const key = event.id.toLowerCase();
        if (!stored.has(key) && !missing.has(key)) missing.set(key, event);
      }
      if (missing.size === 0) continue;
      if (writes.has(stream)) break;
      writes.set(stream, { stream, version: this.#tailOf(stream).version, events: [...missing.values()] });
    }
    return [...writes.values()];
  }

  /** @returns the streams that were elsewhere, and where */
  async #send(
    node: Node,
    writes: readonly PinnedWrite[],
    interruption: Interruption,
  ): Promise<Map<string, number>> {
    const { expected } = this.#job;
    const conflicts = new Map<string, number>();
    // Whether the first write to a stream with an expected version is stored decides about all.
    const isDecisive = ({ stream }: Write) => expected.has(stream) && !this.#wasBegun(stream);
    const turns = [
      writes.filter(isDecisive),
      ...chunk(
        writes.filter(write => !isDecisive(write)),
        APPENDS_AT_ONCE,
      ),
    ];
    for (const turn of turns) {
      if (conflicts.size > 0 || turn.length === 0) continue;
      await this.#sendTurn(node, turn, interruption, conflicts);
    }
    return conflicts;
  }

  async #sendTurn(
    node: Node,
    writes: readonly PinnedWrite[],
    interruption: Interruption,
    conflicts: Map<string, number>,
  ): Promise<void> {
    interruption.signal.throwIfAborted();
    const timeoutMs = Math.max(1, Math.min(this.#context.attemptTimeoutMs, interruption.leftMs()));
    const answers = await Promise.allSettled(
      writes.map(({ stream, version, events }) => node.appends.append(stream, version, events, timeoutMs)),
    );
    let failure: unknown;
    for (const [index, answer] of answers.entries()) {
      const write = writes[index] as PinnedWrite;
      if (answer.status === 'fulfilled') this.#noteReceipt(write, answer.value, conflicts);
      else {
        for (const { id } of write.events) this.#uncertain.add(`${write.stream} ${id.toLowerCase()}`);
        // One that is for good says more than one that may pass.
        if (failure === undefined || isTransient(failure)) failure = answer.reason;
      }
    }
    if (failure !== undefined) throw failure;
  }

  #noteReceipt(write: PinnedWrite, receipt: Receipt, conflicts: Map<string, number>): void {
    const { stream, events } = write;
    if (receipt.outcome === 'conflict') {
      conflicts.set(stream, receipt.actual);
      return;
    }
    const tail = this.#tailOf(stream);
    const first = receipt.version - events.length + 1;
    for (const [index, { id }] of events.entries()) {
      const isLast = index === events.length - 1;
      this.#place(stream, id.toLowerCase(), {
        version: first + index,
        position: isLast ? receipt.position : undefined,
      });
    }
    tail.version = Math.max(tail.version, receipt.version);
    tail.confirmedMs = Date.now();
  }

  #place(stream: string, key: string, known: Known): void {
    this.#tailOf(stream).known.set(key, known);
    this.#storedIn(stream).set(key, { ...known, isNew: this.#storedIn(stream).get(key)?.isNew ?? true });
  }

  /** The server tells the position of the last event of a write; of the others it must be asked. */
  async #locate(node: Node, signal: AbortSignal): Promise<void> {
    await forEachOf(this.#streams, async stream => {
      const unplaced = [...this.#storedIn(stream).values()].filter(({ position }) => position === undefined);
      if (unplaced.length === 0) return;
      const versions = unplaced.map(({ version }) => version);
      const fromVersion = versions.reduce((a, b) => Math.min(a, b));
      const count = versions.reduce((a, b) => Math.max(a, b)) - fromVersion + 1;
      const request = streamRead(stream, { direction: 'forwards', fromVersion, count });
      await collect(node, request, this.#context.attemptTimeoutMs, signal, event => {
        const key = idOf(event).toLowerCase();
        if (this.#storedIn(stream).get(key)?.version === versionOf(event)) {
          this.#place(stream, key, { version: versionOf(event), position: positionOf(event) });
        }
      });
    });
  }

  #tailOf(stream: string): Tail {
    return this.#tails.get(stream) as Tail;
  }

  #storedIn(stream: string): Map<string, Stored> {
    return this.stored.get(stream) as Map<string, Stored>;
  }
}

async function forEachOf<T>(items: readonly T[], look: (item: T) => Promise<void>): Promise<void> {
  if (items.length <= LOOKS_AT_ONCE) await Promise.all(items.map(look));
  else await pLimit(LOOKS_AT_ONCE).map(items, look);
}

function chunk<T>(items: readonly T[], size: number): T[][] {
  const chunks: T[][] = [];
  for (let from = 0; from < items.length; from += size) chunks.push(items.slice(from, from + size));
  return chunks;
}
