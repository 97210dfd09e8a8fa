/**
 * Whether this deployment has come to where a shared tier pays, by the thresholds of the design decision document: lookups
 * that take longer than 100 ms in PostgreSQL, a hit rate above 90 %, more than 1000 requests a minute. And, with
 * `REDIS_URL`, whether Redis is there and does what is asked of it.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { Settings } from '../../composition/settings.js';
import { lookup } from '../../read-model/lookup.js';
import { type Check, ok, warn } from './check.js';

export const THRESHOLDS = { lookupMs: 100, hitRate: 0.9, perMinute: 1_000 } as const;

export interface Demand {
  /** Half of the lookups in PostgreSQL are faster. */
  readonly lookupMs: number;
  /** Of the last full hour; 0 while nothing was looked up. */
  readonly hitRate: number;
  readonly perMinute: number;
}

/** Pure: what the figures say. */
export function judgeDemand({ lookupMs, hitRate, perMinute }: Demand, hasRedis: boolean): Check {
  const figures = `a lookup in PostgreSQL takes ${lookupMs.toFixed(1)} ms (threshold ${THRESHOLDS.lookupMs}), ${perMinute.toFixed(0)} lookups a minute (${THRESHOLDS.perMinute}), hit rate ${(hitRate * 100).toFixed(0)} % (${THRESHOLDS.hitRate * 100})`;
  const passed = [
    lookupMs > THRESHOLDS.lookupMs,
    hitRate > THRESHOLDS.hitRate && perMinute > THRESHOLDS.perMinute,
  ].some(Boolean);
  if (hasRedis) return ok('shared tier', `REDIS_URL is set; ${figures}`);
  return passed
    ? warn(
        'shared tier',
        `${figures}: past the document's thresholds`,
        'consider REDIS_URL: docs/operations.md#redis',
      )
    : ok('shared tier', `not needed: ${figures}`);
}

const PROBES = 5;
const PROBE_DEADLINE_MS = 5_000;
const REFUSAL_POLL_MS = 50;

export async function checkDemand(pool: Pool, settings: Settings): Promise<Check> {
  const took: number[] = [];
  for (let n = 0; n < PROBES; n++) {
    const startedMs = performance.now();
    await lookup(pool, [{ cacheKey: '', exchange: 'BYBIT', environment: 'MAINNET' }], {
      namedStatements: settings.namedStatements,
      now: () => performance.now(),
      wall: () => performance.now(),
      signal: AbortSignal.timeout(PROBE_DEADLINE_MS),
    });
    took.push(performance.now() - startedMs);
  }
  const { rows } = await pool.query<{ hits: number; misses: number }>(
    `SELECT coalesce(sum(hits), 0)::float8 AS hits, coalesce(sum(misses), 0)::float8 AS misses FROM cache_usage
      WHERE hour = date_trunc('hour', now()) - interval '1 hour'`,
  );
  const { hits = 0, misses = 0 } = rows[0] ?? {};
  const lookups = hits + misses;
  const demand = {
    lookupMs: took.sort((a, b) => a - b)[Math.floor(PROBES / 2)] ?? 0,
    hitRate: lookups > 0 ? hits / lookups : 0,
    perMinute: lookups / 60,
  };
  return judgeDemand(demand, settings.redisUrl !== undefined);
}

/** Opens connections of its own and does what the tier does: reads, writes, and hears. */
export async function checkRedis(settings: Settings): Promise<Check> {
  const { redisUrl, redisPrefix } = settings;
  if (redisUrl === undefined) return ok('redis', 'not configured');
  const { createConnections, createKeys, listen, parseRedisUrl, placeName, readCell, takeLease, troubleOf } =
    await import('../../shared-tier/index.js');
  const { silentLogger } = await import('../../base/logging.js');
  const { withDeadline } = await import('../../base/deadline.js');
  const parsed = parseRedisUrl(redisUrl);
  if (!('place' in parsed)) return warn('redis', parsed.problem, 'correct REDIS_URL');
  const where = placeName(parsed.place);
  const connections = await createConnections(parsed.place, silentLogger);
  const keys = createKeys(redisPrefix, connections.isCluster);
  const clocks = {
    now: () => performance.timeOrigin + performance.now(),
    wall: Date.now,
    // It takes none.
    ticketLifeMs: 0,
  };
  const inTime = <T>(work: Promise<T>): Promise<T> =>
    withDeadline(work, PROBE_DEADLINE_MS, () => {
      throw connections.causeOf(new Error(`no answer within ${PROBE_DEADLINE_MS} ms`));
    });
  try {
    let isOpen = false;
    const opening = inTime(connections.open()).then(() => {
      isOpen = true;
    });
    const isRefused = () => {
      const failure = connections.failure();
      return failure !== undefined && isFinal(troubleOf(failure).cause);
    };
    while (!isOpen && !isRefused()) await Promise.race([opening, pause(REFUSAL_POLL_MS)]);
    opening.catch(() => undefined);
    if (!isOpen) throw connections.failure();
    const startedMs = performance.now();
    const cell = keys.cellOfState('');
    const reply = await inTime(
      readCell({ connections, ...clocks }, cell, [keys.link(cell), keys.state(cell, '')], false),
    );
    const tookMs = performance.now() - startedMs;
    const lease = await inTime(takeLease(connections, keys.lease(NOBODYS_CLOCK)));
    lease?.giveBack();
    await inTime(
      new Promise<void>((resolve, reject) => {
        const listener = listen(
          connections,
          keys.channel,
          () => undefined,
          problem => {
            listener.close();
            if (problem === undefined) resolve();
            else reject(problem);
          },
        );
      }),
    );
    const link = reply && typeof reply.link !== 'string' ? reply.link : undefined;
    const about = link
      ? `its clock is linked to ${link.clockId} within ${link.uncertaintyMs.toFixed(1)} ms`
      : 'its clock is not linked yet: who misses does that';
    return ok('redis', `${where} answers in ${tookMs.toFixed(1)} ms; ${about}`);
  } catch (error) {
    const { problem, remedy } = troubleOf(error);
    return warn('redis', `${where}: ${problem}`, `${remedy}; until then PostgreSQL answers`);
  } finally {
    connections.close();
  }
}

/** Its lease is in nobody's way. */
const NOBODYS_CLOCK = { exchange: 'BYBIT', environment: 'TESTNET', scope: 'connector-state-doctor' } as const;

/** Another attempt changes nothing of these. */
const isFinal = (cause: string): boolean => !['offline', 'slow', 'loading'].includes(cause);
