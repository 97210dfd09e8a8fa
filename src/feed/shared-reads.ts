/**
 * What lies before the window, read once for all who ask for it at about the same time.
 *
 * Followers that begin at the same place go the same way, page by page; whoever comes second to a page finds it under
 * way or still at hand. Only full pages are kept, for a short one grows; and few of them: they are for
 * those who go side by side, and a follower that goes alone reads for himself.
 */
import { LRUCache } from 'lru-cache';
import type { EventStore, EventsFrom } from '../event-store/event-store.js';
import type { Position } from '../events/event.js';

const KEPT_PAGES = 16;

export interface SharedReads {
  /** @throws what the store throws */
  after(position: Position | undefined): Promise<EventsFrom>;
}

export function createSharedReads(store: Pick<EventStore, 'readFrom'>, pageSize: number): SharedReads {
  const pages = new LRUCache<string, Promise<EventsFrom>>({ max: KEPT_PAGES });
  return {
    after(position) {
      const key = position ?? '';
      const known = pages.get(key);
      if (known) return known;
      const read = store.readFrom({ after: position, limit: pageSize });
      pages.set(key, read);
      const forget = () => {
        if (pages.peek(key) === read) pages.delete(key);
      };
      read.then(({ events }) => events.length < pageSize && forget(), forget);
      return read;
    },
  };
}
