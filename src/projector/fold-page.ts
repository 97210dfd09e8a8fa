/**
 * A page of events folded into the rows of one table, in memory and in order. The rows that it touches are in the set by
 * then (row-set.ts). An event that cannot be folded leaves its row as it was.
 */
import type { TableRow } from '../../projections/index.js';
import type { KnownEvent, StoredEvent } from '../events/event.js';
import { changedColumns } from './row-codec.js';
import type { Entry, Failure, RowSet } from './row-set.js';

/** What one projection will look at. */
export interface Intake {
  /** Those it handles, in order. */
  readonly events: readonly KnownEvent[];
  /** For each event the place of its row; `undefined` for a sweep, which has no row of its own. */
  readonly touches: readonly (Entry | undefined)[];
  /** The places that were not in the set. */
  readonly missing: readonly Entry[];
  readonly failures: readonly Failure[];
}

const describe = (error: unknown) => (error instanceof Error ? error.message : String(error));

const NONE: ReadonlyMap<string, string> = new Map();

/**
 * Picks what concerns the projection. `refused`: what the database would not take, `unbelievable`: what nothing may be
 * folded from (projections/belief.ts), both by event id with the reason.
 */
export function takeIn(
  set: RowSet,
  events: readonly StoredEvent[],
  refused: ReadonlyMap<string, string>,
  unbelievable: ReadonlyMap<string, string> = NONE,
): Intake {
  const { projection } = set;
  const { key } = set.sql;
  const taken: KnownEvent[] = [];
  const touches: (Entry | undefined)[] = [];
  const missing: Entry[] = [];
  const failures: Failure[] = [];
  const handled = new Set<string>(projection.handles);
  for (const event of events) {
    if (event.decoded === 'unknown-type' || !handled.has(event.type)) continue;
    if (event.decoded === 'invalid') {
      failures.push({ event, error: event.problem });
      continue;
    }
    const refusal = unbelievable.get(event.id) ?? refused.get(event.id);
    if (refusal !== undefined) {
      failures.push({ event, error: refusal });
      continue;
    }
    try {
      const keyRow = projection.keyOf(event) as TableRow | undefined;
      if (!keyRow && !projection.sweep) continue;
      let entry: Entry | undefined;
      if (keyRow) {
        const found = set.find(keyRow);
        if (found) entry = found;
        else {
          changedColumns(key, keyRow, undefined);
          entry = set.add(keyRow);
          missing.push(entry);
        }
      }
      taken.push(event);
      touches.push(entry);
    } catch (error) {
      failures.push({ event, error: describe(error) });
    }
  }
  return { events: taken, touches, missing, failures };
}

export function foldPage(set: RowSet, { events, touches, failures }: Intake): void {
  for (const failure of failures) set.fail(failure);
  const { projection } = set;
  for (let step = 0; step < events.length; step++) {
    const event = events[step] as KnownEvent;
    const entry = touches[step];
    try {
      if (entry) {
        const before = projection.isHistory ? undefined : entry.row;
        const after = projection.evolve(before, event);
        if (after !== before) set.put(entry, after);
      }
      const sweep = projection.sweep?.(event);
      if (sweep) set.sweep(sweep.column, sweep.before);
    } catch (error) {
      set.fail({ event, error: describe(error) });
    }
  }
}
