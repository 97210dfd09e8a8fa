/**
 * `catchUp()`: to the head, then return. For functions that project what they just recorded, and for any
 * number of them at once: for each page one takes the lock for the length of the page's transaction, so it
 * works through a transaction pooler and leaves nothing behind when a function is frozen or dies.
 *
 * Who finds the lock taken does not queue for it. The events it waits for are most likely in the page that the
 * other is writing, so it looks at the checkpoint a little later, and takes over if the other stops. It gives
 * up when nothing has moved for `timeoutMs`, and says so: `caughtUp: false`.
 *
 * That the log is the one of the checkpoint is seen by the page that is read from there. Where nothing is read, because
 * others were faster or there is nothing new, the end of the log is held against the checkpoint, or it is looked for:
 * a log that ends before the checkpoint must not be taken for one that has been applied.
 */
import type { EventAt, LogTable } from '../event-store/event-store.js';
import { LogChangedError } from '../event-store/log-changed-error.js';
import type { NewEvent, Position } from '../events/event.js';
import { type AlongWithAppend, tellOf } from './along-with-append.js';
import { applyLive } from './apply-live.js';
import { type Behind, catchUpFrom } from './behind.js';
import { catchUpInPlace, logTableOf } from './catch-up-in-place.js';
import {
  type Checkpoints,
  checkOrigin,
  ensureCheckpoints,
  type Positions,
  positionsOf,
} from './checkpoints.js';
import type { ProjectorContext } from './context.js';
import { isCheckedByItsPage, requireSameLog } from './continuity.js';
import { requireNothingForgotten } from './forgotten/behind.js';
import type { LogMark } from './log-mark.js';
import { lowest } from './lowest.js';
import type { Outcome } from './narrow.js';
import { OutdatedTables } from './outdated-tables.js';
import { createPageReader } from './page-reader.js';
import { type Session, withPooledSession } from './session.js';
import { type Batch, WriteRefused } from './write-page.js';

export interface CatchUpOptions {
  /** Return as soon as this event is applied. Default: the last event when the call begins. */
  readonly until?: Position;
  /** What the caller has just recorded: most likely what it finds, so that it can ask for their rows beforehand. */
  readonly expecting?: readonly NewEvent[];
  /** Sent behind the append of these; what came of it is looked at before anything is asked. */
  readonly along?: AlongWithAppend | undefined;
  /** How long to wait while others hold the lock and nothing moves. Default 2000. */
  readonly timeoutMs?: number;
  /**
   * Tables of an older release, and those that are new in this one, are made first, beside the live ones; where the log
   * has no more events than that. Left out: older ones are refused, and new ones filled by reading the log again.
   */
  readonly makesCurrent?: { readonly maxEvents?: number };
  readonly signal?: AbortSignal;
}

export interface CatchUpResult {
  /** Every projection has come at least this far. */
  readonly position: Position | undefined;
  /** Events that this call read and applied. */
  readonly events: number;
  /** `position` has reached `until`. */
  readonly caughtUp: boolean;
}

export const DEFAULT_TIMEOUT_MS = 2_000;
const FIRST_WAIT_MS = 5;
const LONGEST_WAIT_MS = 100;
const TRIES_WHILE_CHANGING = 20;

/** Where the projections stand, and what is known of the log there. */
interface Standing {
  /** Left out when they have been moved since. */
  readonly checkpoints: Checkpoints | undefined;
  /** Of what has been folded since, written or not. */
  readonly positions: Positions;
  /** Of the one that is furthest behind. */
  readonly mark: Pick<LogMark, 'at' | 'tail'> | undefined;
  /** The log has been looked at since the checkpoints were read. */
  readonly isChecked: boolean;
}

/**
 * @throws ConnectorStateError `PROJECTION_FAILED` when the log is not the one of the checkpoints
 * @throws OutdatedTables
 */
export async function catchUp(
  context: ProjectorContext,
  options: CatchUpOptions = {},
): Promise<CatchUpResult> {
  const waiting = waitForOthers(context, options);
  const log = logTableOf(context);
  if (!log) return byPages(context, options, waiting, 0);
  const sofar = await inPlace(context, options, waiting, log);
  return 'caughtUp' in sofar ? sofar : byPages(context, options, waiting, sofar.events);
}

