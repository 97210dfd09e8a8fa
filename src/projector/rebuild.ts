/**
 * Rebuilding read tables from the first event, beside the live ones, while lookups go on.
 *
 * One at a time: the second waits for the first, and has less to do then. All in one transaction, on a connection of
 * its own, so that any pooler will do and a crash or Ctrl-C leaves nothing:
 *
 *  1. Fold every event into temporary tables. The live tables are neither touched nor locked.
 *  2. Lock the checkpoints, so that the live projector waits; fold what it did meanwhile,
 *     exactly as far as it got; put the *difference* into the live tables; set the version; commit.
 *
 * Nothing is renamed or truncated: readers see the old rows until the commit and the new ones after it, and a
 * table that was right already is not written to at all. `differing` is therefore the number of rows that
 * were wrong: 0 says that live equals rebuilt (promise 2). `verify` stops there: it compares within one
 * snapshot, in which rows and checkpoints belong together, so it holds nobody up; a table that `shard` replaced
 * meanwhile is not in it, and the comparison begins anew.
 *
 * It is also how dead letters are replayed: the events after a dead letter have been applied, and a row
 * depends on the order of its events, so the only right place for it is its own, in a fold from the start.
 *
 * Order of locks: see lock.ts. A rebuild waits for the checkpoints (held for one page at most) and, while it
 * has them, for nothing but the rows of tables that only holders of the checkpoints write to.
 */
import type { Projection } from '../../projections/index.js';
import { ConnectorStateError } from '../base/errors.js';
import { shown } from '../base/shown.js';
import { LogChangedError } from '../event-store/log-changed-error.js';
import { catchUp } from './catch-up.js';
import { type ChangedRows, changedRows } from './changed-rows.js';
import {
  ensureCheckpoints,
  lockCheckpoints,
  type Positions,
  positionsOf,
  readCheckpoints,
} from './checkpoints.js';
import type { ProjectorContext } from './context.js';
import { requireSameLog, sameLogChecker } from './continuity.js';
import {
  type FoldBeside,
  type FoldOptions,
  ForgottenMeanwhile,
  foldBeside,
  limitsOf,
} from './fold-beside.js';
import { isBefore } from './forgotten/behind.js';
import { forgottenVersion, readForgottenSpan } from './forgotten/forgotten.js';
import { isLockTaken, SWITCH_LOCK_TIMEOUT_MS, tablesInUse, waitToRebuild } from './lock-wait.js';
import { encodeMark } from './log-mark.js';
import { OutdatedTables } from './outdated-tables.js';
import { type OwnSession, withOwnTransaction } from './own-connection.js';
import { requireSeen, TablesReplaced } from './replaced-tables.js';
import { partly, type Session, withPooledSession } from './session.js';
import { compareRows, type Difference, switchDeadLetters, switchRows } from './shadow.js';
import { WriteRefused } from './write-page.js';

export interface VerifyOptions extends Omit<FoldOptions, 'strict'> {
  /** Names. Default: all. */
  readonly projections?: readonly string[];
}

export interface RebuildOptions extends VerifyOptions {
  /** Give up, and change nothing, at the first event that cannot be projected. */
  readonly strict?: boolean;
  /** How long to wait for another rebuild to end, in milliseconds. Default: as long as it takes. */
  readonly waitMs?: number;
}

interface InternalOptions extends RebuildOptions {
  /** Asked when it is this rebuild's turn: false ends it, with nothing done. */
  readonly isNeeded?: () => Promise<boolean>;
}

export interface RebuildResult {
  /** Folded, of any type. */
  readonly events: number;
  /** By table. */
  readonly rows: Readonly<Record<string, number>>;
  /** By table: rows that were missing, superfluous or different. */
  readonly differing: Readonly<Record<string, number>>;
  readonly deadLetters: number;
}

export interface VerifyResult {
  /** The live tables are what the events say. */
  readonly equal: boolean;
  readonly events: number;
  readonly tables: readonly { readonly name: string; readonly rows: number; readonly differing: number }[];
}

