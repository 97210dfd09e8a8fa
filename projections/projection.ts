/**
 * What a projection is: the pure fold from events to the rows of one read table.
 *
 * A projection says which table it fills, which row an event touches (`keyOf`) and what becomes of that row
 * (`evolve`). It does no I/O and asks no clock, so the same events give the same rows on every machine, today
 * and in a rebuild next year. The projector (src/projector/) does the rest: loading, writing, checkpoints.
 *
 * Rows are plain data. A field `lastSyncTime` is the column `last_sync_time`; a time is whole epoch
 * milliseconds. A row must survive the database unchanged, because the next fold starts from what was read
 * back: hence whole milliseconds, doubles, lower-case UUIDs ({@link uuid}), and nothing else.
 */
import type { EventType } from '../src/events/catalogue.js';
import type { KnownEvent } from '../src/events/event.js';

export type ColumnType =
  | 'text'
  /** Text of a column `text` that takes long to make: an accessor of the row may make it, and is asked once it is stored. */
  | 'json'
  | 'uuid'
  | 'boolean'
  | 'integer'
  | 'bigint'
  | 'double precision'
  | 'timestamptz';

export type ColumnValue = string | number | boolean | null;
export type TableRow = Readonly<Record<string, ColumnValue>>;
type Field<Row> = keyof Row & string;

export interface ReadTable<Row> {
  readonly name: string;
  /** Every field of the row, in the table's order. */
  readonly columns: Readonly<Record<Field<Row>, ColumnType>>;
  /** The fields an event finds its row by; unique in the table. */
  readonly key: readonly Field<Row>[];
  /** Partitioned by the month of this time; the SQL function makes the partition of a given time. */
  readonly partitions?: { readonly by: Field<Row>; readonly ensure: string };
}

/** "Remove every row whose `column` (a time) lies before `before`." */
export interface Sweep<Column extends string = string> {
  readonly column: Column;
  /** Epoch milliseconds, exclusive. */
  readonly before: number;
}

export interface Projection<Row = TableRow> {
  readonly name: string;
  /** Goes up when `evolve` changes its mind about old events: the table must then be rebuilt. */
  readonly version: number;
  readonly table: ReadTable<Row>;
  readonly handles: readonly EventType[];
  /** Rows are written once and never looked at again, so `evolve` is always given `undefined`. */
  readonly isHistory?: true;
  /** The key fields of the one row this event touches; `undefined` for none. */
  keyOf(event: KnownEvent): Partial<Row> | undefined;
  /**
   * The row after the event; `undefined` for no row. The same object back means: nothing changed.
   * The row that comes back is the projector's from then on, which writes to it.
   * Throwing makes the event a dead letter of this projection, and leaves the row as it was.
   */
  evolve(row: Row | undefined, event: KnownEvent): Row | undefined;
  /** For the events that remove many rows at once. */
  sweep?(event: KnownEvent): Sweep<Field<Row>> | undefined;
}

/** As PostgreSQL returns it: a UUID compared with one read back must not differ in case. */
export const uuid = (value: string): string => value.toLowerCase();
