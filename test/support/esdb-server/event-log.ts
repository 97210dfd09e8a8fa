/**
 * What a node keeps: one log of records, an index by stream, and what appends are checked against. Lives longer
 * than a server, so that a restart finds its data; with a journal, longer than the process.
 *
 * As in the real log, a position is a byte offset, never a count; commit and prepare are one number for what an
 * append wrote, and differ for a transaction of the old protocol, whose records share their commit's. An append to
 * `any` revision is recognised by a memory of ids that a restart forgets; one to a certain revision by what
 * lies behind it, always.
 */
import type { Journal } from './journal.js';
import { type EffectiveMetadata, isReadable, metadataOf } from './stream-metadata.js';

export interface Proposal {
  readonly id: string;
  readonly type: string;
  readonly contentType: string;
  readonly data: Uint8Array;
  readonly metadata: Uint8Array;
}

export interface LoggedEvent extends Proposal {
  readonly stream: string;
  readonly revision: number;
  readonly position: LogPosition;
  readonly createdMs: number;
}

export interface LogPosition {
  readonly commit: bigint;
  readonly prepare: bigint;
}

export type Expected = number | 'any' | 'no-stream' | 'stream-exists';

export type AppendOutcome =
  | { readonly result: 'success'; readonly revision: number; readonly position: LogPosition }
  | { readonly result: 'wrong-expected-version'; readonly current: number }
  | { readonly result: 'stream-deleted' }
  | { readonly result: 'too-large' };

/** A record without its texts: header, ids, lengths. */
const RECORD_BYTES = 106;
const COMMIT_BYTES = 60;
/** The real server's default, counted over types, data and metadata. */
export const MAX_APPEND_BYTES = 1_048_576;
const NO_STREAM = -1;
/** What the real server writes into `$tb` for a deleted stream. */
const DELETED = '9223372036854775807';

export class EventLog {
  readonly events: LoggedEvent[] = [];
  readonly #streams = new Map<string, LoggedEvent[]>();
  readonly #tombstones = new Set<string>();
  readonly #recentIds = new Map<string, LoggedEvent>();
  readonly #listeners = new Set<() => void>();
  readonly #journal: Journal | undefined;
  /** Written since the journal was. */
  #unsaved: LoggedEvent[] = [];
  #endOfLog = 0n;

  /** @param journal what was written there before is in the log; recent ids are forgotten, as by a restart */
  constructor(journal?: Journal) {
    this.#journal = journal;
    for (const { events, endOfLog, tombstone } of journal?.entries ?? []) {
      for (const event of events) this.#index(event);
      if (tombstone !== undefined) this.#tombstones.add(tombstone);
      this.#endOfLog = endOfLog;
    }
  }

