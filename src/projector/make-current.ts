/**
 * Tables of an older version of their projection, and those that are new in this release, are made before a worker
 * asks for the lock: beside the live ones, while the old release's projector goes on with those. The switch sets the
 * version; then the old projector stops, and this one takes over where it stood. So an upgrade needs no command, and
 * nothing stands still but for the switch.
 *
 * So are tables whose checkpoint lies before hits that are forgotten: a new database over a log that has lost some.
 *
 * Tables of a *newer* version are left alone: in a rolling deployment two releases would make them from each other for
 * ever. Who goes back to an older release for good says so, with `connector-state rebuild`.
 */
import type { EventStore } from '../event-store/event-store.js';
import type { Position } from '../events/event.js';
import { readCheckpoints, storeOf } from './checkpoints.js';
import type { ProjectorContext } from './context.js';
import { isBefore } from './forgotten/behind.js';
import { readForgottenSpan } from './forgotten/forgotten.js';
import { rebuild } from './rebuild.js';
import type { Session } from './session.js';

export async function makeCurrent(
  context: ProjectorContext,
  session: Session,
  signal: AbortSignal,
): Promise<void> {
  const older = await namesOfOlder(context, session);
  if (older.length === 0) return;
  context.log.info({ projections: older }, 'tables of an older release are made anew, beside the live ones');
  await rebuild(context, {
    projections: older,
    signal,
    // Another worker may have been at it when this one looked.
    isNeeded: async () => (await namesOfOlder(context, session)).length > 0,
  });
}

async function namesOfOlder(
  { projections, store }: ProjectorContext,
  session: Session,
): Promise<readonly string[]> {
  const checkpoints = await readCheckpoints(session, projections);
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
