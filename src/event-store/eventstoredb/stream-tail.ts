/**
 * The end of a stream, as far back as an event that is about to be appended could lie there already.
 *
 * The server recognises a repeated append only when it names the revision it was first made at; to `any` it
 * remembers some ids for some time, until it restarts, and of a batch that is there in part it stores the rest
 * twice. So every append of ours names a revision, and what is there already is looked for here.
 *
 * How far back? An event cannot have been stored before its id was made, and the id (UUIDv7) says when that was,
 * by the clock of the host that made it. Reading ends at the first event that the server recorded longer before
 * than {@link MAX_HOST_LEAD_MS}, which is how far a host's clock may run ahead of the server's. An id that has no
 * time in it is looked for in the whole stream.
 *
 * An imported event keeps the time at which its first store recorded it, and lies in its stream in that order, so
 * it is looked for by that time and not by when it was copied.
 */
import type { Position } from '../../events/event.js';
import { collect } from './calls.js';
import type { Node } from './connection.js';
import type { Interruption } from './interruption.js';
import type { Recorded } from './read-message.js';
import { streamRead } from './read-requests.js';
import { recordedAt } from './recorded-event.js';

const MAX_HOST_LEAD_MS = 600_000;
const FIRST_PAGE = 32;
const LARGEST_PAGE = 4_096;
/** After so many looks at a stream that shows nothing, what the server says is there has been dropped for its age. */
const LOOKS_AT_NOTHING = 5;

export interface Known {
  readonly version: number;
  /** Of the event, or of one behind it that was stored together with it; `undefined`: the server did not say. */
  readonly position: Position | undefined;
}

export interface Tail {
  /** The stream's, 0 when there is none. */
  version: number;
  /** By lower-case id: every event recorded at `knownFrom` or later. */
  readonly known: Map<string, Known>;
  knownFrom: { readonly createdMs: number; readonly recordedMs: number };
  /** The latest time in an id that was known and let go, milliseconds; −∞ when none was. */
  forgottenIdMs: number;
  looksAtNothing: number;
  /** When another process last turned out to append here too, by the monotonic clock. */
  contendedMs: number;
  /** When, by the monotonic clock, and at which version it last gave way to others; `undefined`: it has just begun. */
  held: { readonly sinceMs: number; readonly sinceVersion: number } | undefined;
  /** Its version when it was last asked whether to (give-way.ts). */
  askedVersion: number;
  /** When it will have been left for long enough, should nothing more be appended, by the monotonic clock. */
  isLeftAtMs: number;
  /** When the server last said that this is the end of the stream, by this host's clock, epoch milliseconds. */
  confirmedMs: number;
}

/**
 * From when on an event may be stored: by when the log took it, or by when its first store did. Of the two the one
 * that does not apply is NaN, which no time is before. Epoch milliseconds, as are the times in the ids.
 */
export interface SearchBound {
  readonly createdMs: number;
  readonly recordedMs: number;
  /** The earliest time in an id. */
  readonly idMs: number;
  /** The latest. */
  readonly latestIdMs: number;
}

const WHOLE_STREAM = { createdMs: Number.NEGATIVE_INFINITY, recordedMs: Number.NEGATIVE_INFINITY };

/** Where to stop looking for events of these ids. */
export function boundOfNew(ids: readonly string[]): SearchBound {
  const times = timesIn(ids);
  return { createdMs: times.idMs - MAX_HOST_LEAD_MS, recordedMs: Number.NaN, ...times };
}

/** Where to stop looking for events that another store recorded. */
export function boundOfImported(
  events: readonly { readonly id: string; readonly recordedAt: number }[],
): SearchBound {
  const recordedMs = events.reduce(
    (first, event) => Math.min(first, event.recordedAt),
    Number.POSITIVE_INFINITY,
  );
  return {
    createdMs: Number.NaN,
    recordedMs: recordedMs - MAX_HOST_LEAD_MS,
    ...timesIn(events.map(({ id }) => id)),
  };
}

const NOTHING_KNOWN = { createdMs: Number.POSITIVE_INFINITY, recordedMs: Number.POSITIVE_INFINITY };

