/**
 * Who is behind by more than a page: folds ahead of the writing (pages-together.ts), and waits for a write only when the
 * next one is due, or when nothing more comes.
 */
import { applyTogether } from './apply-live.js';
import { type Checkpoints, tokensOf } from './checkpoints.js';
import type { ProjectorContext } from './context.js';
import type { Role } from './lock.js';
import type { Outcome } from './narrow.js';
import { PagesTogether, standingOf } from './pages-together.js';
import type { Session } from './session.js';
import { inItsTurn } from './transaction.js';
import type { Batch } from './write-page.js';

export interface Behind {
  /**
   * `applied` means folded; with `isLast`, written as well. Anything else, and what it throws, is about pages that were
   * given before too: nothing that was not written is kept.
   * @param page left out: there is none
   * @throws QueryFailure, WriteRefused
   */
  add(page: Batch | undefined, isLast: boolean): Promise<Outcome>;
  /** Written so far. */
  readonly events: number;
  /** Once nothing is under way any more, whatever became of it. */
  settled(): Promise<void>;
}

/** @param inSession gives the session that holds the leader's lock, or one of the pool's */
export function catchUpFrom(
  context: ProjectorContext,
  role: Role,
  inSession: <T>(work: (session: Session) => Promise<T>) => Promise<T>,
  checkpoints: Checkpoints,
): Behind {
  const { store, projections, live, onApplied } = context;
  const standing = { ...standingOf(checkpoints), keepsEvents: onApplied !== undefined };
  const pages = new PagesTogether(store.compare, projections, live, standing);
  let tokens = tokensOf(checkpoints);
  let events = 0;
  let underWay: Promise<Outcome> | undefined;

  async function write(): Promise<Outcome> {
    const outcome = await inSession(session => applyTogether(context, session, role, pages, tokens));
    if (outcome.status === 'applied') {
      tokens = outcome.tokens;
      events += outcome.events;
    }
    return outcome;
  }

  return {
    async add(page, isLast) {
      if (page) await inSession(session => pages.add(session, page));
      if (isLast || pages.isFull) {
        const before = await underWay;
        if (before && before.status !== 'applied') return before;
        const isLarge = pages.isLarge;
        underWay = inItsTurn(write());
        if (isLast || isLarge) {
          const outcome = await underWay;
          if (isLarge) pages.forget();
          return outcome;
        }
      }
      return { status: 'applied', positions: pages.positions };
    },
    get events() {
      return events;
    },
    async settled() {
      await underWay?.catch(() => undefined);
    },
  };
}
