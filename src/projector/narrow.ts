/**
 * Finding the one event of a page that the database will not take.
 *
 * A refused statement does not say which of its thousand rows was at fault, so the page is halved until one
 * event is left; that one becomes a dead letter of the projection that could not write it, and everything
 * else is applied. Costs 2·log₂(page) statements, and next to never happens: what the fold can know to be
 * unstorable it sorts out itself (row-codec.ts).
 */
import type { Position } from '../events/event.js';
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
    const middle = middleOf(events);
    if (middle === undefined) throw error;
    const between = events[middle - 1]?.position;
    const left = { after: batch.after, events: events.slice(0, middle), position: between };
    const outcome = await applyNarrowing(apply, withRead(left, batch), positions);
    if (outcome.status !== 'applied') return outcome;
    const right = { after: between, events: events.slice(middle), position: batch.position };
    return applyNarrowing(apply, withRead(right, batch), outcome.positions);
  }
}

/** Sums of forgotten hits bear the position of the event before them, and nobody stops between the two. */
function middleOf(events: Batch['events']): number | undefined {
  const isCut = (at: number) => events[at - 1]?.position !== events[at]?.position;
  const half = events.length >> 1;
  for (let distance = 0; distance < events.length; distance++) {
    for (const at of [half - distance, half + distance]) {
      if (at > 0 && at < events.length && isCut(at)) return at;
    }
  }
  return undefined;
}

function withRead(part: Batch, { read, events }: Batch): Batch {
  if (!read) return part;
  const places = new Map(read.map(({ position }, index) => [position, index]));
  const from = part.events[0] === events[0] ? 0 : (places.get(part.after as Position) ?? -1) + 1;
  const to =
    part.events.at(-1) === events.at(-1) ? read.length : (places.get(part.position as Position) ?? -1) + 1;
  return { ...part, read: read.slice(from, to) };
}
