/**
 * The events of a deployment that keeps them elsewhere than in its database: the remote store, the outbox in front
 * of it and the relay between them, put together.
 *
 * Who relays: every process that also projects, in the background, from its first use of the store on or a little
 * after its start, so that what a process that is gone left behind does not wait for somebody's next fact; and the
 * worker. Where a worker runs, functions have a role that may put into the outbox and take nothing out, and
 * leave it alone.
 */
import type { Pool } from 'pg';
import { withDeadline } from '../base/deadline.js';
import { lazy } from '../base/lazy.js';
import type { Logger } from '../base/logging.js';
import type { EventStore } from '../event-store/event-store.js';
import type { Relay } from '../event-store/outbox/index.js';
import type { Position } from '../events/event.js';
import { openEventStore } from './event-stores.js';
import type { Settings } from './settings.js';

export interface RemoteEvents {
  store(): Promise<EventStore>;
  /** Started already where this process projects inline. */
  relay(): Promise<Relay>;
  close(): Promise<void>;
}

export interface RemoteEventsOptions {
  readonly url: string;
  readonly settings: Settings;
  /** Of the database with the outbox. */
  readonly pool: Pool;
  /** Makes the tables there. */
  readonly migrated: () => Promise<void>;
  /** Makes the remote store's own tables, where it has some. */
  readonly migrateRemote: () => Promise<void>;
  /** Projects what the relay forwarded. */
  readonly project: (until: Position) => Promise<void>;
  readonly log: Logger;
}

/** Loading a client takes 100 ms of a cold start that has better things to do. */
const RELAY_START_DELAY_MS = 5_000;
const REMOTE_READY_DEADLINE_MS = 1_000;

export function createRemoteEvents(options: RemoteEventsOptions): RemoteEvents {
  const { url, settings, pool, log, migrated, project } = options;
  const relays = settings.projection === 'inline';

  const remote = lazy(async () => {
    const opened = await openEventStore(url, { ...settings, log });
    const ready = lazy(async () => {
      if (!(await opened.isMigrated())) await options.migrateRemote();
    });
    await withDeadline(ready.get(), REMOTE_READY_DEADLINE_MS, () => undefined).catch(error =>
      log.warn({ error: error.message }, 'the event store is not ready: facts wait in the outbox'),
    );
    const store: EventStore = {
      ...opened.store,
      async append(events, appendOptions) {
        await ready.get();
        return opened.store.append(events, appendOptions);
      },
    };
    return { store, close: opened.close };
  });

  const relay = lazy(async () => {
    const { Relay } = await import('../event-store/outbox/index.js');
    const { store } = await remote.get();
    const { namedStatements } = settings;
    return new Relay({ store, pool, log, namedStatements, ...(relays && { afterForward: project }) });
  });

  const store = lazy(async () => {
    const { withOutbox } = await import('../event-store/outbox/index.js');
    const itsRelay = relays ? await relay.get() : undefined;
    itsRelay?.start();
    return withOutbox((await remote.get()).store, {
      pool,
      log,
      namedStatements: settings.namedStatements,
      prepare: migrated,
      relay: itsRelay,
    });
  });

  const timer = setTimeout(() => {
    if (relays)
      store.get().catch(error => log.warn({ error: error.message }, 'the event store cannot be opened'));
  }, RELAY_START_DELAY_MS);
  timer.unref();

  return {
    store: store.get,
    relay: relay.get,
    async close() {
      clearTimeout(timer);
      const ignore = () => undefined;
      await relay.started()?.then(started => started.stop(), ignore);
      await remote.started()?.then(opened => opened.close(), ignore);
    },
  };
}
