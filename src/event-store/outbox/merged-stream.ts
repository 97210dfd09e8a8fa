/**
 * A stream with what waits for it behind what is stored.
 *
 * The outbox is read first: an event that is forwarded in between is then seen twice, never missed, and its id tells.
 * Stored and still waiting are only the youngest of a stream (a relay that has not yet removed its batch, an append
 * whose answer was lost), so the stream's tail is where doubles are looked for.
 */
import type { StoredEvent } from '../../events/event.js';
import type { EventStore, ReadStreamOptions } from '../event-store.js';
import type { OutboxTable } from './table.js';
import { placed } from './waiting-event.js';

const TAIL_EVENTS = 1_000;

export async function readMergedStream(
  store: Pick<EventStore, 'readStream'>,
  table: Pick<OutboxTable, 'waitingOf'>,
  stream: string,
  options: ReadStreamOptions,
): Promise<readonly StoredEvent[]> {
  const { direction = 'forwards', fromVersion, limit = Number.POSITIVE_INFINITY } = options;
  const waiting = await table.waitingOf(stream);
  if (waiting.length === 0) return store.readStream(stream, options);

  const tail = await store.readStream(stream, {
    direction: 'backwards',
    limit: TAIL_EVENTS + 2 * waiting.length,
  });
  const stored = new Set(tail.map(({ id }) => id));
  const last = tail[0]?.version ?? 0;
  const behind = waiting
    .filter(({ event }) => !stored.has(event.id))
    .map((each, index) => placed(each, last + 1 + index));

  if (direction === 'backwards') {
    const from = fromVersion ?? Number.POSITIVE_INFINITY;
    const young = behind.filter(({ version }) => version <= from).reverse();
    if (young.length >= limit) return young.slice(0, limit);
    if (last === 0) return young;
    const old = await store.readStream(stream, {
      direction,
      fromVersion: Math.min(from, last),
      ...(Number.isFinite(limit) && { limit: limit - young.length }),
    });
    return [...young, ...old];
  }
  const from = fromVersion ?? 1;
  // Up to the version seen above: what arrived since is among the waiting, or will be read next time.
  const old =
    from > last
      ? []
      : await store.readStream(stream, { fromVersion: from, limit: Math.min(limit, last - from + 1) });
  return [...old, ...behind.filter(({ version }) => version >= from)].slice(0, limit);
}
