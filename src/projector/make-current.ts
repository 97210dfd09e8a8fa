/**
 * Tables of an older version of their projection, and those that are new in this release, are made before a worker
 * asks for the lock: beside the live ones, while the old release's projector goes on with those. The switch sets the
 * version; then the old projector stops, and this one takes over where it stood. So an upgrade needs no command, and
 * nothing stands still but for the switch.
 *
 * A function that projects by itself does the same, as long as the log is short enough for the life of a function. It is
 * one of many: who finds another at it does not wait for long, and leaves what it stored to the next flush.
 *
 * So are tables whose checkpoint lies before hits that are forgotten: a new database over a log that has lost some.
 *
 * Tables of a *newer* version are left alone: in a rolling deployment two releases would make them from each other for
 * ever. Who goes back to an older release for good says so, with `connector-state rebuild`.
 */
import { ConnectorStateError } from '../base/errors.js';
import type { EventStore } from '../event-store/event-store.js';
import type { Position } from '../events/event.js';
import { type CatchUpOptions, type CatchUpResult, catchUp, DEFAULT_TIMEOUT_MS } from './catch-up.js';
import { readCheckpoints, storeOf } from './checkpoints.js';
import type { ProjectorContext } from './context.js';
import { isBefore } from './forgotten/behind.js';
import { readForgottenSpan } from './forgotten/forgotten.js';
import { OutdatedTables } from './outdated-tables.js';
import { rebuild } from './rebuild.js';
import { withPooledSession } from './session.js';

export interface MakeCurrentOptions {
  readonly signal?: AbortSignal | undefined;
  /** For another that is at it; see lock-wait.ts. */
  readonly waitMs?: number | undefined;
  readonly maxEvents?: number | undefined;
}

/** @throws ConnectorStateError `PROJECTION_FAILED` when the log has more than `maxEvents`; as `rebuild` */
export async function makeCurrent(
  context: ProjectorContext,
  { signal, waitMs, maxEvents = Number.POSITIVE_INFINITY }: MakeCurrentOptions,
): Promise<void> {
  const older = await namesOfOlder(context);
  if (older.length === 0) return;
  const events = maxEvents === Number.POSITIVE_INFINITY ? 0 : await context.store.countAfter(undefined);
  if (events > maxEvents) {
    throw new ConnectorStateError(
      'PROJECTION_FAILED',
      `tables must be made anew in this release (${older.join(', ')}), and the log has some ${events} events, more than the ${maxEvents} for which a function does so by itself: run \`connector-state rebuild\`. Until then the old release goes on projecting, and lookups see its rows`,
    );
  }
  context.log.info({ projections: older }, 'tables of an older release are made anew, beside the live ones');
  await rebuild(context, {
    projections: older,
    ...(signal && { signal }),
    ...(waitMs !== undefined && { waitMs }),
    // Another worker may have been at it when this one looked.
    isNeeded: async () => (await namesOfOlder(context)).length > 0,
  });
}

/** As {@link catchUp}, and over tables of an older release where the caller allows that. */
export async function catchUpWithCurrent(
  context: ProjectorContext,
  options: CatchUpOptions = {},
): Promise<CatchUpResult> {
  const { makesCurrent, timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options;
  try {
    return await catchUp(context, options);
  } catch (error) {
    if (!makesCurrent || !(error instanceof OutdatedTables)) throw error;
    await makeCurrent(context, { ...makesCurrent, waitMs: timeoutMs, signal });
    return catchUp(context, options);
  }
}

async function namesOfOlder({
  pool,
  namedStatements,
  projections,
  store,
}: ProjectorContext): Promise<readonly string[]> {
  const checkpoints = await withPooledSession(pool, namedStatements, session =>
    readCheckpoints(session, projections),
  );
  const span = await readForgottenSpan(store);
  const isBegun = [...checkpoints.values()].some(({ position }) => position !== undefined);
  return projections
    .filter(({ name, version }) => {
      const checkpoint = checkpoints.get(name);
      if (checkpoint === undefined || checkpoint.version > version) return false;
      const { position } = checkpoint;
      if (isOfThisStore(position, store) && isBefore(store.compare, position, span)) return true;
      return isBegun && (checkpoint.version < version || position === undefined);
    })
    .map(({ name }) => name);
}

const isOfThisStore = (position: Position | undefined, { name }: Pick<EventStore, 'name'>) =>
  position === undefined || storeOf(position) === name;
