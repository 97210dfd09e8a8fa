/**
 * Finding the one event of a page that the database will not take.
 *
 * A refused statement does not say which of its thousand rows was at fault, so the page is halved until one
 * event is left; that one becomes a dead letter of the projection that could not write it, and everything
 * else is applied. Costs 2·log₂(page) statements, and next to never happens: what the fold can know to be
 * unstorable it sorts out itself (row-codec.ts).
 */
import type { Positions } from './checkpoints.js';
import { type Batch, type Refusals, WriteRefused } from './write-page.js';

export type Outcome =
  | { readonly status: 'applied'; readonly positions: Positions }
  /** Somebody else is at it. */
  | { readonly status: 'busy' }
  /** The checkpoints are not where the page was read after. */
  | { readonly status: 'moved' };

export type Apply = (batch: Batch, positions: Positions, refusals: Refusals) => Promise<Outcome>;

export async function applyNarrowing(
  apply: Apply,
  batch: Batch,
  positions: Positions,
  refusals: Refusals = new Map(),
): Promise<Outcome> {
  try {
    return await apply(batch, positions, refusals);
  } catch (error) {
    if (!(error instanceof WriteRefused)) throw error;
    const { events } = batch;
    const first = events[0];
    if (!first) throw error;
    if (events.length === 1) {
      if (refusals.get(error.projection)?.has(first.id)) throw error;
      const more = new Map(refusals).set(error.projection, new Map([[first.id, error.message]]));
      return applyNarrowing(apply, batch, positions, more);
    }
    const middle = events.length >> 1;
    const between = events[middle - 1]?.position;
    const left = { after: batch.after, events: events.slice(0, middle), position: between };
    const outcome = await applyNarrowing(apply, left, positions);
    if (outcome.status !== 'applied') return outcome;
    const right = { after: between, events: events.slice(middle), position: batch.position };
    return applyNarrowing(apply, right, outcome.positions);
  }
}