/** @throws ConnectorStateError `PROJECTION_FAILED` when `strict` and an event cannot be projected */
export async function rebuild(
  context: ProjectorContext,
  options: InternalOptions = {},
): Promise<RebuildResult> {
  const projections = chosen(context, options.projections);
  const { signal } = options;
  // So that what is compared below is as new as can be. A table of another version cannot be advanced before.
  const wasCurrent = await isCurrent(context);
  if (wasCurrent) await catchUp(context, signal && { signal });

  let changed: ChangedRows | undefined;
  const result = await untilItStands(isCareful =>
    withOwnTransaction(context, signal, 'READ COMMITTED', async session => {
      await waitToRebuild(context, session, options);
      if (options.isNeeded && !(await options.isNeeded())) return NOTHING_DONE;
      const fold = await foldBeside(context, session, projections, { ...options, fillsNew: true, isCareful });
      await session.query(`SET LOCAL lock_timeout = ${SWITCH_LOCK_TIMEOUT_MS}`);
      return orWhoHasThem(session, () =>
        switchOver(context, session, projections, fold, signal, rows => {
          changed = rows;
        }),
      );
    }),
  );
  // Assigned in a callback, which the compiler does not see.
  const rows = changed as ChangedRows | undefined;
  if (rows && rows.length > 0) await context.onRebuilt?.(rows);
  if (!wasCurrent && (await isCurrent(context))) await catchUp(context, signal && { signal });
  return result;
}

/** What came meanwhile, the difference to the live tables, and the checkpoints. */
async function switchOver(
  context: ProjectorContext,
  session: Session,
  projections: readonly Projection[],
  fold: FoldBeside,
  signal: AbortSignal | undefined,
  onChanges: (rows: ChangedRows) => void,
): Promise<RebuildResult> {
  const checkpoints = await lockCheckpoints(session, projections, 'leader');
  const limits = await limitsOf(context, checkpoints, { fillsNew: true, reached: fold.positions() });
  await fold.upTo(limits);
  await fold.requireSameForgotten();
  const differences = await compareAll(session, projections, signal);
  const differing = projections.filter((_, index) => differences[index]?.differing);
  onChanges(await changedRows(session, differing));
  for (const projection of differing) await switchRows(session, projection);
  const deadLetters = await switchDeadLetters(session, projections);
  await resetCheckpoints(session, projections, limits, fold);
  return {
    events: fold.events(),
    rows: Object.fromEntries(differences.map(({ name, rows }) => [name, rows])),
    differing: Object.fromEntries(differences.map(({ name, differing }) => [name, differing])),
    deadLetters,
  };
}

/** Behind a savepoint, for who has them is asked in the same transaction. */
async function orWhoHasThem<T>(session: OwnSession, work: () => Promise<T>): Promise<T> {
  try {
    return await partly(session, work);
  } catch (error) {
    throw isLockTaken(error) ? await tablesInUse(session) : error;
  }
}

const NOTHING_DONE: RebuildResult = { events: 0, rows: {}, differing: {}, deadLetters: 0 };

/** Compares, and writes nothing. */
export async function verify(context: ProjectorContext, options: VerifyOptions = {}): Promise<VerifyResult> {
  const projections = chosen(context, options.projections);
  return untilItStands(isCareful =>
    withOwnTransaction(context, options.signal, 'REPEATABLE READ', async session => {
      // The first look: rows and checkpoints as they are now, however long the fold takes.
      const checkpoints = await readCheckpoints(session, projections);
      const forgotten = await forgottenVersion(context.store);
      await requireSameLog(context, checkpoints);
      const fold = await foldBeside(context, session, projections, { ...options, isCareful });
      // Sums that were recorded in between may hold hits that these checkpoints have not come to.
      if (fold.forgotten !== forgotten) throw new ForgottenMeanwhile();
      await fold.upTo(positionsOf(checkpoints));
      await fold.requireSameForgotten();
      const tables = await compareAll(session, projections, options.signal);
      await requireSeen(
        session,
        tables.map(({ name }) => name),
      );
      return { equal: tables.every(({ differing }) => differing === 0), events: fold.events(), tables };
    }),
  );
}

