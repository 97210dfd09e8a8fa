/**
 * `run()`: the live projector.
 *
 *   connecting → (making tables of an older release) → waiting → leading → (connection lost) → backing off → connecting …
 *
 * Waiting means blocked in the database on the advisory lock, so the next takes over the moment the leader's
 * connection ends, for whatever reason. Leading means following the store's subscription and applying its
 * pages *on the connection that holds the lock*: were the lock lost, the page could not commit. So there are
 * never two writers, even when a leader was frozen and does not know yet that it was replaced.
 *
 * What may pass (the database or the event store is away, a deadlock, a shutdown) is waited out, with growing
 * pauses. What will not (tables missing, rows of a newer version, a bug) ends it with an error: a projector
 * that stops by itself must be seen.
 */
import { ConnectorStateError, isConnectorStateError } from '../base/errors.js';
import { LogChangedError } from '../event-store/log-changed-error.js';
import type { Position } from '../events/event.js';
import { DatabaseError } from '../postgres/database-error.js';
import { applyLive } from './apply-live.js';
import { type Behind, catchUpFrom } from './behind.js';
import { catchUp } from './catch-up.js';
import {
  type Checkpoints,
  ensureCheckpoints,
  isSamePositions,
  positionsOf,
  readCheckpoints,
} from './checkpoints.js';
import type { ProjectorContext } from './context.js';
import { requireSameLog } from './continuity.js';
import { LEADER_LOCK_TIMEOUT_MS, tablesInUse, type WaitOptions, waitToLead } from './lock-wait.js';
import { lowest } from './lowest.js';
import { makeCurrent } from './make-current.js';
import { type OwnSession, SharedSession, withDedicatedSession } from './own-connection.js';
import { readAhead } from './read-ahead.js';
import { QueryFailure, type Session } from './session.js';
import { WriteRefused } from './write-page.js';

const FIRST_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 5_000;

/** A store says of its failures whether they may pass; a missing right, for one, will not. */
const isTransient = (error: unknown) =>
  error instanceof QueryFailure
    ? error.isTransient
    : error instanceof DatabaseError
      ? error.transient
      : isConnectorStateError(error, 'EVENT_STORE_FAILED') &&
        (error as { transient?: boolean }).transient !== false;

/** Resolves when `signal` is aborted; rejects when it cannot go on. */
export async function run(
  context: ProjectorContext,
  signal: AbortSignal,
  wait: Pick<WaitOptions, 'waitMs'> = {},
): Promise<void> {
  const { log, sleep, counters } = context;
  let backoffMs = FIRST_BACKOFF_MS;
  while (!signal.aborted) {
    try {
      await makeCurrent(context, { signal });
      await withDedicatedSession(context, signal, LEADER_LOCK_TIMEOUT_MS, async session => {
        await waitToLead(context, session, wait);
        await lead(context, session, signal, () => {
          backoffMs = FIRST_BACKOFF_MS;
        });
      });
    } catch (caught) {
      if (signal.aborted) return;
      const error = caught instanceof SharedSession ? await failureOf(asGuest(context, signal)) : caught;
      if (signal.aborted) return;
      if (!isTransient(error)) throw error;
      log.warn(
        { error: (error as Error).message, backoffMs },
        'the projector was interrupted, and tries again',
      );
      counters.reconnects += 1;
      await sleep(backoffMs, signal).catch(() => undefined);
      backoffMs = Math.min(backoffMs * 2, LONGEST_BACKOFF_MS);
    }
  }
}

const failureOf = (work: Promise<void>): Promise<unknown> =>
  work.then(
    () => new ConnectorStateError('EVENT_STORE_FAILED', 'the event store ended the subscription by itself'),
    (error: unknown) => error,
  );

/**
 * Behind a transaction pooler there is no session that could hold the lock: each page's transaction takes it, as
 * functions do that catch up. Several who project so share the pages between them.
 */
