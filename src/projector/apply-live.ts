/**
 * A page into the live read tables: rows and checkpoints in one transaction, so that a crash at any point
 * leaves either both or neither.
 */
import type { Position } from '../events/event.js';
import {
  type Checkpoints,
  checkOrigin,
  isSamePositions,
  isUntouched,
  lockCheckpoints,
  moveCheckpoints,
  type Positions,
  positionsOf,
  type Tokens,
} from './checkpoints.js';
import type { ProjectorContext } from './context.js';
import { type Role, TRY_LOCK_FOR_TRANSACTION } from './lock.js';
import { isLockTaken } from './lock-wait.js';
import { lowest } from './lowest.js';
import { applyNarrowing, type Outcome } from './narrow.js';
import {
  countUnknown,
  marksAfter,
  type PagesTogether,
  standingOf,
  type WrittenTogether,
} from './pages-together.js';
import type { Session } from './session.js';
import { Abandoned, GUEST_TIMEOUTS, inItsTurn, inTransaction, type Transaction } from './transaction.js';
import { type Batch, newRowSets, preparePage, type Refusals, type Written } from './write-page.js';

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
  const sets = newRowSets(projections, live);
  const page = preparePage(store.compare, live, batch, positions, refusals, sets);
  let done: Applied | undefined;
  const outcome = await underLock(
    context,
    session,
    role,
    locked => isSamePositions(positionsOf(locked), positions),
    transaction => page.load(transaction),
    async (transaction, locked) => {
      const written = await page.write(transaction);
      const marks = marksAfter(store.compare, batch, positions, standingOf(locked).marks, written.moves);
      inItsTurn(moveCheckpoints(transaction, written.moves, marks));
      done = ofOnePage(batch, written);
      const next = new Map(positions);
      for (const move of written.moves) next.set(move.projection, move.position);
      return next;
    },
  );
  if (outcome.status === 'applied' && done) count(context, done, batch.position);
  return outcome;
}

/**
 * Writes pages that were folded together, if nobody has written since their rows were loaded, and says how the
 * checkpoints can be told then.
 * @throws QueryFailure, WriteRefused; ConnectorStateError `PROJECTION_FAILED`
 */
export function applyTogether(
  context: ProjectorContext,
  session: Session,
  role: Role,
  pages: PagesTogether,
  tokens: Tokens,
): Promise<TogetherOutcome> {
  const plan = {
    attributes: { 'connector_state.role': role },
    correlationIds: pages.takeCorrelationIds(),
  };
  return context.telemetry.span('project', plan, async span => {
    let written: WrittenTogether | undefined;
    let moved: Promise<Tokens> | undefined;
    const outcome = await underLock(
      context,
      session,
      role,
      locked => isUntouched(locked, tokens),
      () => undefined,
      async transaction => {
        written = pages.write(transaction);
        moved = inItsTurn(moveCheckpoints(transaction, written.moves, written.marks));
        return written.positions;
      },
    );
    if (outcome.status !== 'applied' || !written || !moved) return outcome as TogetherOutcome;
    const { events, positions, read } = written;
    span?.setAttribute('connector_state.events', events);
    count(context, written, lowest(context.store.compare, positions));
    const told = context.onApplied?.(read);
    if (role === 'guest') await told;
    return { ...outcome, events, tokens: new Map([...tokens, ...(await moved)]) };
  });
}

type TogetherOutcome =
  | Exclude<Outcome, { status: 'applied' }>
  | (Extract<Outcome, { status: 'applied' }> & { readonly events: number; readonly tokens: Tokens });

/** One transaction, in which nobody else moves the checkpoints. */
async function underLock(
  { projections, store, counters }: ProjectorContext,
  session: Session,
  role: Role,
  isAsExpected: (locked: Checkpoints) => boolean,
  sendAlong: (transaction: Transaction) => void,
  write: (transaction: Transaction, locked: Checkpoints) => Promise<Positions>,
): Promise<Outcome> {
  const outcome = await inTransaction(
    session,
    async transaction => {
      const held =
        role === 'guest' ? transaction.query(TRY_LOCK_FOR_TRANSACTION, undefined, 'cs_try_lock') : undefined;
      const checkpoints = inItsTurn(lockCheckpoints(transaction, projections, role));
      sendAlong(transaction);
      if (held && (await held)[0]?.[0] !== 'true') return new Abandoned<Outcome>({ status: 'busy' });
      const locked = await checkpoints;
      checkOrigin(projections, locked, store.name);
      if (!isAsExpected(locked)) return new Abandoned<Outcome>({ status: 'moved' });
      return { status: 'applied', positions: await write(transaction, locked) } satisfies Outcome;
    },
    role === 'guest' ? GUEST_TIMEOUTS : {},
  ).catch((error: unknown): Outcome => {
    if (isLockTaken(error)) return { status: 'busy' };
    throw error;
  });
  if (outcome.status === 'moved') counters.conflicts += 1;
  return outcome;
}

/** As it is counted. */
export const ofOnePage = ({ events }: Batch, written: Written): Applied => ({
  ...written,
  pages: 1,
  events: events.length,
  unknownEvents: countUnknown(events),
});

interface Applied extends Pick<Written, 'rows' | 'deadLetters' | 'firstFailure'> {
  readonly pages: number;
  readonly events: number;
  readonly unknownEvents: number;
}

/** What became of pages, once they are committed. */
export function count(
  { counters, log }: ProjectorContext,
  applied: Applied,
  position: Position | undefined,
): void {
  counters.pages += applied.pages;
  counters.events += applied.events;
  counters.rows += applied.rows;
  counters.unknownEvents += applied.unknownEvents;
  counters.deadLetters += applied.deadLetters;
  if (applied.deadLetters > 0) {
    log.error(
      { deadLetters: applied.deadLetters, first: applied.firstFailure, position },
      'events could not be projected and are dead letters now; the rest went on',
    );
  }
}
