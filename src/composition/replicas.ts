/** The read replicas that settings name; `undefined` where there are none. */
import type { Pool } from 'pg';
import { withDeadline } from '../base/deadline.js';
import type { Logger } from '../base/logging.js';
import { createGuardedLookup } from '../cache/guarded-lookup.js';
import { Replicas } from '../cache/replicas.js';
import type { HostClock } from '../clock/host-clock.js';
import { linkFromSample } from '../clock/reference.js';
import { destroyPool } from '../postgres/bounded-pool.js';
import { createPool } from '../postgres/pool.js';
import { NOBODY } from '../read-model/first-connection.js';
import { lookup } from '../read-model/lookup.js';
import { storeReplicaLink } from '../read-model/replica-link.js';
import { replicaUrls, type Settings } from './settings.js';

/** Nobody waits for a link that is measured. */
const PRIMARY_DEADLINE_MS = 5_000;

/** A server that stands still is not waited for. */
const GOODBYE_MS = 500;

/** So much of a lookup's deadline a replica may take; then the primary is asked. */
export const replicaDeadlineMs = ({ databaseReplicaUrl, lookupDeadlineMs }: Settings): number =>
  databaseReplicaUrl === undefined ? 0 : Math.max(1, Math.floor(lookupDeadlineMs / 4));

export function createReplicas(
  settings: Settings,
  parts: {
    readonly pool: Pool;
    readonly clock: HostClock;
    readonly log: Logger;
    readonly random: () => number;
  },
): Replicas | undefined {
  const urls = replicaUrls(settings.databaseReplicaUrl);
  if (urls.length === 0) return undefined;
  const { pool, clock, log, random } = parts;
  const { namedStatements, breakerResetMs, poolSize } = settings;
  const clocks = { now: () => clock.now(), wall: () => clock.wall() };
  const pools = urls.map(url => createPool({ connectionString: url, max: poolSize, log }));
  const replicas = pools.map(replica =>
    createGuardedLookup(replica, {
      ...clocks,
      deadlineMs: replicaDeadlineMs(settings),
      breakerResetMs,
      maxInFlight: poolSize,
      namedStatements,
      onReplica: true,
      from: 'the read replica',
    }),
  );
  return new Replicas({
    replicas,
    random,
    clock,
    log,
    async primary() {
      const signal = AbortSignal.timeout(PRIMARY_DEADLINE_MS);
      const { clockId, sample } = await lookup(pool, [NOBODY], { ...clocks, namedStatements, signal });
      return linkFromSample(clockId, sample);
    },
    store: (replica, link) => storeReplicaLink(pool, replica, link),
    close: async () => {
      await Promise.all(
        pools.map(replica => withDeadline(replica.end(), GOODBYE_MS, () => destroyPool(replica))),
      );
    },
  });
}
