/**
 * From this process's clock to the database's by way of another server's, which has what the database says: Redis, or a
 * read replica (pure).
 *
 *   database − here = (database − server), as somebody measured and stored it  +  (server − here), by this very answer
 *
 * Both are intervals, each widened for its age, so the sum holds the truth as long as the server's clock went on evenly
 * between the two. It is a wall clock: it may be off by hours, which cancels, and it may be *set*, which does not.
 * Nothing that the server answers shows that. What does:
 *
 *  - This process knows the database's clock itself, from an answer of the last hour: the two must agree.
 *  - Who stored the link also stored how far its host's wall clock was from the server's. Here and now the same difference
 *    is read again. If the server's clock was set in between they differ by as much, unless the two hosts' clocks differ by
 *    exactly that. So what they differ by is added to the uncertainty, and beyond {@link SET_CLOCK_MS} the link is not
 *    believed.
 *
 * A state whose bound is false would thus need the server's clock set by less than that, and two hosts' wall clocks apart by
 * the same amount; by how much the bound is then exceeded, is at most what these two are apart.
 */
import { inflate, intersect, type OffsetEstimate } from './offset.js';
import type { ReferenceLink } from './reference.js';

/** From one server's clock to the database's, as somebody measured it. */
export interface StoredLink {
  /** The database's clock. */
  readonly clockId: string;
  /** Database minus server, at the server's time `atMs`. */
  readonly offsetMs: number;
  readonly uncertaintyMs: number;
  readonly atMs: number;
  /** The measuring host's wall clock minus the server's clock at that moment. */
  readonly wallMinusServerMs: number;
}

/** Hosts that keep time at all are closer; a container that is not is answered by PostgreSQL first. */
export const SET_CLOCK_MS = 250;
/** So long a link is used: 30 ms at the assumed 50 ppm. */
export const LINK_LIFE_MS = 600_000;
/** Then somebody measures it anew. */
export const LINK_RENEWED_AFTER_MS = 300_000;
/** Of the stored link's time against the server's now: it is in the past. */
const FUTURE_SLACK_MS = 5_000;

export interface HereAndNow {
  /** Server − here, by the answer. */
  readonly server: OffsetEstimate;
  readonly wallMs: number;
  /** The database's clock as this process knows it, if it does. */
  readonly known: ReferenceLink | undefined;
}

export function composeLink(stored: StoredLink, here: HereAndNow): ReferenceLink | 'set-clock' | 'too-old' {
  const { server, wallMs, known } = here;
  const serverNowMs = server.atMs + server.offsetMs;
  const ageMs = serverNowMs - stored.atMs;
  if (ageMs > LINK_LIFE_MS) return 'too-old';
  if (ageMs < -FUTURE_SLACK_MS) return 'set-clock';
  const apartMs = Math.abs(wallMs - serverNowMs - stored.wallMinusServerMs);
  const there = inflate(stored, serverNowMs);
  const composed: ReferenceLink = {
    clockId: stored.clockId,
    offsetMs: there.offsetMs + server.offsetMs,
    uncertaintyMs: there.uncertaintyMs + server.uncertaintyMs + apartMs,
    atMs: server.atMs,
  };
  if (known?.clockId === stored.clockId) {
    const { clockId, offsetMs, uncertaintyMs, atMs } = composed;
    if (!intersect(known, { offsetMs, uncertaintyMs: uncertaintyMs - apartMs, atMs })) return 'set-clock';
    const mine = inflate(known, atMs);
    if (mine.uncertaintyMs <= uncertaintyMs)
      return { clockId, offsetMs: mine.offsetMs, uncertaintyMs: mine.uncertaintyMs, atMs, rate: mine.rate };
  }
  return apartMs > SET_CLOCK_MS + server.uncertaintyMs ? 'set-clock' : composed;
}

/** What is stored, by who knows the database's clock and the server's at about the same moment. */
export function linkToStore(
  database: ReferenceLink,
  server: OffsetEstimate,
  wallMinusHereMs: number,
): StoredLink {
  const atMs = Math.max(database.atMs, server.atMs);
  const [mine, its] = [inflate(database, atMs), inflate(server, atMs)];
  return {
    clockId: database.clockId,
    offsetMs: mine.offsetMs - its.offsetMs,
    uncertaintyMs: mine.uncertaintyMs + its.uncertaintyMs,
    atMs: atMs + its.offsetMs,
    wallMinusServerMs: wallMinusHereMs - its.offsetMs,
  };
}
