/**
 * The log folded from its first event into temporary tables, page by page, as far as the live rows have come:
 * the first half of a rebuild, and of a verification.
 */
import type { Projection } from '../../projections/index.js';
import { ConnectorStateError } from '../base/errors.js';
import type { Position } from '../events/event.js';
import { type Checkpoints, type Marks, type Positions, readCheckpoints } from './checkpoints.js';
import type { ProjectorContext } from './context.js';
import { sameLogChecker } from './continuity.js';
import { isBefore } from './forgotten/behind.js';
import { forgottenVersion, readForgottenSpan } from './forgotten/forgotten.js';
import { openReplay } from './forgotten/replay.js';
import { lowest } from './lowest.js';
import { type Apply, applyNarrowing } from './narrow.js';
import { createPageReader } from './page-reader.js';
import { PagesTogether, type TogetherOptions } from './pages-together.js';
import { partly, type Session } from './session.js';
import { createShadow } from './shadow.js';
import { withinTransaction } from './transaction.js';

export interface RebuildProgress {
  /** Events folded so far, of `total` (an estimate while events keep arriving). */
  readonly done: number;
  readonly total: number;
}

export interface FoldOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: RebuildProgress) => void;
  /** Fail at the first event that cannot be projected. */
  readonly strict?: boolean;
  /** Tables that have no rows yet are folded too; otherwise they stay empty, as the live ones are. */
  readonly fillsNew?: boolean;
  /** Each page behind a savepoint, so that an event that the database refuses can be found. */
  readonly isCareful?: boolean;
}

export interface FoldBeside {
  /**
   * Folds on until every projection stands at its limit.
   * @throws WriteRefused when the database refuses a value, unless the fold is careful
   */
  upTo(limits: Positions): Promise<void>;
  events(): number;
  readonly eventsOf: ReadonlyMap<string, number>;
  /** How far each has come. */
  positions(): Positions;
  marks(): Marks;
  /** What was forgotten when the fold began ({@link forgottenVersion}). */
  readonly forgotten: number;
  /** @throws ForgottenMeanwhile */
  requireSameForgotten(): Promise<void>;
}

/** Hits were forgotten while they were being folded, and may have been gone before they were read: to be begun anew. */
export class ForgottenMeanwhile extends ConnectorStateError {
  constructor() {
    super(
      'PROJECTION_FAILED',
      'hits were forgotten again and again while the log was being folded, so nothing was changed: try again when nobody runs forget-hits',
    );
  }
}

/**
 * Folds into the shadow tables, at first as far as the live projector has come by now; all within one transaction. What
 * the database refuses is next to never met, and a savepoint for each page costs every session that looks at
 * the tables meanwhile. So who meets it begins anew, carefully.
 */
export async function foldBeside(
  context: ProjectorContext,
  session: Session,
  projections: readonly Projection[],
  { fillsNew, signal, onProgress, strict = false, isCareful = false }: FoldOptions,
): Promise<FoldBeside> {
  const { store } = context;
  const replay = await openReplay(store, () => session.query('SELECT'));
  const readPage = createPageReader(context);
  const shadow = await createShadow(session, projections);
  const together = (standing: TogetherOptions) =>
    new PagesTogether(store.compare, projections, shadow, standing);
  const nowhere = new Map(projections.map(({ name }) => [name, undefined]));
  let pages = together({ positions: nowhere, marks: nowhere, areEmpty: true });
  let events = 0;
  const eventsOf = new Map<string, number>(projections.map(({ name }) => [name, 0]));
  let total = await store.countAfter(undefined);
  onProgress?.({ done: 0, total });

  async function write(): Promise<void> {
    const { transaction, settled } = withinTransaction(session);
    const { moves, firstFailure } = pages.write(transaction);
    await settled();
    if (strict && firstFailure) throw strictFailure(firstFailure);
    for (const { projection, events: read } of moves) {
      eventsOf.set(projection, (eventsOf.get(projection) ?? 0) + read);
    }
    if (pages.isLarge) pages.forget();
  }

  /** Page by page, each begun anew from what was kept of the last. */
  const carefully =
    (limits: Positions): Apply =>
    (batch, positions, refusals) =>
      partly(session, async () => {
        pages = together({ positions, marks: pages.marks });
        await pages.add(session, batch, { refusals, limits });
        await write();
        return { status: 'applied', positions: pages.positions };
      });

  async function upTo(limits: Positions): Promise<void> {
    for (;;) {
      signal?.throwIfAborted();
      const behind = new Map(
        [...pages.positions].filter(([name, position]) => store.compare(position, limits.get(name)) < 0),
      );
      if (behind.size === 0) break;
      const page = await readPage(lowest(store.compare, behind));
      // Hits may have been forgotten since; then the log ends before the checkpoint does.
      if (!page) break;
      for await (const batch of replay.slicesOf(page)) {
        if (isCareful) await applyNarrowing(carefully(limits), batch, pages.positions);
        else {
          await pages.add(session, batch, { limits });
          if (pages.isFull) await write();
        }
      }
      events += page.events.length;
      total = Math.max(total, events);
      onProgress?.({ done: events, total });
    }
    if (!isCareful) await write();
  }

  const checkpoints = await readCheckpoints(session, projections);
  await upTo(await limitsOf(context, checkpoints, { fillsNew }));
  return {
    upTo,
    events: () => events,
    eventsOf,
    positions: () => pages.positions,
    marks: () => pages.marks,
    forgotten: replay.version,
    async requireSameForgotten() {
      if ((await forgottenVersion(store)) !== replay.version) throw new ForgottenMeanwhile();
    },
  };
}

const strictFailure = (failure: string) =>
  new ConnectorStateError(
    'PROJECTION_FAILED',
    `an event cannot be projected (${failure}), nothing was changed: repair the projection, or rebuild without strict to set the event aside`,
  );

/**
 * As far as the live rows have come. Rows that came from another log, or that stop before hits that are forgotten, go to
 * the head of this one, and so do, for
 * who fills them, tables that have none yet (of a release that knows more projections than the last): left to the
 * projector, a new table would make it read the whole log again, while all others wait.
 *
 * @param reached by the fold; no limit lies before it. A checkpoint may stand there when somebody else rebuilt the same
 *   tables meanwhile, up to a head that was earlier: rows with more in them than their checkpoint says would be counted
 *   twice
 */
export async function limitsOf(
  context: ProjectorContext,
  checkpoints: Checkpoints,
  { fillsNew = false, reached }: { fillsNew?: boolean | undefined; reached?: Positions } = {},
): Promise<Positions> {
  const { compare } = context.store;
  const isSameLog = sameLogChecker(context);
  const span = await readForgottenSpan(context.store);
  const limits = new Map<string, Position | undefined>();
  let head: Promise<Position | undefined> | undefined;
  for (const [name, checkpoint] of checkpoints) {
    const { position } = checkpoint;
    const canGoOn = position === undefined ? !fillsNew : await isSameLog(checkpoint);
    const isAsFar = canGoOn && (position === undefined || !isBefore(compare, position, span));
    head ??= isAsFar ? undefined : context.store.head();
    const limit = isAsFar ? position : await head;
    const at = reached?.get(name);
    limits.set(name, compare(limit, at) < 0 ? at : limit);
  }
  return limits;
}
