/**
 * The log folded from its first event into temporary tables, page by page, as far as the live rows have come:
 * the first half of a rebuild, and of a verification.
 */
import type { Projection } from '../../projections/index.js';
import { ConnectorStateError } from '../errors.js';
import type { Position } from '../events/event.js';
import { lowest } from './catch-up.js';
import { type Checkpoints, type Positions, positionsOf, readCheckpoints } from './checkpoints.js';
import type { ProjectorContext } from './context.js';
import { type Apply, applyNarrowing } from './narrow.js';
import { createPageReader } from './page-reader.js';
import { atomically, type Session } from './session.js';
import { createShadow } from './shadow.js';
import { writePage } from './write-page.js';

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
}

export interface FoldBeside {
  /** Folds on until every projection stands at its limit. */
  upTo(limits: Positions, scope: 'transaction' | 'savepoint'): Promise<void>;
  events(): number;
  readonly eventsOf: ReadonlyMap<string, number>;
}

/** Folds into the shadow tables, at first as far as the live projector has come by now. */
export async function foldBeside(
  context: ProjectorContext,
  session: Session,
  projections: readonly Projection[],
  { fillsNew, signal, onProgress, strict = false }: FoldOptions,
): Promise<FoldBeside> {
  const { store } = context;
  const readPage = createPageReader(context);
  const shadow = await createShadow(session, projections);
  let positions: Positions = new Map(projections.map(({ name }) => [name, undefined]));
  let events = 0;
  const eventsOf = new Map<string, number>(projections.map(({ name }) => [name, 0]));
  let total = await store.countAfter(undefined);

  const applyUpTo =
    (limits: Positions): Apply =>
    async (batch, at, refusals) => {
      const { compare } = store;
      const written = await writePage(session, compare, projections, shadow, batch, at, refusals, limits);
      if (strict && written.firstFailure) throw strictFailure(written.firstFailure);
      const next = new Map(at);
      for (const { projection, position, events: read } of written.moves) {
        next.set(projection, position);
        eventsOf.set(projection, (eventsOf.get(projection) ?? 0) + read);
      }
      return { status: 'applied', positions: next };
    };

  async function upTo(limits: Positions, scope: 'transaction' | 'savepoint'): Promise<void> {
    const apply = applyUpTo(limits);
    for (;;) {
      signal?.throwIfAborted();
      const behind = new Map(
        [...positions].filter(([name, position]) => store.compare(position, limits.get(name)) < 0),
      );
      if (behind.size === 0) return;
      const page = await readPage(lowest(store.compare, behind));
      // Hits may have been forgotten since; then the log ends before the checkpoint does.
      if (!page) return;
      const outcome = await applyNarrowing(
        (...given) => atomically(session, () => apply(...given), scope),
        page,
        positions,
      );
      if (outcome.status === 'applied') positions = outcome.positions;
      events = Math.max(...eventsOf.values());
      total = Math.max(total, events);
      onProgress?.({ done: events, total });
    }
  }

  const checkpoints = await readCheckpoints(session, projections);
  await upTo(await limitsOf(context, checkpoints, fillsNew), 'transaction');
  return { upTo, events: () => events, eventsOf };
}

const strictFailure = (failure: string) =>
  new ConnectorStateError(
    'PROJECTION_FAILED',
    `an event cannot be projected (${failure}), nothing was changed: repair the projection, or rebuild without strict to set the event aside`,
  );

/** A position starts with the name of the store that gave it. */
export const isOurs = ({ store }: ProjectorContext, position: Position | undefined) =>
  position === undefined || position.startsWith(`${store.name}/`);

/**
 * As far as the live rows have come. Rows that came from another event store go to the head of this one, and so do, for
 * who fills them, tables that have none yet (of a release that knows more projections than the last): left to the
 * projector, a new table would make it read the whole log again, while all others wait.
 */
export async function limitsOf(
  context: ProjectorContext,
  checkpoints: Checkpoints,
  fillsNew = false,
): Promise<Positions> {
  const positions = positionsOf(checkpoints);
  const isAsFar = (position: Position | undefined) =>
    position === undefined ? !fillsNew : isOurs(context, position);
  if ([...positions.values()].every(isAsFar)) return positions;
  const head = await context.store.head();
  return new Map([...positions].map(([name, at]) => [name, isAsFar(at) ? at : head]));
}
