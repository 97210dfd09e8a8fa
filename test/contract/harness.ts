/**
 * What the contract needs of a store's test set-up. Cases share the store's data and look only at what they
 * wrote themselves, so that a store that cannot be emptied can be tested too.
 */
import type { EventAt, EventStore, Page } from '../../src/event-store/event-store.js';
import type { NewEvent, Position, StoredEvent } from '../../src/events/event.js';

export interface EventStoreHarness {
  /** Another instance on the same data. The contract closes it. */
  open(): Promise<EventStore>;
  /** Starts an append of these events and kills the writer before it was told the outcome: all or none are stored. */
  crashWriter(events: readonly NewEvent[]): Promise<void>;
  /** Stores an event as it is, past all validation. */
  writeRaw(event: RawWrite): Promise<void>;
  /**
   * Whether the events of one append lie in the log stream by stream, and not as they were given: a store that can take
   * together only what is for one stream. The streams come in the order in which they first appear, unless another
   * process appended to one of them meanwhile.
   */
  readonly groupsByStream?: boolean;
  /** Breaks every connection to the store that is open now, as a restart of the server would. */
  breakConnections?(): Promise<void>;
  close(): Promise<void>;
}

export interface RawWrite {
  readonly id: string;
  readonly stream: string;
  readonly type: string;
  readonly schemaVersion: number;
  readonly data: unknown;
}

/** A store per test and the harness of the suite, opened and closed by the hooks the contract sets. */
export interface Subject {
  readonly harness: EventStoreHarness;
  readonly store: EventStore;
  /** Another instance, closed after the test. */
  another(): Promise<EventStore>;
}

/** Every event after `after`, read in pages. */
export async function readToHead(store: EventStore, after: Position | undefined): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for (;;) {
    const page = await store.readAll({ after: events.at(-1)?.position ?? after, limit: 1000 });
    if (page.length === 0) return events;
    events.push(...page);
  }
}

/** Follows until `enough`, then ends the subscription and waits for it to be over. */
export async function follow(
  store: EventStore,
  options: { after: Position | undefined; expecting?: EventAt; pageSize?: number },
  onPage: (page: Page) => boolean | Promise<boolean>,
): Promise<void> {
  const stop = new AbortController();
  for await (const page of store.subscribe({ ...options, signal: stop.signal })) {
    if (await onPage(page)) stop.abort();
  }
}

/** The events of one append in the order in which this store's log has them. */
export function asStored(harness: EventStoreHarness, events: readonly NewEvent[]): readonly NewEvent[] {
  if (!harness.groupsByStream) return events;
  const streams = [...new Set(events.map(({ stream }) => stream))];
  return streams.flatMap(stream => events.filter(event => event.stream === stream));
}

export const idsOf = (events: readonly { readonly id: string }[]): string[] => events.map(({ id }) => id);
