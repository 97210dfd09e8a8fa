/**
 * The log as it is folded from its beginning: without the hits that are forgotten, with their sums in their places.
 *
 * There may be millions of sums, in parts of a quarter of a megabyte. So all parts are read twice: once for where in the
 * log each begins and ends, and again, each for itself, when the fold comes there. A page of which the hits are gone may
 * stand for hundreds of parts, so it is cut where {@link PARTS_AT_ONCE} have ended, and folded slice by slice. A fold may
 * also go back to where it was (tables that stand at different checkpoints): the parts of that place are then read once more.
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
  /**
   * The page in slices, each read when it is asked for. Sums bear the position of the event that they stand behind, so
   * that they are applied with it or not at all.
   */
  readonly slicesOf: (page: Batch) => AsyncIterable<Batch>;
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

/** Some 1 400 sums and 2 MB of objects each. */
const PARTS_AT_ONCE = 8;

/**
 * @param stillHere called after each part that is read: millions of sums take longer than a server leaves a transaction idle
 * @throws ConnectorStateError `PROJECTION_FAILED` when a fact of it cannot be read, or speaks of an event that is not there
 */
export async function openReplay(
  store: EventStore,
  stillHere: () => Promise<unknown>,
  partsAtOnce = PARTS_AT_ONCE,
): Promise<Replay> {
  // What is recorded in between makes it another version, at the latest when the fold is done.
  const version = await forgottenVersion(store);
  const span = await readForgottenSpan(store);
  if (!span) return { version, slicesOf: whole };
  const parts = await partsUpTo(store, version, stillHere);
  const partsOf = createPartReader(store, parts);
  const ends = parts.map(({ to }) => to).sort(store.compare);
  const cuts = ends.filter((_, index) => index % partsAtOnce === partsAtOnce - 1);
  return {
    version,
    async *slicesOf(page) {
      for (const slice of cutBehind(store, page, cuts)) {
        const end = slice.events.at(-1)?.position;
        const parts = end === undefined ? [] : await partsOf(slice.after, end);
        yield withSums(store, span, slice, place => parts.flatMap(({ entries }) => entries.get(place) ?? []));
      }
    },
  };
}

async function* whole(page: Batch): AsyncGenerator<Batch, void, void> {
  yield page;
}

/** Pure. @param cuts places in the log, in order */
function cutBehind(
  { compare }: Pick<EventStore, 'compare'>,
  page: Batch,
  cuts: readonly (Position | undefined)[],
): readonly Batch[] {
  const slices: Batch[] = [];
  const open = cuts.filter(cut => compare(cut, page.after) > 0);
  let { after } = page;
  let begin = 0;
  for (const [index, { position }] of page.events.slice(0, -1).entries()) {
    if (open.length === 0 || compare(position, open[0]) < 0) continue;
    while (open.length > 0 && compare(position, open[0]) >= 0) open.shift();
    slices.push({ after, events: page.events.slice(begin, index + 1), position });
    after = position;
    begin = index + 1;
  }
  return [...slices, { after, events: page.events.slice(begin), position: page.position }];
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
