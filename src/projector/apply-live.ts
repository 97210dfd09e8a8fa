/**
 * A page into the live read tables: rows and checkpoints in one transaction, so that a crash at any point
 * leaves either both or neither.
 */
import {
  checkOrigin,
  isSamePositions,
  lockCheckpoints,
  moveCheckpoints,
  type Positions,
  positionsOf,
} from './checkpoints.js';
import type { ProjectorContext } from './context.js';
import { TRY_LOCK_FOR_TRANSACTION } from './lock.js';
import { applyNarrowing, type Outcome } from './narrow.js';
import { atomically, QueryFailure, type Session } from './session.js';
import { type Batch, type Refusals, type Written, writePage } from './write-page.js';

const LOCK_NOT_AVAILABLE = '55P03';

/**
 * `leader`: this session holds the lock, and waits for a rebuild that is switching.
 * `guest`: takes the lock for the page, and waits for nobody. (It may hold the only connection of a pool that
 * the rebuild it would wait for needs to read events.)
 */
export type Role = 'leader' | 'guest';

/** @throws QueryFailure, ConnectorStateError `PROJECTION_FAILED` */
export function applyLive(
  context: ProjectorContext,
  session: Session,
  role: Role,
  page: Batch,
  positions: Positions,
): Promise<Outcome> {
  return applyNarrowing(
    (batch, at, refusals) => applyBatch(context, session, role, batch, at, refusals),
    page,
    positions,
  );
}

async function applyBatch(
  context: ProjectorContext,
  session: Session,
  role: Role,
  batch: Batch,
  positions: Positions,
  refusals: Refusals,
): Promise<Outcome> {
  const { projections, live, store } = context;
  let written: Written | undefined;
  const outcome = await atomically(session, async (): Promise<Outcome> => {
    if (role === 'guest') {
      const [answer] = await session.query(TRY_LOCK_FOR_TRANSACTION, undefined, 'cs_try_lock');
      if (answer?.[0] !== 't') return { status: 'busy' };
    }
    const locked = await lockCheckpoints(session, projections, { wait: role === 'leader' });
    checkOrigin(projections, locked, store.name);
    if (!isSamePositions(positionsOf(locked), positions)) return { status: 'moved' };
    written = await writePage(session, store.compare, projections, live, batch, positions, refusals);
    await moveCheckpoints(session, written.moves);
    const next = new Map(positions);
    for (const move of written.moves) next.set(move.projection, move.position);
    return { status: 'applied', positions: next };
  }).catch((error: unknown): Outcome => {
    if (error instanceof QueryFailure && error.sqlState === LOCK_NOT_AVAILABLE) return { status: 'busy' };
    throw error;
  });
  if (outcome.status === 'moved') context.counters.conflicts += 1;
  if (outcome.status === 'applied' && written) count(context, batch, written);
  return outcome;
}

function count({ counters, log }: ProjectorContext, batch: Batch, written: Written): void {
  counters.pages += 1;
  counters.events += batch.events.length;
  counters.rows += written.rows;
  counters.unknownEvents += batch.events.filter(event => event.decoded === 'unknown-type').length;
  counters.deadLetters += written.deadLetters;
  if (written.deadLetters > 0) {
    log.error(
      { deadLetters: written.deadLetters, first: written.firstFailure, position: batch.position },
      'events could not be projected and are dead letters now; the rest went on',
    );
  }
}
