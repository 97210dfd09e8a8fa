/** What the adapter's own tests share: servers and stores that end with the test, and logs that are kept. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach } from '@jest/globals';
import { type Logger, silentLogger } from '../../src/base/logging.js';
import type { TransferableEventStore } from '../../src/event-store/event-store.js';
import { createEventStoreDbStore } from '../../src/event-store/eventstoredb/index.js';
import type { Position, StoredEvent } from '../../src/events/event.js';
import { follow } from '../contract/harness.js';
import { startTestServer, type TestServer, type TestServerOptions } from '../support/esdb-server/index.js';
import type { OpenOptions } from './eventstoredb-harness.js';

const opened: { close(): unknown }[] = [];

afterEach(async () => {
  for (const it of opened.splice(0).reverse()) await it.close();
});

export function closing<T extends { close(): unknown }>(it: T): T {
  opened.push(it);
  return it;
}

export const givenServer = async (options?: TestServerOptions): Promise<TestServer> =>
  closing(await startTestServer(options));

export type Store = TransferableEventStore & { readonly warnings: readonly string[] };

/** A store with what it says it tried again. */
export function givenStore(server: { readonly url: string }, options: OpenOptions = {}): Store {
  const warnings: string[] = [];
  const log: Logger = {
    ...silentLogger,
    warn: details => warnings.push((details as { problem: string }).problem),
  };
  const store = createEventStoreDbStore({ url: server.url, log, ...options });
  return closing(Object.assign(store, { warnings }));
}

/** A store that has talked to its server: from then on it tries again what fails. */
export async function givenConnectedStore(server: TestServer, options?: OpenOptions): Promise<Store> {
  const store = givenStore(server, options);
  await store.head();
  return store;
}

export async function eventually(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error('it never came to be so');
    await pause(10);
  }
}

/** The next `count` events after `after`, followed live. */
export async function followed(store: Store, after: Position | undefined, count: number, pageSize = 500) {
  const events: StoredEvent[] = [];
  await follow(store, { after, pageSize }, page => {
    events.push(...page.events);
    return events.length >= count;
  });
  return events;
}
