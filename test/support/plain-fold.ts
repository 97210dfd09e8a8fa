/**
 * A projection folded the obvious way, one event after the other: what the projector's pages, loads, writes and
 * sweeps must amount to.
 */
import type { Projection } from '../../projections/index.js';
import type { KnownEvent } from '../../src/events/event.js';

/** What throws is a dead letter, and leaves the row as it was. */
function evolved<Row>(projection: Projection<Row>, before: Row | undefined, event: KnownEvent) {
  try {
    return projection.evolve(before, event);
  } catch {
    return before;
  }
}

/** The rows, by their key, in order of first appearance. */
export function plainFold<Row extends object>(
  projection: Projection<Row>,
  events: readonly KnownEvent[],
): Row[] {
  const rows = new Map<string, Row>();
  for (const event of events) {
    if (!projection.handles.includes(event.type)) continue;
    const key = projection.keyOf(event);
    if (key) {
      const name = JSON.stringify(projection.table.key.map(field => key[field]));
      const before = projection.isHistory ? undefined : rows.get(name);
      const after = evolved(projection, before, event);
      if (after) rows.set(name, after);
      else rows.delete(name);
    }
    const sweep = projection.sweep?.(event);
    if (!sweep) continue;
    for (const [name, row] of rows) {
      if ((row[sweep.column] as number) < sweep.before) rows.delete(name);
    }
  }
  return [...rows.values()];
}
