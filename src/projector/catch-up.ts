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
import type { EventAt } from '../event-store/event-store.js';
import { LogChangedError } from '../event-store/log-changed-error.js';
import type { Position } from '../events/event.js';
import { applyLive } from './apply-live.js';
import {
  type Checkpoints,
  checkOrigin,
  ensureCheckpoints,
  type Positions,
  positionsOf,
} from './checkpoints.js';
import type { ProjectorContext } from './context.js';
import { requireSameLog } from './continuity.js';
import type { LogMark } from './log-mark.js';
import { createPageReader } from './page-reader.js';
import { type Session, withPooledSession } from './session.js';

export interface CatchUpOptions {
  /** Return as soon as this event is applied. Default: the last event when the call begins. */
  readonly until?: Position;
  /** How long to wait while others hold the lock and nothing moves. Default 2000. */
  readonly timeoutMs?: number;
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

const DEFAULT_TIMEOUT_MS = 2_000;
const FIRST_WAIT_MS = 5;
const LONGEST_WAIT_MS = 100;

export function lowest(compare: ProjectorContext['store']['compare'], positions: Positions) {
  return [...positions.values()].reduce((a, b) => (compare(a, b) <= 0 ? a : b));
}

/** Where the projections stand, and what is known of the log there. */
interface Standing {
  readonly positions: Positions;
  /** Of the one that is furthest behind. */
  readonly mark: Pick<LogMark, 'at' | 'tail'> | undefined;
  /** The log has been looked at since the checkpoints were read. */
  readonly isChecked: boolean;
}

/** @throws ConnectorStateError `PROJECTION_FAILED` when the log is not the one of the checkpoints */
export async function catchUp(
  context: ProjectorContext,
  { until, timeoutMs = DEFAULT_TIMEOUT_MS, signal }: CatchUpOptions = {},
): Promise<CatchUpResult> {
  const { store, nowMs, sleep } = context;
  const readPage = createPageReader(context);
  const head = until === undefined ? await store.last() : undefined;
  const goal = until ?? head?.position;
  let events = 0;
  let standing: Standing | undefined;
  let waitMs = FIRST_WAIT_MS;
  let lastMove = { at: nowMs(), position: undefined as Position | undefined };
  for (;;) {
    signal?.throwIfAborted();
    standing ??= await readStanding(context);
    const { positions, mark } = standing;
    const after = lowest(store.compare, positions);
    if (store.compare(after, goal) >= 0) {
      if (!standing.isChecked && !isHead(mark, head)) await checkNow(context);
      return { position: after, events, caughtUp: true };
    }
    if (after !== lastMove.position) lastMove = { at: nowMs(), position: after };

    const page = await readPage(after, mark).catch(async error => {
      throw mark && error instanceof LogChangedError ? await whatChanged(context, error) : error;
    });
    if (!page) return { position: after, events, caughtUp: false };
    const outcome = await inSession(context, session =>
      applyLive(context, session, 'guest', page, positions),
    );
    if (outcome.status === 'applied') {
      events += page.events.length;
      standing = { positions: outcome.positions, mark: endOf(page.events), isChecked: true };
      waitMs = FIRST_WAIT_MS;
      continue;
    }
    standing = undefined;
    if (outcome.status === 'busy') {
      if (nowMs() - lastMove.at >= timeoutMs) return { position: after, events, caughtUp: false };
      await sleep(Math.min(waitMs, timeoutMs), signal);
      waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
    }
  }
}

async function readStanding(context: ProjectorContext): Promise<Standing> {
  const { store, projections } = context;
  const checkpoints = await inSession(context, session => ensureCheckpoints(session, projections));
  checkOrigin(projections, checkpoints, store.name);
  // A page shows only where the one that is furthest behind stands.
  const isRideAlongEnough = isAtOnePlace(checkpoints) && [...checkpoints.values()].every(isMarked);
  const checked = isRideAlongEnough ? checkpoints : await requireContinuity(context, checkpoints);
  const positions = positionsOf(checked);
  const after = lowest(store.compare, positions);
  const furthestBehind = [...checked.values()].find(({ position }) => position === after);
  return { positions, mark: furthestBehind?.mark, isChecked: !isRideAlongEnough };
}

const isMarked = ({ position, mark }: { position: unknown; mark: LogMark | undefined }) =>
  position === undefined || mark?.log !== undefined;

const isAtOnePlace = (checkpoints: Checkpoints) =>
  new Set([...checkpoints.values()].map(({ position }) => position)).size <= 1;

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

/** The checkpoints may have been decided anew meanwhile (a rebuild, `adopt-log`): then nothing is wrong now. */
async function whatChanged(context: ProjectorContext, error: LogChangedError): Promise<Error> {
  try {
    await checkNow(context);
    return error;
  } catch (told) {
    return told as Error;
  }
}
