/**
 * Is the log that is read the one that the rows were made from?
 *
 * A log may be restored from a backup that is older than the read tables, be made anew with its container, or be
 * another one because EVENT_STORE_URL changed. Its events then lie before the checkpoint, and would be passed over in
 * silence; or, once it has grown past the checkpoint again, only what comes after it would be applied, to rows of
 * events that the log does not have. So a checkpoint carries a mark of the log (log-mark.ts), and it is held against
 * the log wherever one goes on from a checkpoint:
 *
 *   catchUp      each page is read from the checkpoint's own event on, inclusive, and must begin with it: no
 *                round trip more. The first page of a process is read from the beginning of the tail on.
 *   run          before it follows; then the store holds each read against the last event that was handed out
 *   lag, verify, rebuild, and so doctor and stats: before anything else
 *
 * Read tables that are *older* than the log are no trouble: their mark is in the log, and the projector catches up.
 *
 * Checkpoints of a release that kept no marks are given one the first time that an event lies where they stand.
 *
 * A hit at the checkpoint may have been forgotten since. Then the tail speaks for the log: it is of events that are
 * kept for good.
 */
import { ConnectorStateError } from '../base/errors.js';
import type { EventAt, EventStore } from '../event-store/event-store.js';
import type { Position } from '../events/event.js';
import { type Checkpoint, type Checkpoints, checkOrigin, storeOf, writeMarks } from './checkpoints.js';
import type { ProjectorContext } from './context.js';
import { requireNothingForgotten } from './forgotten/behind.js';
import { digestOf, LONGEST_TAIL, type LogMark } from './log-mark.js';
import type { Session } from './session.js';

/**
 * That every checkpoint stands in this log.
 * @param adopt gives a session to write marks with that are missing; left out by who has no right to write. No session
 *   is held while the log is read: both may come from a pool of one connection
 * @returns the checkpoints, with marks
 * @throws ConnectorStateError `PROJECTION_FAILED` that says what happened to the log and what to do
 */
export async function requireSameLog(
  context: ProjectorContext,
  checkpoints: Checkpoints,
  adopt?: <T>(work: (session: Session) => Promise<T>) => Promise<T>,
): Promise<Checkpoints> {
  checkOrigin(context.projections, checkpoints, context.store.name);
  await requireNothingForgotten(context.store, checkpoints);
  context.checks.hasCheckedForgotten = true;
  const checked = new Map<string, Promise<LogMark | undefined>>();
  const found = new Map<string, Checkpoint>();
  const adopted = new Map<string, LogMark>();
  for (const [name, checkpoint] of checkpoints) {
    const key = JSON.stringify([checkpoint.position, checkpoint.mark]);
    const check = checked.get(key) ?? requireOne(context, checkpoint);
    checked.set(key, check);
    const mark = await check;
    found.set(name, { ...checkpoint, mark });
    if (mark && !checkpoint.mark?.log) adopted.set(name, mark);
  }
  if (adopt && adopted.size > 0) await adopt(session => writeMarks(session, checkpoints, adopted));
  return found;
}

/** Whether the page behind them tells all: it shows only where the one that is furthest behind stands. */
export function isCheckedByItsPage(checkpoints: Checkpoints): boolean {
  const all = [...checkpoints.values()];
  return (
    new Set(all.map(({ position }) => position)).size <= 1 &&
    all.every(({ position, mark }) => position === undefined || mark?.log !== undefined)
  );
}

async function requireOne(context: ProjectorContext, checkpoint: Checkpoint): Promise<LogMark | undefined> {
  const { store } = context;
  const { position, mark } = checkpoint;
  if (position === undefined) return undefined;
  if (!mark) return adoptMark(store, position);
  if (!(await isContained(store, mark))) throw await discontinuity(store, mark.at.position, mark);
  return mark.log === undefined ? { ...mark, log: await store.identity() } : mark;
}

