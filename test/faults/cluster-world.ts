/**
 * A deployment on a cluster that will have bad days: three nodes with TLS and a user, three processes' worth of writers
 * that record through the outbox, a relay, and a projector that is a process of its own.
 */
import type { Pool } from 'pg';
import { silentLogger } from '../../src/base/logging.js';
import { createEventStoreDbStore } from '../../src/event-store/eventstoredb/index.js';
import { createOutboxTable, type OutboxTable, Relay } from '../../src/event-store/outbox/index.js';
import { pg } from '../../src/postgres/driver.js';
import { cli, json, spawnCli } from '../cli/support.js';
import { createTestDatabase } from '../support/database.js';
import { startTestCluster, type TestCluster } from '../support/esdb-server/index.js';
import { createWriter, type Load, type Writer } from './load.js';
import { Supervised } from './supervised.js';

const ELECTION_MS = 300;
/** From impatient to the product's default: after which a writer's facts wait in the outbox. */
const APPEND_TIMEOUTS_MS = [1_000, 3_000, 3_000];
/** The product waits a minute before it tries again what was refused. */
const RETRY_REFUSED_MS = 500;
export const USER = 'service';
export const PASSWORD = 'right';

export interface Finding {
  readonly name: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly message: string;
}

export interface ClusterWorld {
  readonly cluster: TestCluster;
  /** Passwords and groups, which may be changed. */
  readonly users: Record<string, { password: string; groups: string[] }>;
  readonly env: Readonly<Record<string, string>>;
  readonly url: string;
  readonly pool: Pool;
  readonly outbox: OutboxTable;
  readonly writers: readonly Writer[];
  readonly load: Load;
  readonly projector: Supervised;
  /** Streams that were deleted for good: what is for them waits for ever. */
  readonly tombstoned: Set<string>;
  acknowledged(): number;
  /** What `doctor` says now. */
  doctor(): Promise<readonly Finding[]>;
  close(): Promise<void>;
}

export async function givenClusterWorld(): Promise<ClusterWorld> {
  const users = { [USER]: { password: PASSWORD, groups: ['$admins'] } };
  const [cluster, database] = [
    await startTestCluster({ tls: true, users, electionMs: ELECTION_MS }),
    await createTestDatabase(),
  ];
  const url = cluster.url.replace('://', `://${USER}:${PASSWORD}@`);
  const pool = new pg.Pool({ connectionString: database.url, max: 8 });
  const env = { DATABASE_URL: database.url, EVENT_STORE_URL: url, PROJECTION: 'worker', LOG_FORMAT: 'json' };
  const relayStore = createEventStoreDbStore({ url });
  const relay = new Relay({ store: relayStore, pool, log: silentLogger, retryRefusedMs: RETRY_REFUSED_MS });
  relay.start();
  const writers = APPEND_TIMEOUTS_MS.map((appendTimeoutMs, index) =>
    createWriter({ name: `writer-${index}`, eventStoreUrl: url, pool, appendTimeoutMs }),
  );
  const projector = new Supervised({
    name: 'projector',
    spawn: () => spawnCli(['project'], { env }),
    ready: /projecting until/,
  });
  const load: Load = { isHeld: false, isOver: false };
  return {
    cluster,
    users,
    env,
    url,
    pool,
    outbox: createOutboxTable(pool, true),
    writers,
    load,
    projector,
    tombstoned: new Set(),
    acknowledged: () => writers.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0),
    async doctor() {
      return (json(await cli(['doctor', '--json'], { env })) as unknown as { checks: Finding[] }).checks;
    },
    async close() {
      load.isOver = true;
      await projector.stop('SIGKILL');
      await relay.stop();
      await Promise.all(writers.map(writer => writer.close()));
      await relayStore.close();
      cluster.close();
      await pool.end();
      await database.drop();
    },
  };
}
