/**
 * Catching up where the log lies in the database of the read tables: a page in one transaction of two waits.
 *
 *   sent   BEGIN, the lock, the checkpoints, the events behind the lowest of them, the rows they most likely touch
 *   sent   what changed, the checkpoints, COMMIT
 *
 * Which events come behind the checkpoint nobody knows before they are read; but a function that catches up has just
 * recorded some, and mostly those are all there are. The rows that these touch are asked for in the same breath; what
 * else it finds costs one wait more. The lock is thus held for the time of one wait.
 *
 * The events are read from the checkpoint's own on, inclusive, as any page is; the first of a process from the beginning
 * of the tail on (continuity.ts). Anything unclear is left to the long way, which can say what is the matter.
 *
 * For short pages: the lock is held while the page is read and folded. Who is further behind reads ahead of the writing
 * (page-reader.ts) and does not hold the lock meanwhile.
 */
import type { EventStore, LogTable } from '../event-store/event-store.js';
import type { NewEvent, Position, StoredEvent } from '../events/event.js';
import { count, ofOnePage } from './apply-live.js';
import {
  type Checkpoints,
  checkOrigin,
  lockCheckpoints,
  moveCheckpoints,
  type Positions,
  positionsOf,
} from './checkpoints.js';
import type { ProjectorContext } from './context.js';
import { isCheckedByItsPage, isTailOf } from './continuity.js';
import { HOLDS_LOCK, TRY_LOCK_FOR_TRANSACTION } from './lock.js';
import { isLockTaken } from './lock-wait.js';
import { LONGEST_TAIL } from './log-mark.js';
import { lowest } from './lowest.js';
import { marksAfter, standingOf } from './pages-together.js';
import type { Session } from './session.js';
import { Abandoned, GUEST_TIMEOUTS, inItsTurn, inTransaction, type Transaction } from './transaction.js';
import { type Batch, guessRows, newRowSets, preparePage, type Written } from './write-page.js';

/** What a function flushes at once, and a little of what others did meanwhile. */
const SHORT_PAGE = 600;

export type InPlace =
  | {
      readonly status: 'applied';
      readonly positions: Positions;
      readonly events: readonly StoredEvent[];
      readonly isFull: boolean;
    }
  | { readonly status: 'busy' }
  /** A projection has no checkpoint yet or another than the rest, or the log may not be the one of the checkpoints. */
  | { readonly status: 'unclear' };

const abandon = (outcome: InPlace) => new Abandoned(outcome);

/** @returns `undefined` where the log lies elsewhere */
export function logTableOf({ store: { name, logTable }, pool }: ProjectorContext): LogTable | undefined {
  return logTable?.pool === pool && logTable.store === name ? logTable : undefined;
}

/**
 * @param expecting what was just recorded
 * @throws QueryFailure, WriteRefused; ConnectorStateError `PROJECTION_FAILED`
 */
