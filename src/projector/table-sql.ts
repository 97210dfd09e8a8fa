/**
 * The SQL a projection's table needs, made from the projection's own description of it.
 *
 * Every statement takes one array a column and unnests it, so that a page costs one round trip a table
 * however many rows it touches (measured: 110 000 rows/s, where a statement a row makes 3 000). Times travel
 * both ways as epoch milliseconds in a double, which is exact for whole milliseconds, independent of the
 * session's TimeZone and DateStyle, and total: even `infinity` in a row that somebody wrote by hand can be
 * read and written back, and so be healed by the next sync.
 */
import type { ColumnType, Projection } from '../../projections/index.js';

export interface Column {
  /** The field of the row, `lastSyncTime`. */
  readonly field: string;
  /** `last_sync_time` */
  readonly name: string;
  readonly type: ColumnType;
}

export interface TableSql {
  readonly table: string;
  readonly columns: readonly Column[];
  readonly key: readonly Column[];
  /** $1… the key columns' arrays → the rows. */
  readonly load: string;
  /** $1… every column's array. */
  readonly upsert: string;
  /** $1… the key columns' arrays, then those of the other columns given. Rows that are not there are not made. */
  update(columns: readonly Column[]): string;
  /** $1… the key columns' arrays. */
  readonly remove: string;
  /** $1 epoch ms, exclusive; $2… the arrays of the keys that are spared. */
  sweep(field: string): string;
}

const columnName = (field: string) => field.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);

const wireType = (type: ColumnType) =>
  type === 'timestamptz' ? 'double precision' : type === 'json' ? 'text' : type;
const fromWire = ({ name, type }: Column, alias: string) =>
  type === 'timestamptz' ? `to_timestamp(${alias}.${name} / 1000)` : `${alias}.${name}`;
const toWire = ({ name, type }: Column, alias: string) =>
  // date_part and not extract, whose numeric costs several times as much; the codec rounds to whole ms.
  type === 'timestamptz' ? `date_part('epoch', ${alias}.${name}) * 1000` : `${alias}.${name}`;

const names = (columns: readonly Column[]) => columns.map(column => column.name).join(', ');

/** `unnest($1::text[], …) AS u (cache_key, …)` */
function unnest(columns: readonly Column[], firstParameter = 1): string {
  const arrays = columns.map((column, i) => `$${firstParameter + i}::${wireType(column.type)}[]`);
  return `unnest(${arrays.join(', ')}) AS u (${names(columns)})`;
}

export function tableColumns(projection: Projection): readonly Column[] {
  return Object.entries(projection.table.columns).map(([field, type]) => ({
    field,
    name: columnName(field),
    type,
  }));
}

/** `table`: the live table, or the one a rebuild fills beside it. */
export function tableSql(projection: Projection, table: string = projection.table.name): TableSql {
  const columns = tableColumns(projection);
  const key = keyColumns(projection, columns);
  const matches = key.map(column => `t.${column.name} = ${fromWire(column, 'u')}`).join(' AND ');
  const assignments = columns
    .filter(column => !key.includes(column))
    .map(({ name }) => `${name} = EXCLUDED.${name}`)
    .join(', ');
  return {
    table,
    columns,
    key,
    // LATERAL with LIMIT keeps the planner on the index: a plan made while the table was empty would join by
    // scanning it, and a named statement keeps its plan. It is kept for a single key too, where planning took three times
    // as long as executing: a LIMIT that is not known is taken for a tenth of the rows, so that the plan for any number of
    // keys looks no dearer than one for this key, which would be made anew each time.
    load: `SELECT ${columns.map(column => toWire(column, 't')).join(', ')}
      FROM (SELECT * FROM ${unnest(key)} LIMIT cardinality($1)) u
      CROSS JOIN LATERAL (SELECT * FROM ${table} t WHERE ${matches} LIMIT 1) t`,
    upsert: `INSERT INTO ${table} (${names(columns)})
      SELECT ${columns.map(column => fromWire(column, 'u')).join(', ')} FROM ${unnest(columns)}
      ON CONFLICT (${names(key)}) DO UPDATE SET ${assignments}`,
    update: given => {
      const set = given
        .filter(column => !key.includes(column))
        .map(column => `${column.name} = ${fromWire(column, 'u')}`);
      return `UPDATE ${table} t SET ${set.join(', ')} FROM ${unnest(given)} WHERE ${matches}`;
    },
    remove: `DELETE FROM ${table} t USING ${unnest(key)} WHERE ${matches}`,
    sweep:
      field => `DELETE FROM ${table} t WHERE t.${columnName(field)} < to_timestamp($1::double precision / 1000)
      AND NOT EXISTS (SELECT FROM ${unnest(key, 2)} WHERE ${matches})`,
  };
}

function keyColumns(projection: Projection, columns: readonly Column[]): readonly Column[] {
  return projection.table.key.map(field => {
    const column = columns.find(candidate => candidate.field === field);
    if (!column) throw new TypeError(`${projection.name}: key field ${field} is not among its columns`);
    return column;
  });
}
