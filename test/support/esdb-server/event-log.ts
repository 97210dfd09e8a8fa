/**
 * What a node keeps: one log of records and an index by stream. Lives longer than a server, so that a restart finds its
 * data; with a journal, longer than the process.
 *
 * A fresh log is not empty: the server's own records come first and stand in `$all` like everybody's, so do metadata and
 * the record that deletes a stream. What metadata hides is hidden from reads of the stream only; `$all` shows it until
 * a scavenge. What is hidden still counts for idempotency, yet its position is not told any more.
 */
import { type Appended, checkAppend, type Expected } from './append-check.js';
import type { Journal } from './journal.js';
import {
  COMMIT_BYTES,
  comparePositions,
  countedBytes,
  FIRST_POSITION,
  isSystem,
  type LoggedEvent,
  type LogPosition,
  NO_STREAM,
  type Proposal,
  STREAM_DELETED,
  sizeOf,
  systemProposal,
  TOMBSTONE_REVISION,
} from './record.js';
import {
  contentOf,
  type EffectiveMetadata,
  isReadable,
  metadataOf,
  readableFrom,
} from './stream-metadata.js';

export type { Expected } from './append-check.js';
export type { LoggedEvent, LogPosition, Proposal } from './record.js';

export type AppendOutcome =
  /** No position: what was stored before is hidden by now. */
  | { readonly result: 'success'; readonly revision: number; readonly position: LogPosition | undefined }
  | { readonly result: 'wrong-expected-version'; readonly current: number }
  | { readonly result: 'stream-deleted' }
  | { readonly result: 'too-large'; readonly limit: number };

export type DeleteOutcome =
  | { readonly result: 'success'; readonly position: LogPosition }
  | Exclude<AppendOutcome, { result: 'success' | 'too-large' }>;

/** The real server's default, counted over an append's data. */
export const MAX_APPEND_BYTES = 1_048_576;
/** What the real server writes into `$tb` for a deleted stream. */
const DELETED = '9223372036854775807';
const SCAVENGES = '{"$maxAge":2592000,"$acl":{"$r":"$ops","$w":[],"$d":[],"$mr":[],"$mw":[]}}';

