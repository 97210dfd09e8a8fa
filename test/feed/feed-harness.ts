/** A feed over a database of its own, and who follows it. */
import type { Pool } from 'pg';
import { silentLogger } from '../../src/base/logging.js';
import type { EventStore } from '../../src/event-store/event-store.js';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import type { NewEvent } from '../../src/events/event.js';
import {
  createEventFeed,
  type EventFeed,
  type FeedMessage,
  type FeedOptions,
} from '../../src/feed/event-feed.js';
import { createPool } from '../../src/postgres/pool.js';
import { createTestDatabase } from '../support/database.js';

export interface FeedHarness {
  readonly pool: Pool;
  readonly store: EventStore;
  readonly url: string;
  /** How many statements the store has sent. */
  queries(): number;
  openFeed(options?: { windowEvents?: number; pageSize?: number }): EventFeed;
  append(events: readonly NewEvent[]): Promise<void>;
  close(): Promise<void>;
}

export async function createFeedHarness(): Promise<FeedHarness> {
  const database = await createTestDatabase();
  const pool = createPool({ connectionString: database.url, max: 4, log: silentLogger });
  let queries = 0;
  pool.on('acquire', () => {
    queries += 1;
  });
  // Polled seldom, so that what is counted is what followers cause.
  const store = createPostgresEventStore({
    pool,
    listen: { connectionString: database.url },
    pollIntervalMs: 60_000,
  });
  const feeds: EventFeed[] = [];
  return {
    pool,
    store,
    url: database.url,
    queries: () => queries,
    openFeed(options = {}) {
      const feed = createEventFeed({ store, ...options });
      feeds.push(feed);
      return feed;
    },
    async append(events) {
      for (let i = 0; i < events.length; i += 500) await store.append(events.slice(i, i + 500));
    },
    async close() {
      await Promise.all(feeds.map(feed => feed.close()));
      await store.close();
      await pool.end();
      await database.drop();
    },
  };
}

/** Follows until `enough`, which is asked after each message. */
export async function collect(
  feed: EventFeed,
  options: FeedOptions,
  enough: (message: FeedMessage, all: readonly FeedMessage[]) => boolean,
): Promise<FeedMessage[]> {
  const messages: FeedMessage[] = [];
  for await (const message of feed.follow(options)) {
    messages.push(message);
    if (enough(message, messages)) break;
  }
  return messages;
}

export const isCaughtUp = ({ type }: FeedMessage): boolean => type === 'caught-up';

export const idsIn = (messages: readonly FeedMessage[]): string[] =>
  messages.flatMap(message => (message.type === 'event' ? [message.event.id] : []));

export const tokenOf = (message: FeedMessage | undefined): string => {
  if (!message) throw new Error('there is no such message');
  return message.token;
};
