/** An append or an import as a job of {@link store}, and what became of it as the port tells it. */
import { ConnectorStateError } from '../../errors.js';
import type { RawEvent } from '../../events/decode.js';
import type { NewEvent } from '../../events/event.js';
import type { AppendedEvent, AppendOptions, AppendResult } from '../event-store.js';
import { readExpectedVersions } from '../expected-versions.js';
import { serialiseEvent } from '../serialise.js';
import { comparePositions } from './position.js';
import { toImport, toProposal } from './recorded-event.js';
import { type StoreContext, type Stored, store } from './storing.js';
import { boundOfImported, boundOfNew, type SearchBound } from './stream-tail.js';
import { byStream, inOrder } from './writes.js';

export async function appendEvents(
  context: StoreContext,
  events: readonly NewEvent[],
  { expectedVersions = {}, signal }: AppendOptions,
  timeoutMs: number,
): Promise<AppendResult> {
  const items = events.map(serialiseEvent).map(event => ({
    stream: event.stream,
    proposal: toProposal(event),
  }));
  const expected = readExpectedVersions(new Set(items.map(({ stream }) => stream)), expectedVersions);
  if (items.length === 0) return { events: [], position: undefined };
  const stored = await store(context, {
    action: `append ${items.length} event(s)`,
    timeoutMs,
    signal,
    writes: byStream(items),
    bounds: boundsOf(items, ({ proposal }) => proposal, boundOfNew),
    expected,
    named: expectedVersions,
    wantsPositions: true,
  });
  const seen = new Set<string>();
  return toResult(
    items.map(({ stream, proposal: { id } }) => {
      const key = id.toLowerCase();
      const event = toAppended(stream, id, stored.get(stream)?.get(key));
      const isRepeated = seen.has(`${stream} ${key}`);
      seen.add(`${stream} ${key}`);
      return isRepeated ? { ...event, isNew: false } : event;
    }),
  );
}

export async function importEvents(
  context: StoreContext,
  events: readonly RawEvent[],
  timeoutMs: number,
): Promise<void> {
  if (events.length === 0) return;
  const items = events.map(event => ({ stream: event.stream, proposal: toImport(event) }));
  await store(context, {
    action: `import ${items.length} event(s)`,
    timeoutMs,
    writes: inOrder(items),
    bounds: boundsOf(events, event => event, boundOfImported),
    expected: new Map(),
    named: {},
    wantsPositions: false,
  });
}

function boundsOf<T extends { readonly stream: string }, V>(
  items: readonly T[],
  read: (item: T) => V,
  toBound: (values: readonly V[]) => SearchBound,
): ReadonlyMap<string, SearchBound> {
  const values = new Map<string, V[]>();
  for (const item of items) {
    const there = values.get(item.stream);
    if (there) there.push(read(item));
    else values.set(item.stream, [read(item)]);
  }
  return new Map([...values].map(([stream, all]) => [stream, toBound(all)]));
}

function toAppended(stream: string, id: string, stored: Stored | undefined): AppendedEvent {
  if (stored?.position === undefined) {
    throw new ConnectorStateError(
      'EVENT_STORE_FAILED',
      `the event store stored ${id} in ${stream} and then did not show it: retry with the same event ids`,
    );
  }
  return { id, stream, version: stored.version, position: stored.position, isNew: stored.isNew };
}

function toResult(events: readonly AppendedEvent[]): AppendResult {
  const last = events.reduce((a, b) => (comparePositions(a.position, b.position) > 0 ? a : b));
  return { events, position: last.position };
}
