/**
 * Rows between the fold and the database: text as PostgreSQL sends it → values, and values → arrays.
 *
 * What the database would refuse is refused here, right after the fold of the one event that made it
 * ({@link changedColumns}). Left to the database the whole page would fail, and which event is to blame would
 * depend on where the page happens to end, so that live rows and rebuilt rows could differ.
 */
import type { ColumnType, ColumnValue, TableRow } from '../../projections/index.js';
import type { Column } from './table-sql.js';

const MAX_INT4 = 2_147_483_647;
/** The end of JavaScript's Date; PostgreSQL reaches a little further. */
const MAX_TIME_MS = 8_640_000_000_000_000;

const NEEDS_ESCAPE = /["\\]/;
/** UTF-8 has no unpaired surrogates, and PostgreSQL's text no NUL. */
const UNSTORABLE_TEXT = /[\0\p{Surrogate}]/u;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

function decodeValue(type: ColumnType, text: string | null): ColumnValue {
  if (text === null) return null;
  if (type === 'text' || type === 'uuid' || type === 'json') return text;
  if (type === 'boolean') return text === 't';
  const number = Number(text);
  return type === 'timestamptz' ? Math.round(number) : number;
}

/** `cells` in the order of `columns`, undecoded. */
export function decodeRow(columns: readonly Column[], cells: readonly (string | null)[]): TableRow {
  const row: Record<string, ColumnValue> = {};
  for (let i = 0; i < columns.length; i++) {
    const { field, type } = columns[i] as Column;
    row[field] = decodeValue(type, cells[i] as string | null);
  }
  return row;
}

/**
 * One array literal a column, as the statements of table-sql.ts take them. Written here and not by pg, which
 * quotes and escapes numbers too: that alone was a tenth of the projector's time.
 */
export function encodeRows(columns: readonly Column[], rows: readonly TableRow[]): string[] {
  return columns.map(({ field, type }) => {
    const isText = type === 'text' || type === 'json';
    const cells = rows.map(row => {
      const cell = row[field] as ColumnValue;
      return cell === null ? 'NULL' : isText ? quote(cell as string) : cell;
    });
    // Joined, and not added up: what is added is a node for each cell, until somebody reads the text.
    return `{${cells.join(',')}}`;
  });
}

const quote = (text: string) =>
  NEEDS_ESCAPE.test(text) ? `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"` : `"${text}"`;

/** Tells two keys of one table apart; control characters cannot be part of an id. */
export function keyId(key: readonly Column[], row: TableRow): string {
  let id = String(row[(key[0] as Column).field]);
  for (let i = 1; i < key.length; i++) id += `\u001f${row[(key[i] as Column).field]}`;
  return id;
}

/** Of a row that was not there before. Every bit is set, so that it stays what it is whatever is added to it. */
export const EVERY_COLUMN = -1;
/** Integers that can be combined bit by bit end here. */
const LAST_BIT = 30;

/**
 * What an event changed in a row: a bit for each column, by its place among `columns`, or {@link EVERY_COLUMN}.
 *
 * @throws RangeError naming the column when a value that the event changed cannot be stored as it is. What
 *   was in the row before is not judged: nonsense written by hand must not stop the event that heals it.
 */
export function changedColumns(
  columns: readonly Column[],
  row: TableRow,
  before: TableRow | undefined,
): number {
  let changed = before ? 0 : EVERY_COLUMN;
  for (let i = 0; i < columns.length; i++) {
    const { field, name, type } = columns[i] as Column;
    // Not looked at, for it would be made: JSON is always storable, and of a row that changed it mostly changed too.
    if (type === 'json') {
      changed |= i <= LAST_BIT ? 1 << i : EVERY_COLUMN;
      continue;
    }
    const value = row[field] as ColumnValue;
    if (before && Object.is(before[field], value)) continue;
    if (value !== null && !isStorable(type, value)) {
      throw new RangeError(`${name}: the value cannot be stored as ${type}`);
    }
    changed |= i <= LAST_BIT ? 1 << i : EVERY_COLUMN;
  }
  return changed;
}

/** @param changed as {@link changedColumns} has found it */
export function copyColumns(
  columns: readonly Column[],
  changed: number,
  from: TableRow,
  to: Record<string, ColumnValue>,
): void {
  if (changed === EVERY_COLUMN) {
    for (const { field } of columns) to[field] = from[field] as ColumnValue;
    return;
  }
  // Bit by bit from the highest: of thirty columns an event changes a few.
  for (let left = changed; left !== 0; ) {
    const i = LAST_BIT + 1 - Math.clz32(left);
    left &= ~(1 << i);
    const { field } = columns[i] as Column;
    to[field] = from[field] as ColumnValue;
  }
}

const isWhole = (value: unknown, max: number) =>
  Number.isSafeInteger(value) && Math.abs(value as number) <= max;

function isStorable(type: ColumnType, value: unknown): boolean {
  switch (type) {
    case 'json':
      return true;
    case 'text':
      return typeof value === 'string' && !UNSTORABLE_TEXT.test(value);
    case 'uuid':
      return typeof value === 'string' && UUID.test(value);
    case 'boolean':
      return typeof value === 'boolean';
    case 'integer':
      return isWhole(value, MAX_INT4);
    case 'bigint':
      return isWhole(value, Number.MAX_SAFE_INTEGER);
    case 'double precision':
      return Number.isFinite(value);
    case 'timestamptz':
      return isWhole(value, MAX_TIME_MS);
  }
}
