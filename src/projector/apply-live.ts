/**
 * A page into the live read tables: rows and checkpoints in one transaction, so that a crash at any point
 * leaves either both or neither.
 */
import {
  type Checkpoints,
  checkOrigin,
  isSamePositions,
  lockCheckpoints,
  type Marks,
  moveCheckpoints,
  type Positions,
  positionsOf,
} from './checkpoints.js';
import type { ProjectorContext } from './context.js';
import { type Role, TRY_LOCK_FOR_TRANSACTION } from './lock.js';
import { isLockTaken } from './lock-wait.js';
import { extendMark, type LogMark } from './log-mark.js';
import { applyNarrowing, type Outcome } from './narrow.js';
import type { Session } from './session.js';
import { Abandoned, GUEST_TIMEOUTS, inItsTurn, inTransaction } from './transaction.js';
import { type Batch, between, preparePage, type Refusals, type Written } from './write-page.js';

/** @throws QueryFailure, ConnectorStateError `PROJECTION_FAILED` */
export function applyLive(
  context: ProjectorContext,
  session: Session,
  role: Role,
  page: Batch,
  positions: Positions,
): Promise<Outcome> {
  const { events } = page;
  return context.telemetry.span(
    'project',
    {
      attributes: { 'connector_state.events': events.length, 'connector_state.role': role },
      correlationIds: events.map(({ correlationId }) => correlationId),
    },
    () =>
      applyNarrowing(
        (batch, at, refusals) => applyBatch(context, session, role, batch, at, refusals),
        page,
        positions,
      ),
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
  const page = preparePage(store.compare, projections, live, batch, positions, refusals);
  let written: Written | undefined;
  const outcome = await inTransaction(
    session,
    async transaction => {
      const held =
        role === 'guest' ? transaction.query(TRY_LOCK_FOR_TRANSACTION, undefined, 'cs_try_lock') : undefined;
      const checkpoints = inItsTurn(lockCheckpoints(transaction, projections, role));
      const loaded = page.load(transaction);
      if (held && (await held)[0]?.[0] !== 'true') return new Abandoned<Outcome>({ status: 'busy' });
      const locked = await checkpoints;
      checkOrigin(projections, locked, store.name);
      if (!isSamePositions(positionsOf(locked), positions))
        return new Abandoned<Outcome>({ status: 'moved' });
      written = await loaded.write();
      inItsTurn(moveCheckpoints(transaction, written.moves, marksAfter(context, batch, locked, written)));
      const next = new Map(positions);
      for (const move of written.moves) next.set(move.projection, move.position);
      return { status: 'applied', positions: next } satisfies Outcome;
    },
    role === 'guest' ? GUEST_TIMEOUTS : {},
  ).catch((error: unknown): Outcome => {
    if (isLockTaken(error)) return { status: 'busy' };
    throw error;
  });
  if (outcome.status === 'moved') context.counters.conflicts += 1;
  if (outcome.status === 'applied' && written) count(context, batch, written);
  return outcome;
}

/** All projections are normally at one place, with one mark: then it is made once. */
export function marksAfter(
  { store }: ProjectorContext,
  batch: Batch,
  locked: Checkpoints,
  { moves }: Written,
): Marks {
  const made = new Map<string, LogMark | undefined>();
  return new Map(
    moves.map(({ projection, position: to }) => {
      const { position: from, mark } = locked.get(projection) ?? {};
      const key = JSON.stringify([from, to, mark]);
      if (!made.has(key)) {
        made.set(key, extendMark(mark, between(store.compare, batch, from, to), from === undefined));
      }
      return [projection, made.get(key)];
    }),
  );
}

/** What became of a page, once it is committed. */
export function count({ counters, log }: ProjectorContext, batch: Batch, written: Written): void {
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
