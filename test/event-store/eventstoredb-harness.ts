/**
 * The contract's harness over EventStoreDB: the test server, or the real one that `ESDB_TEST_URL` names, which the
 * suite must be able to share with others.
 */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import type { TransferableEventStore } from '../../src/event-store/event-store.js';
import {
  createEventStoreDbStore,
  type EventStoreDbStoreOptions,
} from '../../src/event-store/eventstoredb/index.js';
import type { EventStoreHarness } from '../contract/harness.js';
import { openGateway } from '../support/esdb-gateway/index.js';
import { startTestServer, type TestServer } from '../support/esdb-server/index.js';

export const REAL_SERVER_URL = process.env.ESDB_TEST_URL || undefined;

/**
 * Above the default: 16 writers of four processes on 8 streams wait for each other, and the machine may be busy with other
 * work (at a load of 17 on two cores the slowest append to a real server took 17.6 s).
 */
const CALL_TIMEOUT_MS = 120_000;

export type OpenOptions = Partial<EventStoreDbStoreOptions>;

/** The contract only asks for an {@link EventStoreHarness}; copying needs more of the store. */
export interface EventStoreDbHarness extends EventStoreHarness {
  readonly url: string;
  open(options?: OpenOptions): Promise<TransferableEventStore>;
}

export async function createEventStoreDbHarness(): Promise<EventStoreDbHarness> {
  return REAL_SERVER_URL ? harnessOnRealServer(REAL_SERVER_URL) : harnessOnTestServer();
}

/** Others use it too, and this run's files side by side: each has names of its own there. */
async function harnessOnRealServer(url: string): Promise<EventStoreDbHarness> {
  const gateway = await openGateway({ url });
  const harness = harnessOf(gateway.url);
  return {
    ...harness,
    breakConnections: () => gateway.restart(),
    async close() {
      await harness.close();
      gateway.shut();
    },
  };
}

async function harnessOnTestServer(): Promise<EventStoreDbHarness> {
  const server: TestServer = await startTestServer();
  const harness = harnessOf(server.url);
  return {
    ...harness,
    breakConnections: () => server.restart(),
    async close() {
      await harness.close();
      await server.close();
    },
  };
}

function harnessOf(url: string): EventStoreDbHarness {
  const client = EventStoreDBClient.connectionString(url);
  const open = async (options: OpenOptions = {}) =>
    createEventStoreDbStore({ url, callTimeoutMs: CALL_TIMEOUT_MS, ...options });
  let kills = 0;
  return {
    url,
    open,
    groupsByStream: true,

    async crashWriter(events) {
      const writer = await open();
      const outcome = writer.append(events).catch(() => undefined);
      await (KILLS[kills++ % KILLS.length] as () => Promise<unknown>)();
      await writer.close();
      await outcome;
    },

    async writeRaw({ id, stream, type, schemaVersion, data }) {
      const metadata = { schemaVersion, occurredAt: 1_764_000_000_000, host: 'raw/1' };
      await client.appendToStream(
        stream,
        jsonEvent({ id, type, data: data as Record<string, unknown>, metadata }),
      );
    },

    async close() {
      await client.dispose();
    },
  };
}

/** When a writer may die: before it sent anything, while it looks, sends or waits for its answer. */
const KILLS: readonly (() => Promise<unknown>)[] = [
  async () => undefined,
  () => nextTurn(),
  ...[1, 2, 3, 4, 6, 8, 12].map(ms => () => sleep(ms)),
];