async function asGuest(context: ProjectorContext, signal: AbortSignal): Promise<void> {
  const { store, log, sleep, pageSize } = context;
  log.info({}, 'projecting through a transaction pooler: the lock is taken for each page');
  const { position } = await catchUp(context, { signal });
  const from = position === undefined ? undefined : await store.readFrom({ after: position, limit: 1 });
  try {
    for await (const page of store.subscribe({ after: position, expecting: from?.at, signal, pageSize })) {
      let isBehind = page.position !== undefined;
      while (isBehind && !signal.aborted) {
        isBehind = !(await catchUp(context, { signal, ...(page.position && { until: page.position }) }))
          .caughtUp;
        if (isBehind) await sleep(FIRST_BACKOFF_MS, signal);
      }
    }
  } catch (error) {
    // Says what happened to the log.
    if (error instanceof LogChangedError) await catchUp(context, { signal });
    throw error;
  }
}

async function lead(
  context: ProjectorContext,
  session: OwnSession,
  signal: AbortSignal,
  onProgress: () => void,
): Promise<void> {
  const { log, counters } = context;
  counters.leading = 1;
  log.info({}, 'projecting: this process holds the lock');
  try {
    let oneByOneUntil: Position | undefined;
    while (!signal.aborted) {
      oneByOneUntil = await follow(context, session, signal, onProgress, oneByOneUntil);
    }
  } finally {
    counters.leading = 0;
  }
}

/**
 * Follows the store from the checkpoints; returns when somebody moved them (a rebuild, a late function), or when the
 * database refused something of pages that were written together: then up to where each is to be written by itself.
 */
async function follow(
  context: ProjectorContext,
  session: OwnSession,
  signal: AbortSignal,
  onProgress: () => void,
  oneByOneUntil: Position | undefined,
): Promise<Position | undefined> {
  const { store, pageSize } = context;
  const checkpoints = await currentCheckpoints(context, session);
  let positions = positionsOf(checkpoints);
  const done = new AbortController();
  const subscription = store.subscribe({
    after: lowest(store.compare, positions),
    expecting: markAt(checkpoints, lowest(store.compare, positions)),
    signal: AbortSignal.any([signal, session.lost, done.signal]),
    pageSize,
  });
  let after = lowest(store.compare, positions);
  let behind: Behind | undefined;
  try {
    const pages = readAhead(
      subscription,
      ({ caughtUp }) => caughtUp,
      () => behind !== undefined,
    );
    for await (const page of pages) {
      if (!page) {
        const outcome = await behind?.add(undefined, true);
        if (outcome && outcome.status !== 'applied') return undefined;
        behind = undefined;
      } else if (store.compare(page.position, after) > 0) {
        const batch = { after, events: page.events, position: page.position };
        const isAlone = !behind && (page.caughtUp || store.compare(after, oneByOneUntil) < 0);
        if (!isAlone && !behind) {
          const now = await readCheckpoints(session, context.projections);
          if (!isSamePositions(positionsOf(now), positions)) return undefined;
          behind = catchUpFrom(context, 'leader', work => work(session), now);
        }
        after = page.position;
        const outcome = behind
          ? await behind.add(batch, page.caughtUp)
          : await applyLive(context, session, 'leader', batch, positions);
        if (outcome.status === 'busy') context.log.warn({}, (await tablesInUse(session)).message);
        if (outcome.status !== 'applied') return undefined;
        if (isAlone) void context.onApplied?.(page.events);
        positions = outcome.positions;
        if (page.caughtUp) behind = undefined;
      }
      onProgress();
    }
  } catch (error) {
    if (behind && error instanceof WriteRefused) return after;
    // Says what happened to the log, unless the checkpoints have been decided anew meanwhile.
    if (error instanceof LogChangedError) await currentCheckpoints(context, session);
    throw error;
  } finally {
    await behind?.settled();
    done.abort();
  }
  session.lost.throwIfAborted();
  if (!signal.aborted) {
    throw new ConnectorStateError('EVENT_STORE_FAILED', 'the event store ended the subscription by itself');
  }
  return undefined;
}

/** @throws ConnectorStateError `PROJECTION_FAILED` when the log is not the one of the checkpoints */
async function currentCheckpoints(context: ProjectorContext, session: Session): Promise<Checkpoints> {
  return requireSameLog(context, await ensureCheckpoints(session, context.projections), work =>
    work(session),
  );
}

const markAt = (checkpoints: Checkpoints, at: Position | undefined) =>
  [...checkpoints.values()].find(({ position }) => position === at)?.mark?.at;
