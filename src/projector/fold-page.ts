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
import { checkStorable, keyId } from './row-codec.js';
import type { Column } from './table-sql.js';

export interface Failure {
  readonly event: KnownEvent | StoredEvent;
  readonly error: string;
}

/** What one projection will look at. */
export interface Intake {
  /** Events it handles, with the id of the row each touches (none for a sweep), in order. */
  readonly steps: readonly { readonly event: KnownEvent; readonly rowId: string | undefined }[];
  /** The keys of the touched rows. */
  readonly keys: ReadonlyMap<string, TableRow>;
  readonly failures: readonly Failure[];
}

export interface Changes {
  readonly upserts: readonly TableRow[];
  /** Keys of loaded rows that are no more. */
  readonly removed: readonly TableRow[];
  /** By column, the latest cut-off (epoch ms) for the rows that the page does not touch. */
  readonly sweeps: ReadonlyMap<string, number>;
  readonly failures: readonly Failure[];
}

const describe = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** Picks what concerns the projection. `refused`: what the database would not take, by event id. */
export function takeIn(
  projection: Projection,
  key: readonly Column[],
  events: readonly StoredEvent[],
  refused: ReadonlyMap<string, string>,
): Intake {
  const steps: { event: KnownEvent; rowId: string | undefined }[] = [];
  const keys = new Map<string, TableRow>();
  const failures: Failure[] = [];
  const handled = new Set<string>(projection.handles);
  for (const event of events) {
    if (event.decoded === 'unknown-type' || !handled.has(event.type)) continue;
    if (event.decoded === 'invalid') {
      failures.push({ event, error: event.problem });
      continue;
    }
    const refusal = refused.get(event.id);
    if (refusal !== undefined) {
      failures.push({ event, error: refusal });
      continue;
    }
    try {
      const keyRow = projection.keyOf(event) as TableRow | undefined;
      if (keyRow) {
        const rowId = keyId(key, keyRow);
        if (!keys.has(rowId)) {
          checkStorable(key, keyRow);
          keys.set(rowId, keyRow);
        }
        steps.push({ event, rowId });
      } else if (projection.sweep) {
        steps.push({ event, rowId: undefined });
      }
    } catch (error) {
      failures.push({ event, error: describe(error) });
    }
  }
  return { steps, keys, failures };
}

/** `loaded`: the rows that existed among `intake.keys`, by row id. */
export function foldPage(
  projection: Projection,
  columns: readonly Column[],
  intake: Intake,
  loaded: ReadonlyMap<string, TableRow>,
): Changes {
  const rows = new Map<string, TableRow | undefined>();
  for (const rowId of intake.keys.keys()) rows.set(rowId, loaded.get(rowId));
  const failures = [...intake.failures];
  const sweeps = new Map<string, number>();

  for (const { event, rowId } of intake.steps) {
    try {
      if (rowId !== undefined) {
        const before = projection.isHistory ? undefined : rows.get(rowId);
        const after = projection.evolve(before, event);
        if (after !== before) {
          if (after) checkStorable(columns, after, before);
          rows.set(rowId, after);
        }
      }
      const sweep = projection.sweep?.(event);
      if (sweep) {
        const { column, before } = sweep;
        sweeps.set(column, Math.max(before, sweeps.get(column) ?? before));
        for (const [id, row] of rows) {
          if (row && (row[column] as number) < before) rows.set(id, undefined);
        }
      }
    } catch (error) {
      failures.push({ event, error: describe(error) });
    }
  }

  const upserts: { id: string; row: TableRow }[] = [];
  const removed: TableRow[] = [];
  for (const [id, row] of rows) {
    const before = loaded.get(id);
    if (row && row !== before) upserts.push({ id, row });
    if (!row && before) removed.push(intake.keys.get(id) as TableRow);
  }
  // Two writers that take rows in the same order cannot wait for each other in a circle.
  upserts.sort((a, b) => (a.id < b.id ? -1 : 1));
  return { upserts: upserts.map(({ row }) => row), removed, sweeps, failures };
}
