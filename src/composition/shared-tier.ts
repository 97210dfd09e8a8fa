/** The shared tier that settings mean; `undefined` where there is none. What it needs is loaded only then. */
import type { Pool } from 'pg';
import { type Ending, untilAborted } from '../base/deadline.js';
import type { Logger } from '../base/logging.js';
import { guard, toAnswers } from '../cache/guarded-lookup.js';
import type { HostClock } from '../clock/host-clock.js';
import { lookup } from '../read-model/lookup.js';
import type { SharedTier } from '../shared-tier/shared-tier.js';
import type { Settings } from './settings.js';

/** Rows for the shared tier are read when nobody waits for them. */
const DATABASE_DEADLINE_MS = 5_000;
/** A new master is used within a second. Trying costs one lookup the deadline of Redis, a quarter of its own. */
const LONGEST_RESET_MS = 250;
/** One script call after another costs a round trip each; these travel together anyway. */
const CALLS_AT_ONCE = 64;
const GROUPS_AT_ONCE = 1_000;

/**
 * @param pool of the primary
 * @throws ConnectorStateError `PACKAGE_MISSING`, or `INVALID_SETTINGS` for a file that is not there; Redis is not contacted
 */
export async function createSharedTier(
  settings: Settings,
  { pool, clock, log }: { readonly pool: Pool; readonly clock: HostClock; readonly log: Logger },
): Promise<SharedTier | undefined> {
  const { redisUrl, redisPrefix, redisDeadlineMs, redisTtlMs, lookupDeadlineMs, namedStatements } = settings;
  const { breakerResetMs } = settings;
  if (redisUrl === undefined) return undefined;
  const { SharedTier, createConnections, createKeys, parseRedisUrl } = await import(
    '../shared-tier/index.js'
  );
  const parsed = parseRedisUrl(redisUrl);
  // The settings were checked.
  if (!('place' in parsed)) return undefined;
  const connections = await createConnections(parsed.place, log);
  const now = () => clock.now();
  const wall = () => clock.wall();
  return new SharedTier({
    connections,
    keys: createKeys(redisPrefix, connections.isCluster),
    log,
    now,
    wall,
    lifeMs: redisTtlMs,
    lookupDeadlineMs,
    guard(query) {
      // The client knows no deadline: a question given up must count as one that failed, and leave room for others.
      const inTime = (groups: Parameters<typeof query>[0], signal: Ending) =>
        untilAborted(query(groups), signal);
      const { batcher, close } = guard(inTime, {
        deadlineMs: redisDeadlineMs,
        breakerResetMs: Math.min(breakerResetMs, LONGEST_RESET_MS),
        maxInFlight: CALLS_AT_ONCE,
        maxBatch: GROUPS_AT_ONCE,
        from: 'Redis',
      });
      return { lookup: group => batcher.lookup(group), close };
    },
    async database(keys) {
      const asked = keys.map(key => ({ ...key, withOrder: true as const }));
      const signal = AbortSignal.timeout(DATABASE_DEADLINE_MS);
      return toAnswers(await lookup(pool, asked, { namedStatements, now, wall, signal }));
    },
  });
}