const TRIES_WHILE_FORGETTING = 20;
const TRIES_BEHIND = 3;

/**
 * A fold that read the log while some of it was forgotten is thrown away; nobody forgets so often that it matters. So is
 * one that met a value which the database refuses, for the next to find whose it is.
 */
async function untilItStands<T>(fold: (isCareful: boolean) => Promise<T>): Promise<T> {
  let isCareful = false;
  for (let tries = 1; ; tries++) {
    try {
      return await fold(isCareful);
    } catch (error) {
      // The event that the next page was to begin with may have been such a hit.
      const isForgotten = error instanceof ForgottenMeanwhile || error instanceof LogChangedError;
      // A snapshot knows nothing of a table that was put in another's place after it.
      const isReplaced = error instanceof TablesReplaced;
      // So may the hits behind the checkpoint, between the snapshot and the look at what is forgotten.
      const isBehind = error instanceof OutdatedTables && tries < TRIES_BEHIND;
      const isRefused: boolean = error instanceof WriteRefused && !isCareful;
      if (!(isForgotten || isReplaced || isBehind || isRefused) || tries >= TRIES_WHILE_FORGETTING)
        throw error;
      isCareful ||= isRefused;
    }
  }
}

async function compareAll(
  session: Session,
  projections: readonly Projection[],
  signal: AbortSignal | undefined,
): Promise<readonly (Difference & { readonly name: string })[]> {
  const differences = [];
  for (const projection of projections) {
    signal?.throwIfAborted();
    differences.push({ name: projection.table.name, ...(await compareRows(session, projection)) });
  }
  return differences;
}

function chosen(
  { projections }: ProjectorContext,
  names: readonly string[] | undefined,
): readonly Projection[] {
  if (!names) return projections;
  return names.map(name => {
    const found = projections.find(projection => projection.name === name);
    if (found) return found;
    throw new ConnectorStateError(
      'INVALID_INPUT',
      `no projection is called ${shown(name)}: known are ${projections.map(p => p.name).join(', ')}`,
    );
  });
}

/** Every table was made by this version of its projection, from this log. */
async function isCurrent(context: ProjectorContext): Promise<boolean> {
  const { pool, namedStatements, projections } = context;
  const checkpoints = await withPooledSession(pool, namedStatements, session =>
    ensureCheckpoints(session, projections),
  );
  const isSameLog = sameLogChecker(context);
  const span = await readForgottenSpan(context.store);
  for (const { name, version } of projections) {
    const checkpoint = checkpoints.get(name);
    if (checkpoint?.version !== version || !(await isSameLog(checkpoint))) return false;
    if (isBefore(context.store.compare, checkpoint.position, span)) return false;
  }
  return true;
}

async function resetCheckpoints(
  session: Session,
  projections: readonly Projection[],
  positions: Positions,
  fold: Pick<FoldBeside, 'eventsOf' | 'marks'>,
): Promise<void> {
  const marks = fold.marks();
  await session.query(
    `UPDATE projection_checkpoint c
      SET position = u.position, version = u.version, events = u.events, log_mark = u.mark,
        updated_at = clock_timestamp()
      FROM unnest($1::text[], $2::text[], $3::integer[], $4::bigint[], $5::jsonb[])
        AS u (projection, position, version, events, mark)
      WHERE c.projection = u.projection`,
    [
      projections.map(({ name }) => name),
      projections.map(({ name }) => positions.get(name) ?? null),
      projections.map(({ version }) => version),
      projections.map(({ name }) => fold.eventsOf.get(name) ?? 0),
      projections.map(({ name }) => encodeMark(marks.get(name))),
    ],
  );
}