/** What the short way leaves to the long one. */
type SoFar = Pick<CatchUpResult, 'events'>;

/** The short way, as far as it leads: what is unclear, a full page and one that the database refuses are for the long. */
async function inPlace(
  context: ProjectorContext,
  { until, expecting = [], along, signal }: CatchUpOptions,
  waiting: Waiting,
  log: LogTable,
): Promise<CatchUpResult | SoFar> {
  const { store, projections } = context;
  const attempt = async () => {
    const outcome = await inSession(context, session =>
      catchUpInPlace(context, session, log, expecting).catch(error => {
        if (error instanceof WriteRefused) return undefined;
        throw error;
      }),
    );
    return outcome && tellOf(context, outcome);
  };
  let goal = until;
  let sent = await along?.outcome;
  let events = 0;
  for (;;) {
    signal?.throwIfAborted();
    const wasSent = sent !== undefined;
    const outcome = sent ?? (await attempt());
    sent = undefined;
    if (!outcome || outcome.status === 'unclear') return { events };
    if (outcome.status === 'applied') {
      events += outcome.events.length;
      if (outcome.isFull) return { events };
      const position = lowest(store.compare, outcome.positions);
      const caughtUp = store.compare(position, goal) >= 0;
      // An append that had to be made again has what was sent behind the first attempt before it.
      if (wasSent && !caughtUp) continue;
      return { position, events, caughtUp };
    }
    const checkpoints = await inSession(context, session => ensureCheckpoints(session, projections));
    checkOrigin(projections, checkpoints, store.name);
    const position = lowest(store.compare, positionsOf(checkpoints));
    goal ??= await store.head();
    if (store.compare(position, goal) >= 0) {
      await requireContinuity(context, checkpoints);
      return { position, events, caughtUp: true };
    }
    if (!(await waiting(position))) return { position, events, caughtUp: false };
  }
}

/**
 * Reads and folds ahead of the writing, and has the lock only while it writes. One page that is all there is, and pages
 * of which the database has refused something, are written one by one.
 */
async function byPages(
  context: ProjectorContext,
  { until, signal, makesCurrent }: CatchUpOptions,
  waiting: Waiting,
  eventsBefore: number,
): Promise<CatchUpResult> {
  const { store, pageSize } = context;
  const session = <T>(work: (session: Session) => Promise<T>) => inSession(context, work);
  let readPage = createPageReader(context);
  let changes = 0;
  const head = until === undefined ? await store.last() : undefined;
  const goal = until ?? head?.position;
  let events = eventsBefore;
  let standing: Standing | undefined;
  let behind: Behind | undefined;
  let oneByOneUntil: Position | undefined;
  const beginAnew = async () => {
    await behind?.settled();
    events += behind?.events ?? 0;
    [standing, behind] = [undefined, undefined];
  };
  try {
    for (;;) {
      signal?.throwIfAborted();
      standing ??= await readStanding(context, makesCurrent !== undefined);
      const { positions, mark } = standing;
      const after = lowest(store.compare, positions);
      const result = (caughtUp: boolean) => ({
        position: after,
        events: events + (behind?.events ?? 0),
        caughtUp,
      });
      if (store.compare(after, goal) >= 0) {
        if (!standing.isChecked && !isHead(mark, head)) await checkNow(context);
        return result(true);
      }

      const page = await readPage(after, mark).catch(async error => {
        if (!mark || !(error instanceof LogChangedError) || ++changes > TRIES_WHILE_CHANGING) throw error;
        // Says what happened to the log. If nothing: the checkpoints have been decided anew (a rebuild, `adopt-log`), or have
        // moved on and the event that they stood at was a hit that is forgotten since.
        await checkNow(context);
        return error;
      });
      if (page instanceof LogChangedError) {
        await beginAnew();
        readPage = createPageReader(context);
        continue;
      }
      const isLast = !page || page.events.length < pageSize || store.compare(page.position, goal) >= 0;
      const isAlone = !behind && (isLast || store.compare(after, oneByOneUntil) < 0);
      if (isAlone && !page) return result(false);
      if (!isAlone && !behind) {
        const { checkpoints } = standing;
        if (!checkpoints) {
          standing = undefined;
          continue;
        }
        behind = catchUpFrom(context, 'guest', session, checkpoints);
      }
      let outcome: Outcome;
      try {
        outcome = behind
          ? await behind.add(page, isLast)
          : await session(own => applyLive(context, own, 'guest', page as Batch, positions));
      } catch (error) {
        if (!behind || !(error instanceof WriteRefused)) throw error;
        oneByOneUntil = page?.position ?? after;
        await beginAnew();
        continue;
      }
      if (outcome.status === 'applied') {
        if (!page) return result(false);
        standing = {
          checkpoints: undefined,
          positions: outcome.positions,
          mark: endOf(page.events),
          isChecked: true,
        };
        if (isAlone) {
          events += page.events.length;
          await context.onApplied?.(page.events);
        }
        continue;
      }
      await beginAnew();
      if (outcome.status === 'busy' && !(await waiting(after))) return result(false);
    }
  } finally {
    await behind?.settled();
  }
}

