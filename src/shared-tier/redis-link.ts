/**
 * From this process's clock to the database's by way of Redis' (pure).
 *
 *   database − here = (database − Redis), as a writer measured and stored it  +  (Redis − here), by this very answer
 *
 * Both are intervals, each widened for its age, so the sum holds the truth as long as Redis' clock went on evenly
 * between the two. It is a wall clock: it may be off by hours, which cancels, and it may be *set*, which does not.
 * Nothing that Redis answers shows that. What does:
 *
 *  - This process knows the database's clock itself, from an answer of the last hour: the two must agree.
 *  - The writer also stored how far its host's wall clock was from Redis'. Here and now the same difference is read
 *    again. If Redis' clock was set in between they differ by as much, unless the two hosts' clocks differ by exactly
 *    that. So what they differ by is added to the uncertainty, and beyond {@link SET_CLOCK_MS} the link is not believed.
 *
 * A state whose bound is false would thus need Redis' clock set by less than that, and two hosts' wall clocks apart by
 * the same amount; by how much the bound is then exceeded, is at most what these two are apart.
 */
import { inflate, intersect, type OffsetEstimate } from '../clock/offset.js';
import type { ReferenceLink } from '../clock/reference.js';
import type { StoredLink } from './packed.js';

/** Hosts that keep time at all are closer; a container that is not is answered by PostgreSQL first. */
export const SET_CLOCK_MS = 250;
/** So long a link is used: 30 ms at the assumed 50 ppm. */
export const LINK_LIFE_MS = 600_000;
/** Then somebody measures it anew. */
export const LINK_RENEWED_AFTER_MS = 300_000;
/** Of the stored link's time against Redis' now: it is in the past. */
const FUTURE_SLACK_MS = 5_000;

export interface HereAndNow {
  /** Redis − here, by the answer. */
  readonly redis: OffsetEstimate;
  readonly wallMs: number;
  /** The database's clock as this process knows it, if it does. */
  readonly known: ReferenceLink | undefined;
}

export function composeLink(stored: StoredLink, here: HereAndNow): ReferenceLink | 'set-clock' | 'too-old' {
  const { redis, wallMs, known } = here;
  const redisNowMs = redis.atMs + redis.offsetMs;
  const ageMs = redisNowMs - stored.atMs;
  if (ageMs > LINK_LIFE_MS) return 'too-old';
  if (ageMs < -FUTURE_SLACK_MS) return 'set-clock';
  const apartMs = Math.abs(wallMs - redisNowMs - stored.wallMinusRedisMs);
  const there = inflate(stored, redisNowMs);
  const composed: ReferenceLink = {
    clockId: stored.clockId,
    offsetMs: there.offsetMs + redis.offsetMs,
    uncertaintyMs: there.uncertaintyMs + redis.uncertaintyMs + apartMs,
    atMs: redis.atMs,
  };
  if (known?.clockId === stored.clockId) {
    const exact = { ...composed, uncertaintyMs: composed.uncertaintyMs - apartMs };
    if (!intersect(known, exact)) return 'set-clock';
    const mine = inflate(known, redis.atMs);
    if (mine.uncertaintyMs <= composed.uncertaintyMs) return { ...mine, clockId: known.clockId };
  }
  return apartMs > SET_CLOCK_MS + redis.uncertaintyMs ? 'set-clock' : composed;
}

/** What a writer stores: it knows the database's clock and Redis' at about the same moment. */
export function linkToStore(
  database: ReferenceLink,
  redis: OffsetEstimate,
  wallMinusHereMs: number,
): StoredLink {
  const atMs = Math.max(database.atMs, redis.atMs);
  const [mine, its] = [inflate(database, atMs), inflate(redis, atMs)];
  return {
    clockId: database.clockId,
    offsetMs: mine.offsetMs - its.offsetMs,
    uncertaintyMs: mine.uncertaintyMs + its.uncertaintyMs,
    atMs: atMs + its.offsetMs,
    wallMinusRedisMs: wallMinusHereMs - its.offsetMs,
  };
}
