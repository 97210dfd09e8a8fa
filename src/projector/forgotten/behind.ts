/** Checkpoints that lie before what has been forgotten: the hits between may be gone, so nobody can go on from there. */
import type { EventStore } from '../../event-store/event-store.js';
import type { Position } from '../../events/event.js';
import type { Checkpoints } from '../checkpoints.js';
import { OutdatedTables } from '../outdated-tables.js';
import { type ForgottenSpan, readForgottenSpan } from './forgotten.js';

export const isBefore = (
  compare: EventStore['compare'],
  position: Position | undefined,
  span: ForgottenSpan | undefined,
): boolean => span !== undefined && compare(position, span.until) < 0;

/** @throws OutdatedTables with the remedy */
export async function requireNothingForgotten(store: EventStore, checkpoints: Checkpoints): Promise<void> {
  const span = await readForgottenSpan(store);
  for (const [name, { position }] of checkpoints) {
    if (!isBefore(store.compare, position, span)) continue;
    throw new OutdatedTables(
      `table ${name} has applied events up to ${position ?? 'none'}, and hits behind that are forgotten (up to ${span?.until}): run \`connector-state rebuild\`, which goes by what was recorded of them`,
    );
  }
}
