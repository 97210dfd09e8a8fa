/**
 * Going on in a log that is not the one of the checkpoints (continuity.ts), without making the rows anew: for a log that
 * was restored from an older backup, or begun anew, when the rows hold what only the lost events told.
 *
 * Where the two logs parted is not known, so the checkpoints go to the end of this one. Two things are given up, and
 * said before anything is done: the rows keep what the lost events told, which a later rebuild takes away; and what
 * this log has stored since it parted, up to its end, is not applied, which a later rebuild makes good.
 */

import type { EventAt } from '../event-store/event-store.js';
import { type Checkpoints, ensureCheckpoints, lockCheckpoints, storeOf } from './checkpoints.js';
import type { ProjectorContext } from './context.js';
import { sameLogChecker } from './continuity.js';
import { encodeMark, type LogMark } from './log-mark.js';
import { atomically, type Session, withPooledSession } from './session.js';

export interface AdoptLogOptions {
  /** False: only look. Default true. */
  readonly apply?: boolean;
}

export interface AdoptedLog {
  /** `same`: the log is the one of the checkpoints, nothing is to be done. */
  readonly log: 'same' | 'other';
  /** The checkpoints have been set to the end of the log. */
  readonly adopted: boolean;
  /** Events that the tables were made from, and up to where. */
  readonly applied: { readonly events: number; readonly position: string | undefined };
  /** Events in the log (an estimate from above), and its end. */
  readonly inLog: { readonly events: number; readonly position: string | undefined };
}

export async function adoptLog(
  context: ProjectorContext,
  { apply = true }: AdoptLogOptions = {},
): Promise<AdoptedLog> {
  const { store, pool, namedStatements, projections } = context;
  const inSession = <T>(work: (session: Session) => Promise<T>) =>
    withPooledSession(pool, namedStatements, work);
  const checkpoints = await inSession(session => ensureCheckpoints(session, projections));
  const isSame = await isAllOf(context, checkpoints);
  const last = await store.last();
  const furthest = [...checkpoints.values()].reduce((a, b) => (a.events >= b.events ? a : b));
  const found = {
    applied: { events: furthest.events, position: furthest.position },
    inLog: { events: await store.countAfter(undefined), position: last?.position },
  };
  if (isSame || !apply) return { log: isSame ? 'same' : 'other', adopted: false, ...found };

  const mark: LogMark | undefined = last && { log: await store.identity(), at: last, tail: undefined };
  await inSession(session => setCheckpoints(session, context, last, mark));
  return { log: 'other', adopted: true, ...found };
}

async function isAllOf(context: ProjectorContext, checkpoints: Checkpoints): Promise<boolean> {
  const isSameLog = sameLogChecker(context);
  for (const checkpoint of checkpoints.values()) {
    const { position } = checkpoint;
    if (position !== undefined && storeOf(position) !== context.store.name) return false;
    if (!(await isSameLog(checkpoint))) return false;
  }
  return true;
}

/** Those that have applied nothing yet stay so: they are in no disagreement with any log. */
async function setCheckpoints(
  session: Session,
  { projections }: ProjectorContext,
  last: EventAt | undefined,
  mark: LogMark | undefined,
): Promise<void> {
  await atomically(session, async () => {
    await lockCheckpoints(session, projections, 'leader');
    await session.query(
      `UPDATE projection_checkpoint SET position = $2, log_mark = $3, updated_at = clock_timestamp()
        WHERE projection = ANY ($1::text[]) AND position IS NOT NULL`,
      [projections.map(({ name }) => name), last?.position ?? null, encodeMark(mark)],
    );
  });
}