/** Waits a little, longer each time while nothing moves; false when that has been so for the whole time. */
type Waiting = (position: Position | undefined) => Promise<boolean>;

function waitForOthers(
  { nowMs, sleep }: ProjectorContext,
  { timeoutMs = DEFAULT_TIMEOUT_MS, signal }: CatchUpOptions,
): Waiting {
  let waitMs = FIRST_WAIT_MS;
  let last = { atMs: nowMs(), position: undefined as Position | undefined };
  return async position => {
    if (position !== last.position) {
      last = { atMs: nowMs(), position };
      waitMs = FIRST_WAIT_MS;
    }
    if (nowMs() - last.atMs >= timeoutMs) return false;
    await sleep(Math.min(waitMs, timeoutMs), signal);
    waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
    return true;
  };
}

async function readStanding(context: ProjectorContext, refusesNew: boolean): Promise<Standing> {
  const { store, projections } = context;
  const checkpoints = await inSession(context, session => ensureCheckpoints(session, projections));
  checkOrigin(projections, checkpoints, store.name);
  if (refusesNew) requireNoneIsNew(checkpoints);
  if (!context.checks.hasCheckedForgotten) {
    await requireNothingForgotten(store, checkpoints);
    context.checks.hasCheckedForgotten = true;
  }
  // A page shows only where the one that is furthest behind stands.
  const ridesAlong = isCheckedByItsPage(checkpoints);
  const checked = ridesAlong ? checkpoints : await requireContinuity(context, checkpoints);
  const positions = positionsOf(checked);
  const after = lowest(store.compare, positions);
  const furthestBehind = [...checked.values()].find(({ position }) => position === after);
  return { checkpoints: checked, positions, mark: furthestBehind?.mark, isChecked: !ridesAlong };
}

function requireNoneIsNew(checkpoints: Checkpoints): void {
  const isNew = [...checkpoints].filter(([, { position }]) => position === undefined);
  if (isNew.length === 0 || isNew.length === checkpoints.size) return;
  throw new OutdatedTables(`tables are new in this release: ${isNew.map(([name]) => name).join(', ')}`);
}

const isHead = (mark: Pick<LogMark, 'at'> | undefined, head: EventAt | undefined) =>
  mark?.at.id === head?.id && mark?.at.position === head?.position;

const endOf = (events: readonly EventAt[]): Pick<LogMark, 'at' | 'tail'> | undefined => {
  const last = events.at(-1);
  return last && { at: { id: last.id, position: last.position }, tail: undefined };
};

/** @throws ConnectorStateError `PROJECTION_FAILED` */
async function checkNow(context: ProjectorContext): Promise<void> {
  const checkpoints = await inSession(context, session => ensureCheckpoints(session, context.projections));
  await requireContinuity(context, checkpoints);
}

const requireContinuity = (context: ProjectorContext, checkpoints: Checkpoints) =>
  requireSameLog(context, checkpoints, work => inSession(context, work));

const inSession = <T>({ pool, namedStatements }: ProjectorContext, work: (session: Session) => Promise<T>) =>
  withPooledSession(pool, namedStatements, work);
