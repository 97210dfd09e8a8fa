/**
 * An append or an import as a member of a group, and what became of it as the port tells it. Each has a deadline and a
 * signal of its own, whatever it travels with: the client's package gives an append neither.
 */
import type { RawEvent } from '../../events/decode.js';
import type { NewEvent, Position } from '../../events/event.js';
import { handOn } from '../../events/ids.js';
import type { AppendQueue } from '../append-queue.js';
import type { AppendedEvent, AppendOptions, AppendResult } from '../event-store.js';
import { readExpectedVersions } from '../expected-versions.js';
import { serialiseEvent } from '../serialise.js';
import type { CallContext } from './calls.js';
import type { Append } from './group.js';
import { type Bounds, type Interruption, interruptAfter } from './interruption.js';
import { comparePositions } from './position.js';
import { toImport, toProposal } from './recorded-event.js';
import type { StoredEvents } from './stored-events.js';
import { boundOfImported, boundOfNew, type SearchBound } from './stream-tail.js';
import type { Item } from './writes.js';

export interface AppendContext extends CallContext {
  readonly queue: AppendQueue<Append>;
}

export async function appendEvents(
  context: AppendContext,
  events: readonly NewEvent[],
  { expectedVersions = {}, signal, timeoutMs: callersMs = Number.POSITIVE_INFINITY }: AppendOptions,
  longestMs: number,
): Promise<AppendResult> {
  const timeoutMs = Math.min(callersMs, longestMs);
  let isFirst = true;
  const items = events.map((event): Item => {
    const serialised = serialiseEvent(event);
    isFirst = handOn(event.id) && isFirst;
    return { stream: serialised.stream, proposal: toProposal(serialised) };
  });
  const streams = new Set(items.map(({ stream }) => stream));
  const expected = readExpectedVersions(streams, expectedVersions);
  if (items.length === 0) return { events: [], position: undefined };
  const action = `append ${items.length} event(s)`;
  return submit(context, action, { timeoutMs, signal }, (interruption, resolve, onFailure) => ({
    action,
    interruption,
    items,
    streams,
    order: 'by-stream',
    goesAlone: expected.size > 0,
    isFirst: isFirst && expected.size === 0,
    expected,
    named: expectedVersions,
    toBounds: boundsOfNew,
    onStored: stored => resolve(toResult(items, stored)),
    onFailure,
  }));
}

export async function importEvents(
  context: AppendContext,
  events: readonly RawEvent[],
  timeoutMs: number,
): Promise<number> {
  if (events.length === 0) return 0;
  const action = `import ${events.length} event(s)`;
  const items = events.map((event): Item => ({ stream: event.stream, proposal: toImport(event) }));
  return submit(context, action, { timeoutMs }, (interruption, resolve, onFailure) => ({
    action,
    interruption,
    items,
    streams: new Set(events.map(({ stream }) => stream)),
    order: 'given',
    goesAlone: true,
    isFirst: false,
    expected: new Map(),
    named: {},
    toBounds: () => boundsOfImport(events),
    onStored: stored => resolve(toResult(items, stored).events.filter(({ isNew }) => isNew).length),
    onFailure,
  }));
}

async function submit<T>(
  context: AppendContext,
  action: string,
  bounds: Bounds,
  toAppend: (
    interruption: Interruption,
    resolve: (answer: T) => void,
    reject: (failure: unknown) => void,
  ) => Append,
): Promise<T> {
  const interruption = interruptAfter(bounds, context, action);
  try {
    return await new Promise<T>((resolve, reject) => {
      interruption.onOver(reject);
      context.queue.add(toAppend(interruption, resolve, reject));
    });
  } finally {
    interruption.dispose();
  }
}

const idOf = ({ proposal }: Item): string => proposal.id;

function boundsOfNew(items: readonly Item[]): ReadonlyMap<string, SearchBound> {
  const [first] = items;
  if (items.length === 1 && first) return new Map([[first.stream, boundOfNew([idOf(first)])]]);
  return mapValues(groupByStream(items), ofStream => boundOfNew(ofStream.map(idOf)));
}

const boundsOfImport = (events: readonly RawEvent[]): ReadonlyMap<string, SearchBound> =>
  mapValues(groupByStream(events), boundOfImported);

function groupByStream<T extends { readonly stream: string }>(items: readonly T[]): Map<string, T[]> {
  const streams = new Map<string, T[]>();
  for (const item of items) {
    const there = streams.get(item.stream);
    if (there) there.push(item);
    else streams.set(item.stream, [item]);
  }
  return streams;
}

const mapValues = <K, V, W>(map: ReadonlyMap<K, V>, change: (value: V) => W): ReadonlyMap<K, W> =>
  new Map([...map].map(([key, value]) => [key, change(value)]));

function toResult(items: readonly Item[], stored: StoredEvents): AppendResult {
  let last: Position | undefined;
  const events = items.map(({ stream, proposal: { id } }): AppendedEvent => {
    const event = stored.get(stream)?.get(id.toLowerCase());
    // All are there when an append has come to its end.
    if (!event) throw new Error(`the append of ${id} to ${stream} ended without it`);
    const { version, position, isNew } = event;
    // Whom the same event belongs to as well, further on or in the same group, is told that it was there.
    event.isNew = false;
    if (position !== undefined && position !== last) {
      if (last === undefined || comparePositions(position, last) > 0) last = position;
    }
    return { id, stream, version, isNew };
  });
  return { events, position: last };
}
