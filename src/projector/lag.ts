/** How far the read tables are behind the log, for metrics and readiness checks: it only looks, and needs no right to write. */
import type { EventStore } from '../event-store/event-store.js';
import type { Position } from '../events/event.js';
import { readCheckpoints } from './checkpoints.js';
import type { ProjectorContext } from './context.js';
import { requireSameLog } from './continuity.js';
import { withPooledSession } from './session.js';

export interface ProjectionLag {
  readonly position: Position | undefined;
  /** Events not applied yet (an estimate from above). */
  readonly events: number;
  /** Age of the oldest event not applied yet; 0 when there is none. */
  readonly seconds: number;
}

/** Of the projection that is furthest behind, and of each. */
export interface Lag extends ProjectionLag {
  readonly perProjection: Readonly<Record<string, ProjectionLag>>;
}

export async function lag(context: ProjectorContext): Promise<Lag> {
  const { store, pool, namedStatements, projections } = context;
  // The database's time, for the store stamps events with it; this host's clock may be off.
  const { checkpoints, nowMs } = await withPooledSession(pool, namedStatements, async session => {
    const found = await readCheckpoints(session, projections);
    const [now] = await session.query('SELECT extract(epoch from clock_timestamp()) * 1000');
    return { checkpoints: found, nowMs: Number(now?.[0]) };
  });
  await requireSameLog(context, checkpoints);
  const byPosition = new Map<Position | undefined, Promise<ProjectionLag>>();
  const perProjection: Record<string, ProjectionLag> = {};
  for (const [name, { position }] of checkpoints) {
    const found = byPosition.get(position) ?? behind(store, position, nowMs);
    byPosition.set(position, found);
    perProjection[name] = await found;
  }
  const furthest = Object.values(perProjection).reduce((a, b) =>
    store.compare(a.position, b.position) <= 0 ? a : b,
  );
  return { ...furthest, perProjection };
}

async function behind(
  store: EventStore,
  position: Position | undefined,
  nowMs: number,
): Promise<ProjectionLag> {
  const [oldest] = await store.readAll({ after: position, limit: 1 });
  if (!oldest) return { position, events: 0, seconds: 0 };
  return {
    position,
    events: Math.max(1, await store.countAfter(position)),
    seconds: Math.max(0, (nowMs - oldest.recordedAt) / 1000),
  };
}
