/**
 * Two databases: one with the outbox, near, and one that plays the event store that can be lost, behind a proxy.
 * Everything opened is closed after the test.
 */
import { afterEach } from '@jest/globals';
import type { Pool } from 'pg';
import type { EventStore } from '../../../src/event-store/event-store.js';
import {
  createOutboxTable,
  type OutboxTable,
  Relay,
  type RelayOptions,
  withOutbox,
} from '../../../src/event-store/outbox/index.js';
import { createPostgresEventStore } from '../../../src/event-store/postgres/index.js';
import type { Position, StoredEvent } from '../../../src/events/event.js';
import { pg } from '../../../src/postgres/driver.js';
import { createTestDatabase } from '../../support/database.js';
import { type KeptLog, keptLog } from '../../support/log.js';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.js';

/** Long enough for a busy machine, short enough to be waited for often. */
const APPEND_TIMEOUT_MS = 400;

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

export interface Writer {
  readonly store: EventStore;
  readonly relay: Relay;
  /** Of the database with the outbox. */
  readonly pool: Pool;
  readonly log: KeptLog;
  /** How often the event store was asked to append. */
  appends(): number;
  /** Positions that `afterForward` was told. */
  readonly forwardedTo: Position[];
}

export interface OutboxWorld {
  /** Of the network to the event store, and to the database with the outbox. */
  readonly remoteProxy: TcpProxy;
  readonly localProxy: TcpProxy;
  readonly table: OutboxTable;
  readonly pool: Pool;
  /** A process of its own. Its relay works only when told to. */
  writer(options?: {
    readonly relay?: boolean;
    /** After which the store itself gives up. */
    readonly storeTimeoutMs?: number;
    readonly relayOptions?: Partial<RelayOptions>;
  }): Writer;
  /** Everything the event store has, asked past the proxy. */
  stored(): Promise<readonly StoredEvent[]>;
}

export async function givenOutbox(): Promise<OutboxWorld> {
  const [near, far] = [await createTestDatabase(), await createTestDatabase()];
  closers.push(
    () => near.drop(),
    () => far.drop(),
  );
  const [localProxy, remoteProxy] = [await startTcpProxy(near.url), await startTcpProxy(far.url)];
  closers.push(
    () => localProxy.close(),
    () => remoteProxy.close(),
  );

  const open = (connectionString: string): Pool => {
    const pool = new pg.Pool({ connectionString, max: 4, connectionTimeoutMillis: 1_000 });
    pool.on('error', () => undefined);
    // As the product's own: the server may end a connection in the moment in which it is handed to the next caller.
    pool.on('connect', client => client.on('error', () => undefined));
    closers.push(() => pool.end());
    return pool;
  };
  const pool = open(near.url);
  const direct = createPostgresEventStore({ pool: open(far.url) });
  closers.push(() => direct.close());

  return {
    remoteProxy,
    localProxy,
    table: createOutboxTable(pool, true),
    pool,
    writer({ relay: hasRelay = true, storeTimeoutMs = APPEND_TIMEOUT_MS, relayOptions } = {}) {
      const log = keptLog();
      const forwardedTo: Position[] = [];
      const opened = createPostgresEventStore({
        pool: open(remoteProxy.url),
        appendTimeoutMs: storeTimeoutMs,
      });
      let appends = 0;
      const remote: EventStore = {
        ...opened,
        append(...args) {
          appends++;
          return opened.append(...args);
        },
      };
      const local = open(localProxy.url);
      const relay = new Relay({
        store: remote,
        pool: local,
        log,
        appendTimeoutMs: APPEND_TIMEOUT_MS,
        pollIntervalMs: 50,
        afterForward: async position => {
          forwardedTo.push(position);
        },
        ...relayOptions,
      });
      const store = withOutbox(remote, {
        pool: local,
        log,
        appendTimeoutMs: APPEND_TIMEOUT_MS,
        ...(hasRelay && { relay }),
      });
      closers.push(async () => {
        await relay.stop();
        await store.close();
      });
      return { store, relay, pool: local, log, forwardedTo, appends: () => appends };
    },
    stored: () => direct.readAll({ limit: 100_000 }),
  };
}
