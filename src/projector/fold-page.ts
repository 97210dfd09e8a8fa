/**
 * A page of events folded into the rows of one table, in memory and in order.
 *
 * The rows that the page touches were all loaded before, so a sweep ("remove what ended before X") needs no
 * split of the page: on the rows of the page it acts here, at its place among the events; every other row has
 * no event in the page, so for it the order does not matter and the database removes it afterwards, in one
 * statement with the latest cut-off. An event that cannot be folded leaves its row as it was.
 */
import type { Projection, TableRow } from '../../projections/index.js';
import type { KnownEvent, StoredEvent } from '../events/event.js';
import { changedColumns, keyId } from './row-codec.js';
import type { Column } from './table-sql.js';

export interface Failure {
  readonly event: KnownEvent | StoredEvent;
  readonly error: string;
}

/**
 * What one projection will look at. A step is two numbers and no object: a page has tens of thousands of them,
 * and what lives as long as a page the garbage collector carries about.
 */
export interface Intake {
  /** Those it handles, in order. */
  readonly events: readonly KnownEvent[];
  /** For each event the place of its row in `ids` and `keys`, or {@link NO_ROW}. */
  readonly touches: readonly number[];
  /** Of the touched rows, by which they are told apart. */
  readonly ids: readonly string[];
  readonly keys: readonly TableRow[];
  readonly failures: readonly Failure[];
}

/** What a sweep touches: no row of its own. */
export const NO_ROW = -1;

/** A row that is not what it was. */
export interface Change {
  readonly id: string;
  readonly row: TableRow;
  /** The columns that events changed (see row-codec.ts); those left out are what they were loaded as. */
  readonly columns: number;
}

export interface Changes {
  /** In the order of their ids. */
  readonly written: readonly Change[];
  /** Keys of loaded rows that are no more. */
  readonly removed: readonly TableRow[];
  /** By column, the latest cut-off (epoch ms) for the rows that the page does not touch. */
  readonly sweeps: ReadonlyMap<string, number>;
  readonly failures: readonly Failure[];
}

const NONE: ReadonlyMap<string, string> = new Map();

const describe = (error: unknown) => (error instanceof Error ? error.message : String(error));

/**
 * Picks what concerns the projection. `refused`: what the database would not take, `unbelievable`: what nothing may be
 * folded from (projections/belief.ts), both by event id with the reason.
 */
export function takeIn(
  projection: Projection,
  key: readonly Column[],
  events: readonly StoredEvent[],
  refused: ReadonlyMap<string, string>,
  unbelievable: ReadonlyMap<string, string> = NONE,
): Intake {
  const taken: KnownEvent[] = [];
  const touches: number[] = [];
  const ids: string[] = [];
  const keys: TableRow[] = [];
  const places = new Map<string, number>();
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
      let place: number | undefined = NO_ROW;
      if (keyRow) {
        const id = keyId(key, keyRow);
        place = places.get(id);
        if (place === undefined) {
          changedColumns(key, keyRow, undefined);
          place = ids.push(id) - 1;
          keys.push(keyRow);
          places.set(id, place);
        }
      } else if (!projection.sweep) {
        continue;
      }
      taken.push(event);
      touches.push(place);
    } catch (error) {
      failures.push({ event, error: describe(error) });
    }
  }
  return { events: taken, touches, ids, keys, failures };
}

/** `loaded`: the rows that existed among `intake.keys`, by row id. */
export function foldPage(
  projection: Projection,
  columns: readonly Column[],
  intake: Intake,
  loaded: ReadonlyMap<string, TableRow>,
): Changes {
  const { events, touches, ids, keys } = intake;
  const rows = ids.map(id => loaded.get(id));
  const changed = new Int32Array(ids.length);
  const failures = [...intake.failures];
  const sweeps = new Map<string, number>();

  for (let step = 0; step < events.length; step++) {
    const event = events[step] as KnownEvent;
    const place = touches[step] as number;
    try {
      if (place !== NO_ROW) {
        const before = projection.isHistory ? undefined : rows[place];
        const after = projection.evolve(before, event);
        if (after !== before) {
          if (after) changed[place] = (changed[place] as number) | changedColumns(columns, after, before);
          rows[place] = after;
        }
      }
      const sweep = projection.sweep?.(event);
      if (sweep) {
        const { column, before } = sweep;
        sweeps.set(column, Math.max(before, sweeps.get(column) ?? before));
        for (const [i, row] of rows.entries()) {
          if (row && (row[column] as number) < before) rows[i] = undefined;
        }
      }
    } catch (error) {
      failures.push({ event, error: describe(error) });
    }
  }

  const written: Change[] = [];
  const removed: TableRow[] = [];
  for (const [i, row] of rows.entries()) {
    const id = ids[i] as string;
    if (row && changed[i] !== 0) written.push({ id, row, columns: changed[i] as number });
    if (!row && loaded.has(id)) removed.push(keys[i] as TableRow);
  }
  // Two writers that take rows in the same order cannot wait for each other in a circle.
  written.sort((a, b) => (a.id < b.id ? -1 : 1));
  return { written, removed, sweeps, failures };
}
