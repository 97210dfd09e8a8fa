/**
 * `catchUp()`: to the head, then return. For functions that project what they just recorded, and for any
 * number of them at once: for each page one takes the lock for the length of the page's transaction, so it
 * works through a transaction pooler and leaves nothing behind when a function is frozen or dies.
 *
 * Who finds the lock taken does not queue for it. The events it waits for are most likely in the page that the
 * other is writing, so it looks at the checkpoint a little later, and takes over if the other stops. It gives
 * up when nothing has moved for `timeoutMs`, and says so: `caughtUp: false`.
 */
import type { Position } from '../events/event.js';
import { applyLive } from './apply-live.js';
import { checkOrigin, ensureCheckpoints, type Positions, positionsOf } from './checkpoints.js';
import type { ProjectorContext } from './context.js';
import { createPageReader } from './page-reader.js';
import { withPooledSession } from './session.js';

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

export async function catchUp(
  context: ProjectorContext,
  { until, timeoutMs = DEFAULT_TIMEOUT_MS, signal }: CatchUpOptions = {},
): Promise<CatchUpResult> {
  const { store, pool, namedStatements, nowMs, sleep } = context;
  const inSession = <T>(work: Parameters<typeof withPooledSession<T>>[2]) =>
    withPooledSession(pool, namedStatements, work);

  const readPage = createPageReader(context);
  const goal = until ?? (await store.head());
  let events = 0;
  let positions: Positions | undefined;
  let waitMs = FIRST_WAIT_MS;
  let lastMove = { at: nowMs(), position: undefined as Position | undefined };
  for (;;) {
    signal?.throwIfAborted();
    positions ??= await inSession(async session => {
      const checkpoints = await ensureCheckpoints(session, context.projections);
      checkOrigin(context.projections, checkpoints, store.name);
      return positionsOf(checkpoints);
    });
    const after = lowest(store.compare, positions);
    if (store.compare(after, goal) >= 0) return { position: after, events, caughtUp: true };
    if (after !== lastMove.position) lastMove = { at: nowMs(), position: after };

    const page = await readPage(after);
    if (!page) return { position: after, events, caughtUp: false };
    const known = positions;
    const outcome = await inSession(session => applyLive(context, session, 'guest', page, known));
    if (outcome.status === 'applied') {
      events += page.events.length;
      positions = outcome.positions;
      waitMs = FIRST_WAIT_MS;
      continue;
    }
    positions = undefined;
    if (outcome.status === 'busy') {
      if (nowMs() - lastMove.at >= timeoutMs) return { position: after, events, caughtUp: false };
      await sleep(Math.min(waitMs, timeoutMs), signal);
      waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
    }
  }
}