/** Whether the rows of a checkpoint were made from this very log, as far as can be told; each place is looked at once. */
export function sameLogChecker({ store }: ProjectorContext): (checkpoint: Checkpoint) => Promise<boolean> {
  const known = new Map<string, Promise<boolean>>();
  return checkpoint => {
    const key = JSON.stringify([checkpoint.position, checkpoint.mark]);
    const answer = known.get(key) ?? isSameLog(store, checkpoint);
    known.set(key, answer);
    return answer;
  };
}

async function isSameLog(store: EventStore, { position, mark }: Checkpoint): Promise<boolean> {
  if (position === undefined) return true;
  if (storeOf(position) !== store.name) return false;
  if (mark) return isContained(store, mark);
  const { at } = await store.readFrom({ after: position, limit: 1 });
  return at !== undefined || !liesAtAnEvent(position);
}

/** The event at the mark and the tail before it. */
export async function isContained(store: EventStore, { at, tail }: LogMark): Promise<boolean> {
  if (!tail) return (await store.readFrom({ after: at.position, limit: 1 })).at?.id === at.id;
  const { events } = await store.readFrom({ after: tail.from, limit: LONGEST_TAIL + 1 });
  return isTailOf(store, { at, tail }, events);
}

/** @param events those from the beginning of the mark's tail on, at least as many as are in it */
export function isTailOf(
  { compare }: Pick<EventStore, 'compare'>,
  { at, tail }: Pick<LogMark, 'at' | 'tail'>,
  events: Awaited<ReturnType<EventStore['readFrom']>>['events'],
): boolean {
  if (!tail) return false;
  const inTail = events.filter(({ position }) => compare(position, at.position) <= 0);
  if (digestOf(inTail) !== tail.digest) return false;
  const last = inTail.at(-1);
  if (last?.id === at.id) return true;
  // Forgotten since, or cut off with the end of the log: what comes after it tells.
  return tail.digest !== '' && last?.position !== at.position && events.length > inTail.length;
}

/** In PostgreSQL every position is an event's; a subscription of EventStoreDB may have looked further than our last. */
const liesAtAnEvent = (position: Position): boolean => storeOf(position) === 'pg';

async function adoptMark(store: EventStore, position: Position): Promise<LogMark | undefined> {
  const { at } = await store.readFrom({ after: position, limit: 1 });
  if (at) return { log: await store.identity(), at, tail: undefined };
  if (liesAtAnEvent(position)) throw await discontinuity(store, position, undefined);
  return undefined;
}

const REMEDY =
  'set EVENT_STORE_URL back or restore the log if that was not meant; otherwise run `connector-state rebuild` to make the tables from this log, or `connector-state adopt-log` to keep their rows and go on from its end';

/** What happened to the log, in one sentence, and what to do. */
export async function discontinuity(
  store: EventStore,
  position: Position,
  mark: LogMark | undefined,
): Promise<ConnectorStateError> {
  const [last, log] = await Promise.all([store.last(), store.identity()]);
  return new ConnectorStateError(
    'PROJECTION_FAILED',
    `the event log is not the one that the read tables were made from: ${whatHappened(store, { position, mark, last, log })}. Nothing is projected until this is decided: ${REMEDY}`,
  );
}

interface Findings {
  readonly position: Position;
  readonly mark: LogMark | undefined;
  readonly last: EventAt | undefined;
  readonly log: string | undefined;
}

function whatHappened(store: EventStore, { position, mark, last, log }: Findings): string {
  if (!last) return `it is empty, and they have applied events up to ${position}`;
  if (mark?.log !== undefined && log !== undefined && mark.log !== log) {
    return `it is another log, which begins with event ${log} and not with ${mark.log} (or that one was deleted and scavenged)`;
  }
  if (store.compare(last.position, position) < 0) {
    return `it ends at ${last.position}, and they have applied events up to ${position} (an older state of the log, or a new one)`;
  }
  return mark
    ? `it has another past before ${position} than they were made from (event ${mark.at.id} does not lie there, or those just before it are others, or were deleted and scavenged)`
    : `nothing lies at ${position}, the last event that they have applied`;
}