/** Of a stream that is taken to be new; if it is not, an append conflicts. */
export const tailOfNew = (): Tail => ({
  version: 0,
  known: new Map(),
  knownFrom: WHOLE_STREAM,
  forgottenIdMs: Number.NEGATIVE_INFINITY,
  looksAtNothing: 0,
  contendedMs: Number.NEGATIVE_INFINITY,
  held: undefined,
  askedVersion: 0,
  isLeftAtMs: Number.NEGATIVE_INFINITY,
  confirmedMs: Date.now(),
});

/** The stream is at `version`, by a conflict's word; what others appended on the way there is not known. */
export function skipTo(tail: Tail, version: number): void {
  tail.version = version;
  tail.knownFrom = NOTHING_KNOWN;
  tail.confirmedMs = Date.now();
}

/** Whether whatever lies in the stream since `bound` is known. */
export function reaches({ knownFrom, forgottenIdMs }: Tail, bound: SearchBound): boolean {
  const reachesBack = knownFrom.createdMs <= bound.createdMs || knownFrom.recordedMs <= bound.recordedMs;
  return reachesBack && (forgottenIdMs === Number.NEGATIVE_INFINITY || bound.idMs > forgottenIdMs);
}

/** Lets the oldest go, so that `keep` are left. An event whose id is later than all of theirs is not among them. */
export function forgetOldest(tail: Tail, keep: number): void {
  let surplus = tail.known.size - keep;
  for (const id of tail.known.keys()) {
    if (surplus-- <= 0) return;
    tail.known.delete(id);
    // At least 0, so that an id without a time, which is later than none, is looked for again.
    tail.forgottenIdMs = Math.max(tail.forgottenIdMs, timeOf(id), 0);
  }
}

/** Reads backwards from the end of the stream to `bound`. */
export async function readTail(
  node: Node,
  stream: string,
  bound: SearchBound,
  operation: Interruption,
): Promise<Tail> {
  const events: Recorded[] = [];
  let knownFrom: Tail['knownFrom'] | undefined;
  for (let count = FIRST_PAGE; !knownFrom; count = Math.min(count * 4, LARGEST_PAGE)) {
    const last = events.at(-1);
    const fromVersion = last && last.version - 1;
    const before = events.length;
    const request = streamRead(stream, { direction: 'backwards', fromVersion, count });
    await collect(node, request, operation, event => events.push(event));
    const oldest = events.at(-1);
    if (events.length - before < count || !oldest || oldest.version === 1) knownFrom = WHOLE_STREAM;
    else if (oldest.createdMs < bound.createdMs || recordedAt(oldest) < bound.recordedMs) {
      knownFrom = { createdMs: oldest.createdMs + 1, recordedMs: recordedAt(oldest) + 1 };
    }
  }
  const known = new Map<string, Known>();
  for (const event of events.reverse()) learn(known, event);
  return { ...tailOfNew(), version: events.at(-1)?.version ?? 0, known, knownFrom };
}

/**
 * Learns what others appended since.
 * @param actual the version at which the server says the stream is; it may be ahead of what can be read yet
 */
export async function refreshTail(
  node: Node,
  stream: string,
  tail: Tail,
  actual: number | undefined,
  operation: Interruption,
): Promise<void> {
  const count = Number.MAX_SAFE_INTEGER;
  const request = streamRead(stream, { direction: 'forwards', fromVersion: tail.version + 1, count });
  await collect(node, request, operation, event => {
    learn(tail.known, event);
    tail.version = event.version;
  });
  tail.confirmedMs = Date.now();
  // The newest event of a stream is the last to grow old: nothing to see at all means all of it has.
  if (actual === undefined || actual <= tail.version || tail.known.size > 0) return;
  tail.looksAtNothing += 1;
  if (tail.looksAtNothing >= LOOKS_AT_NOTHING) tail.version = actual;
}

function learn(known: Map<string, Known>, { id, version, position }: Recorded): void {
  const key = id.toLowerCase();
  // Should it be there twice all the same, the first is the one that counts.
  if (!known.has(key)) known.set(key, { version, position });
}

function timesIn(ids: readonly string[]): Pick<SearchBound, 'idMs' | 'latestIdMs'> {
  let [idMs, latestIdMs] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const id of ids) {
    const ms = timeOf(id);
    if (ms < idMs) idMs = ms;
    if (ms > latestIdMs) latestIdMs = ms;
  }
  return { idMs, latestIdMs };
}

/** Milliseconds in a UUIDv7; of any other id nothing is known. */
function timeOf(id: string): number {
  return id[14] === '7' ? Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : Number.NEGATIVE_INFINITY;
}