  /** Called after every append. @returns stops that */
  onAppend(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** How many subscriptions wait for appends. */
  get followers(): number {
    return this.#listeners.size;
  }

  /** What a restart forgets. */
  forgetRecentIds(): void {
    this.#recentIds.clear();
  }

  append(stream: string, expected: Expected, proposals: readonly Proposal[]): AppendOutcome {
    if (this.#tombstones.has(stream)) return { result: 'stream-deleted' };
    if (proposals.reduce((sum, proposal) => sum + contentOf(proposal), 0) > MAX_APPEND_BYTES) {
      return { result: 'too-large' };
    }
    const known = this.#recognise(stream, expected, proposals);
    if (known) return known;
    const current = this.revisionOf(stream);
    this.#undelete(stream, current);
    const written = proposals.map(proposal => this.#write(stream, proposal));
    this.#tell();
    const last = written.at(-1);
    return {
      result: 'success',
      revision: last?.revision ?? current,
      position: last?.position ?? { commit: this.#endOfLog, prepare: this.#endOfLog },
    };
  }

  /** A transaction of the old protocol: its records share one commit position. */
  appendTransaction(writes: readonly { readonly stream: string; readonly proposal: Proposal }[]): void {
    const ends = writes.map(({ stream, proposal }) => sizeOf(stream, proposal));
    const commit = this.#endOfLog + ends.reduce((sum, size) => sum + size, 0n);
    for (const { stream, proposal } of writes) this.#write(stream, proposal, commit);
    this.#endOfLog += BigInt(COMMIT_BYTES);
    this.#tell();
  }

  /** Everything readable before now is not; the stream lives on. */
  softDelete(stream: string): void {
    this.#write(`$$${stream}`, metadataProposal(`{"$tb":${DELETED}}`));
    this.#tell();
  }

  tombstone(stream: string): void {
    this.#tombstones.add(stream);
    this.#journal?.write({ events: [], endOfLog: this.#endOfLog, tombstone: stream });
  }

  isTombstoned = (stream: string): boolean => this.#tombstones.has(stream);

  /** −1 when the stream has none. */
  revisionOf = (stream: string): number => (this.#streams.get(stream)?.length ?? 0) - 1;

  metadataOf = (stream: string): EffectiveMetadata => metadataOf(this.#streams.get(`$$${stream}`)?.at(-1));

  /** `undefined`: there is no such stream, or it was deleted. */
  readable(stream: string): readonly LoggedEvent[] | undefined {
    const all = this.#streams.get(stream);
    if (!all) return undefined;
    const metadata = this.metadataOf(stream);
    if (metadata.isDeleted) return undefined;
    if (metadata.isPlain) return all;
    return all.filter(event => isReadable(event, metadata, all.length, Date.now()));
  }

  /** The index of the first event at (`inclusive`) or after the position. */
  indexAt(position: LogPosition, inclusive: boolean): number {
    let [low, high] = [0, this.events.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = comparePositions((this.events[middle] as LoggedEvent).position, position);
      if (order < 0 || (order === 0 && !inclusive)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #recognise(stream: string, expected: Expected, proposals: readonly Proposal[]): AppendOutcome | undefined {
    const current = this.revisionOf(stream);
    const conflict: AppendOutcome = { result: 'wrong-expected-version', current };
    if (expected === 'any' || expected === 'stream-exists') {
      if (expected === 'stream-exists' && current === NO_STREAM) return conflict;
      const known = proposals.map(({ id }) => this.#recentIds.get(`${id} ${stream}`));
      if (!known[0]) return undefined;
      return known.every(Boolean) ? alreadyThere(known.at(-1)) : conflict;
    }
    const at = expected === 'no-stream' ? NO_STREAM : expected;
    if (at > current) return conflict;
    if (at === current) return undefined;
    const there = this.#streams.get(stream)?.slice(at + 1, at + 1 + proposals.length) ?? [];
    if (proposals.every(({ id }, index) => there[index]?.id === id)) return alreadyThere(there.at(-1));
    if (at === NO_STREAM && there[0]?.id !== proposals[0]?.id && this.metadataOf(stream).isDeleted) {
      return undefined;
    }
    return conflict;
  }

  #undelete(stream: string, current: number): void {
    if (!this.metadataOf(stream).isDeleted) return;
    this.#write(`$$${stream}`, metadataProposal(`{"$tb":${current + 1}}`));
  }

  #write(stream: string, proposal: Proposal, commit?: bigint): LoggedEvent {
    const prepare = this.#endOfLog;
    const event: LoggedEvent = {
      ...proposal,
      stream,
      revision: this.revisionOf(stream) + 1,
      position: { commit: commit ?? prepare, prepare },
      createdMs: Date.now(),
    };
    this.#endOfLog += sizeOf(stream, proposal);
    this.#index(event);
    this.#recentIds.set(`${event.id} ${stream}`, event);
    if (this.#journal) this.#unsaved.push(event);
    return event;
  }

  #index(event: LoggedEvent): void {
    this.events.push(event);
    const inStream = this.#streams.get(event.stream);
    if (inStream) inStream.push(event);
    else this.#streams.set(event.stream, [event]);
  }

  /** Nobody hears of an append before it is in the journal. */
  #tell(): void {
    this.#journal?.write({ events: this.#unsaved, endOfLog: this.#endOfLog });
    this.#unsaved = [];
    for (const listener of this.#listeners) listener();
  }
}

export function comparePositions(a: LogPosition, b: LogPosition): number {
  if (a.commit !== b.commit) return a.commit < b.commit ? -1 : 1;
  return a.prepare < b.prepare ? -1 : a.prepare > b.prepare ? 1 : 0;
}

const alreadyThere = (event: LoggedEvent | undefined): AppendOutcome | undefined =>
  event && { result: 'success', revision: event.revision, position: event.position };

const contentOf = ({ type, data, metadata }: Proposal): number => type.length + data.length + metadata.length;

const sizeOf = (stream: string, proposal: Proposal): bigint =>
  BigInt(RECORD_BYTES + Buffer.byteLength(stream) + contentOf(proposal));

const metadataProposal = (json: string): Proposal => ({
  id: crypto.randomUUID(),
  type: '$metadata',
  contentType: 'application/json',
  data: Buffer.from(json),
  metadata: Buffer.alloc(0),
});