export class EventLog {
  /** Everything in `$all`, the server's own included. */
  events: LoggedEvent[] = [];
  /** Of an append. May be lowered and raised at any time. */
  maxAppendBytes = MAX_APPEND_BYTES;
  /** Unix milliseconds. A test may put another clock here. */
  now: () => number = Date.now;
  readonly #streams = new Map<string, LoggedEvent[]>();
  readonly #tombstones = new Set<string>();
  readonly #recentIds = new Map<string, LoggedEvent>();
  readonly #listeners = new Set<(appended: readonly LoggedEvent[]) => void>();
  readonly #scavenged = new Set<LoggedEvent>();
  readonly #journal: Journal | undefined;
  /** Written since anybody was told. */
  #untold: LoggedEvent[] = [];
  #endOfLog = FIRST_POSITION;
  readonly #appended: Appended = {
    revisionOf: stream => this.revisionOf(stream),
    isSoftDeleted: stream => this.metadataOf(stream).isDeleted,
    eventAt: (stream, revision) => {
      const event = this.#streams.get(stream)?.[revision];
      return event && !this.#scavenged.has(event) ? event : undefined;
    },
    remembered: id => this.#recentIds.get(id),
  };

  /** @param journal what was written there before is in the log; recent ids are forgotten, as by a restart */
  constructor(journal?: Journal) {
    this.#journal = journal;
    for (const { events, endOfLog } of journal?.entries ?? []) this.#load(events, endOfLog);
    if (this.events.length > 0) return;
    this.#write('$$$scavenges', systemProposal('$metadata', SCAVENGES));
    this.#tell();
  }

  /** What clients appended. */
  get recorded(): readonly LoggedEvent[] {
    return this.events.filter(event => !isSystem(event) && event.type !== STREAM_DELETED);
  }

  /** Of what was written last; of the beginning, when nothing was. */
  get end(): LogPosition {
    return this.events.at(-1)?.position ?? { commit: 0n, prepare: 0n };
  }

  get endOfLog(): bigint {
    return this.#endOfLog;
  }

  /** Called after every append. @returns stops that */
  onAppend(listener: (appended: readonly LoggedEvent[]) => void): () => void {
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
    if (countedBytes(proposals) > this.maxAppendBytes)
      return { result: 'too-large', limit: this.maxAppendBytes };
    if (this.isTombstoned(stream)) return { result: 'stream-deleted' };
    const ids = proposals.map(({ id }) => id);
    const verdict = checkAppend(this.#appended, stream, expected, ids);
    if (verdict.is === 'deleted') return { result: 'stream-deleted' };
    if (verdict.is === 'conflict') return { result: 'wrong-expected-version', current: verdict.current };
    if (verdict.is === 'stored') {
      const { revision, position } = verdict.last;
      return { result: 'success', revision, position: this.#isHidden(verdict.last) ? undefined : position };
    }
    const wasDeleted = this.metadataOf(stream).isDeleted;
    const original =
      isMetadata(stream) && this.metadataOf(stream.slice(2)).isDeleted ? stream.slice(2) : undefined;
    const before = this.revisionOf(stream);
    const written = proposals.map(proposal => this.#write(stream, proposal));
    // A record is written for an append of nothing as well, though it is no event.
    const position = written.at(-1)?.position ?? { commit: this.#endOfLog, prepare: this.#endOfLog };
    if (written.length === 0) this.#endOfLog += BigInt(COMMIT_BYTES);
    if (wasDeleted) this.#write(`$$${stream}`, systemProposal('$metadata', `{"$tb":${before + 1}}`));
    const revision = this.revisionOf(stream);
    // Metadata does not bring a deleted stream's past back: the server writes it again, with the end of that past.
    const last = written.at(-1);
    if (original && last) {
      const merged = { ...contentOf(last), $tb: this.revisionOf(original) + 1 };
      this.#write(stream, systemProposal('$metadata', JSON.stringify(merged)));
    }
    this.#tell();
    return { result: 'success', revision, position };
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
  softDelete(stream: string, expected: Expected = 'any'): DeleteOutcome {
    const refused = this.#refuseDelete(stream, expected);
    if (refused) return refused;
    const { position } = this.#write(`$$${stream}`, systemProposal('$metadata', `{"$tb":${DELETED}}`));
    this.#tell();
    return { result: 'success', position };
  }

  /** The stream is gone for good; the record that says so is an event of it in `$all`. */
  tombstone(stream: string, expected: Expected = 'any'): DeleteOutcome {
    const refused = this.#refuseDelete(stream, expected, true);
    if (refused) return refused;
    const proposal = { ...systemProposal(STREAM_DELETED, ''), contentType: 'application/octet-stream' };
    const { position } = this.#write(stream, proposal);
    this.#tell();
    return { result: 'success', position };
  }

  /** Removes from `$all` what metadata hides, and the events of deleted streams. Their places are still places. */
  scavenge(): void {
    const isRubbish = (event: LoggedEvent) =>
      event.revision !== TOMBSTONE_REVISION && (this.isTombstoned(event.stream) || this.#isHidden(event));
    for (const event of this.events) if (isRubbish(event)) this.#scavenged.add(event);
    this.events = this.events.filter(event => !this.#scavenged.has(event));
  }

  /** What a backup holds. */
  backup(): { readonly events: readonly LoggedEvent[]; readonly endOfLog: bigint } {
    return { events: [...this.events], endOfLog: this.#endOfLog };
  }

  /** The log is what it was when the backup was made; what came after never was, also to the memory of ids. */
  restore({ events, endOfLog }: ReturnType<EventLog['backup']>): void {
    this.events = [];
    this.#streams.clear();
    this.#tombstones.clear();
    this.forgetRecentIds();
    this.#load(events, endOfLog);
    this.#journal?.rewrite({ events, endOfLog });
  }

  /** Takes over what another log has beyond this one, which is its beginning. */
  replicate(other: EventLog): void {
    const { events, endOfLog } = other.backup();
    if (this.#endOfLog >= endOfLog) return;
    const news = events.slice(other.indexAt(this.end, false));
    this.#load(news, endOfLog);
    for (const listener of this.#listeners) listener(news);
  }

  /** Its metadata goes with it. */
  isTombstoned = (stream: string): boolean =>
    this.#tombstones.has(isMetadata(stream) ? stream.slice(2) : stream);

  /** −1 when the stream has none. */
  revisionOf = (stream: string): number => (this.#streams.get(stream)?.length ?? 0) - 1;

  metadataOf = (stream: string): EffectiveMetadata => metadataOf(this.#streams.get(`$$${stream}`)?.at(-1));

  /** `undefined`: there is no such stream, or it was deleted. */
  readable(stream: string): readonly LoggedEvent[] | undefined {
    const all = this.#streams.get(stream);
    if (!all) return undefined;
    const metadata = this.metadataOf(stream);
    if (metadata.isDeleted) return undefined;
    const from = readableFrom(metadata, all.length, isMetadata(stream));
    if (from === 0 && metadata.maxAgeMs === undefined) return all;
    return all.slice(from).filter(event => isReadable(event, metadata, this.now()));
  }

  /** The revision from which `$tb` and `$maxCount` (for metadata: 1) let the stream be read. */
  firstReadable = (stream: string): number =>
    readableFrom(this.metadataOf(stream), this.revisionOf(stream) + 1, isMetadata(stream));

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

  /** Whether a record lies there, or might: the log begins at 0, and beyond its end nothing is known. */
  isRecord({ commit, prepare }: LogPosition): boolean {
    if (prepare > commit) return false;
    if (commit === 0n || commit > this.end.commit) return true;
    const isThere = (event: LoggedEvent | undefined) => event?.position.commit === commit;
    return (
      isThere(this.events[this.indexAt({ commit, prepare: 0n }, true)]) || [...this.#scavenged].some(isThere)
    );
  }

  #isHidden(event: LoggedEvent): boolean {
    const metadata = this.metadataOf(event.stream);
    if (metadata.isDeleted || event.revision < this.firstReadable(event.stream)) return true;
    return !isReadable(event, metadata, this.now());
  }

  #refuseDelete(stream: string, expected: Expected, isForGood = false): DeleteOutcome | undefined {
    if (this.#tombstones.has(stream)) return { result: 'stream-deleted' };
    const current = this.revisionOf(stream);
    const isAnyways = expected === 'any' && (isForGood || current > NO_STREAM);
    const at = expected === 'no-stream' ? NO_STREAM : expected;
    if (isAnyways || at === current || (expected === 'stream-exists' && current > NO_STREAM))
      return undefined;
    return { result: 'wrong-expected-version', current };
  }

  #write(stream: string, proposal: Proposal, commit?: bigint): LoggedEvent {
    const prepare = this.#endOfLog;
    const isTombstone = proposal.type === STREAM_DELETED;
    const event: LoggedEvent = {
      ...proposal,
      stream,
      revision: isTombstone ? TOMBSTONE_REVISION : this.revisionOf(stream) + 1,
      position: { commit: commit ?? prepare, prepare },
      createdMs: this.now(),
    };
    this.#endOfLog += sizeOf(stream, proposal);
    this.#index(event);
    // One stream an id: the first that had it.
    if (!this.#recentIds.has(event.id)) this.#recentIds.set(event.id, event);
    this.#untold.push(event);
    return event;
  }

  #load(events: readonly LoggedEvent[], endOfLog: bigint): void {
    for (const event of events) this.#index(event);
    this.#endOfLog = endOfLog;
  }

  #index(event: LoggedEvent): void {
    this.events.push(event);
    if (event.revision === TOMBSTONE_REVISION) {
      this.#tombstones.add(event.stream);
      return;
    }
    const inStream = this.#streams.get(event.stream);
    if (inStream) inStream.push(event);
    else this.#streams.set(event.stream, [event]);
  }

  /** Nobody hears of an append before it is in the journal. */
  #tell(): void {
    const events = this.#untold;
    this.#untold = [];
    this.#journal?.write({ events, endOfLog: this.#endOfLog });
    for (const listener of this.#listeners) listener(events);
  }
}

const isMetadata = (stream: string): boolean => stream.startsWith('$$');
