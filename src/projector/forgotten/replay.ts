/**
 * The log as it is folded from its beginning: without the hits that are forgotten, with their sums in their places.
 *
 * There may be millions of sums, in parts of a quarter of a megabyte. So all parts are read twice: once for where in the
 * log each begins and ends, and again, each for itself, when the fold comes there. A fold may also go back to where it
 * was (tables that stand at different checkpoints): the parts of that place are then read once more.
 */
import type { EventStore } from '../../event-store/event-store.js';
import type { Position, StoredEvent } from '../../events/event.js';
import type { Batch } from '../write-page.js';
import { eventOf, type ForgottenEntry, isKept, type KeptEvent, keptEventOf } from './digest.js';
import {
  type ForgottenSpan,
  forgottenVersion,
  isCovered,
  positionOf,
  readForgottenSpan,
  readParts,
  wholeOnes,
} from './forgotten.js';

export interface Replay {
  /** What was forgotten when it began ({@link forgottenVersion}). */
  readonly version: number;
  /** Sums bear the position of the event that they stand behind, so that they are applied with it or not at all. */
  readonly pageOf: (page: Batch) => Promise<Batch>;
}

/** One part of a forgetting, without its sums: they stand behind kept events from `from` to `to`. */
interface Part {
  readonly version: number;
  /** `undefined`: the beginning of the log. */
  readonly from: Position | undefined;
  readonly to: Position | undefined;
}

interface LoadedPart extends Part {
  readonly entries: ReadonlyMap<KeptEvent | undefined, readonly ForgottenEntry[]>;
}

/**
 * @param stillHere called after each part that is read: millions of sums take longer than a server leaves a transaction idle
 * @throws ConnectorStateError `PROJECTION_FAILED` when a fact of it cannot be read, or speaks of an event that is not there
 */
export async function openReplay(store: EventStore, stillHere: () => Promise<unknown>): Promise<Replay> {
  // What is recorded in between makes it another version, at the latest when the fold is done.
  const version = await forgottenVersion(store);
  const span = await readForgottenSpan(store);
  if (!span) return { version, pageOf: async page => page };
  const partsOf = createPartReader(store, await partsUpTo(store, version, stillHere));
  return {
    version,
    async pageOf(page) {
      const end = page.events.at(-1)?.position;
      if (end === undefined) return page;
      const parts = await partsOf(page.after, end);
      return withSums(store, span, page, place => parts.flatMap(({ entries }) => entries.get(place) ?? []));
    },
  };
}

/** Pure. */
export function withSums(
  { compare }: Pick<EventStore, 'compare'>,
  span: ForgottenSpan,
  page: Batch,
  sumsBehind: (place: KeptEvent | undefined) => readonly ForgottenEntry[],
): Batch {
  const first = page.events[0];
  const events: StoredEvent[] = [];
  const replay = (place: KeptEvent | undefined, position: Position) => {
    for (const entry of sumsBehind(place)) events.push(eventOf(entry, position));
  };
  if (first && page.after === undefined) replay(undefined, first.position);
  for (const event of page.events) {
    if (isCovered(compare, span, event)) continue;
    events.push(event);
    if (isKept(event)) replay(keptEventOf(event), event.position);
  }
  return { ...page, events, read: page.events };
}

/** Of the forgettings that hold, in the order in which they begin. */
async function partsUpTo(
  store: EventStore,
  version: number,
  stillHere: () => Promise<unknown>,
): Promise<readonly Part[]> {
  const told = [];
  for await (const { version: its, data } of readParts(store)) {
    if (its > version) break;
    await stillHere();
    const { forgetting, part, parts, entries } = data;
    const [from, to] = [entries[0]?.after, entries.at(-1)?.after];
    told.push({ version: its, data: { forgetting, part, parts }, from, to, isEmpty: entries.length === 0 });
  }
  const places = new Map<KeptEvent, Position>();
  const placeOf = async (place: KeptEvent | undefined) => {
    if (place === undefined) return undefined;
    const known = places.get(place) ?? (await positionOf(store, place));
    places.set(place, known);
    return known;
  };
  const parts: Part[] = [];
  for (const { version: its, from, to, isEmpty } of wholeOnes(told).flat()) {
    if (!isEmpty) parts.push({ version: its, from: await placeOf(from), to: await placeOf(to) });
  }
  return parts.sort((a, b) => store.compare(a.from, b.from));
}

/** Gives the parts with sums behind events after `after`, up to `end`, in the order in which they were recorded. */
function createPartReader(
  store: EventStore,
  parts: readonly Part[],
): (after: Position | undefined, end: Position) => Promise<readonly LoadedPart[]> {
  let loaded: LoadedPart[] = [];
  let next = 0;
  let at: Position | undefined;
  return async (after, end) => {
    if (store.compare(after, at) < 0) {
      loaded = [];
      next = 0;
    }
    at = after;
    const isAhead = ({ to }: Part) => after === undefined || store.compare(to, after) > 0;
    loaded = loaded.filter(isAhead);
    for (let part = parts[next]; part && store.compare(part.from, end) <= 0; part = parts[++next]) {
      if (isAhead(part)) loaded.push(await load(store, part));
    }
    return loaded.sort((a, b) => a.version - b.version);
  };
}

async function load(store: EventStore, part: Part): Promise<LoadedPart> {
  const entries = new Map<KeptEvent | undefined, ForgottenEntry[]>();
  for await (const { data } of readParts(store, { fromVersion: part.version, limit: 1 })) {
    for (const entry of data.entries) {
      const there = entries.get(entry.after);
      if (there) there.push(entry);
      else entries.set(entry.after, [entry]);
    }
    break;
  }
  return { ...part, entries };
}