export async function catchUpInPlace(
  context: ProjectorContext,
  session: Session,
  log: LogTable,
  expecting: readonly NewEvent[],
): Promise<InPlace> {
  const { projections, live, store, checks } = context;
  const limit = Math.min(SHORT_PAGE, context.pageSize);
  const readsTail = !checks.hasCheckedTail;
  let applied: { readonly batch: Batch; readonly written: Written } | undefined;

  async function work(transaction: Transaction): Promise<InPlace | Abandoned<InPlace>> {
    const held = transaction.query(TRY_LOCK_FOR_TRANSACTION, undefined, 'cs_try_lock');
    const checkpoints = inItsTurn(lockCheckpoints(transaction, projections, 'guest'));
    const names = projections.map(({ name }) => name);
    // One more than wanted, for the event of the checkpoint itself is among them.
    const found = transaction.query(
      eventsBehindCheckpoints(log),
      [names, readsTail, limit + 1 + (readsTail ? LONGEST_TAIL : 0)],
      'cs_events_in_place',
    );
    const sets = newRowSets(projections, live);
    guessRows(transaction, sets, expecting.map(asIfStored));
    if ((await held)[0]?.[0] !== 'true') return abandon({ status: 'busy' });
    const locked = await checkpoints;
    if (locked.size < projections.length) return abandon({ status: 'unclear' });
    checkOrigin(projections, locked, store.name);
    const read = (await found).map(row => log.toEvent(row));
    const positions = positionsOf(locked);
    const after = lowest(store.compare, positions);
    // A log from which hits were forgotten cannot be folded from its beginning in this way.
    if (after === undefined && !checks.hasCheckedForgotten) return abandon({ status: 'unclear' });
    if (!isSameLog(store, locked, read, readsTail)) return abandon({ status: 'unclear' });
    const events = read.filter(({ position }) => store.compare(position, after) > 0).slice(0, limit);
    const isFull = events.length === limit;
    const position = events.at(-1)?.position;
    if (!position) return abandon({ status: 'applied', positions, events, isFull });
    const batch = { after, events, position };
    const page = preparePage(store.compare, live, batch, positions, new Map(), sets);
    page.load(transaction);
    const written = await page.write(transaction);
    const marks = marksAfter(store.compare, batch, positions, standingOf(locked).marks, written.moves);
    inItsTurn(moveCheckpoints(transaction, written.moves, marks));
    applied = { batch, written };
    const next = new Map(positions);
    for (const move of written.moves) next.set(move.projection, move.position);
    return { status: 'applied', positions: next, events, isFull };
  }

  const plan = {
    attributes: { 'connector_state.role': 'guest' },
    // What it will find is not known yet; what was just recorded is most of it.
    correlationIds: expecting.map(({ correlationId }) => correlationId),
  };
  const outcome = await context.telemetry.span('project', plan, async span => {
    const result = await inTransaction(session, work, GUEST_TIMEOUTS).catch((error: unknown): InPlace => {
      if (isLockTaken(error)) return { status: 'busy' };
      throw error;
    });
    span?.setAttribute('connector_state.events', applied?.batch.events.length ?? 0);
    return result;
  });
  if (outcome.status === 'applied') checks.hasCheckedTail = true;
  if (applied) count(context, ofOnePage(applied.batch, applied.written), applied.batch.position);
  return outcome;
}

/** `$1` the projections' names, `$2` whether from the beginning of the tail on, `$3` how many. */
const eventsBehindCheckpoints = (log: LogTable) =>
  `SELECT e.* FROM (
      SELECT CASE WHEN $2::boolean AND c.log_mark ? 'tail' THEN c.log_mark -> 'tail' ->> 'from' ELSE c.position END AS start
      FROM projection_checkpoint c WHERE c.projection = ANY($1::text[]) AND ${HOLDS_LOCK}
      ORDER BY length(c.position) NULLS FIRST, c.position COLLATE "C" LIMIT 1) AS c
    CROSS JOIN LATERAL (${log.eventsFrom('c.start', '$3')}) AS e`;

/** All stand at one event, it lies there, and so do those of its tail where they were read. */
function isSameLog(
  { compare }: Pick<EventStore, 'compare'>,
  locked: Checkpoints,
  read: readonly StoredEvent[],
  withTail: boolean,
): boolean {
  if (!isCheckedByItsPage(locked)) return false;
  const [{ position, mark } = {}] = locked.values();
  if (position === undefined) return true;
  if (!mark || mark.at.position !== position) return false;
  if (withTail && mark.tail) return isTailOf({ compare }, mark, read);
  return read.some(event => event.position === position && event.id === mark.at.id);
}

/** By which rows it would touch. What only the store will know of it is not among that, but for the hour it says. */
const asIfStored = (event: NewEvent): StoredEvent => ({
  ...event,
  decoded: 'known',
  schemaVersion: 0,
  version: 0,
  position: '' as Position,
  recordedAt: event.occurredAt,
});
