/**
 * The temporary tables a rebuild fills, and how they are compared with the live ones and put in their place.
 *
 * Rows are compared column by column with IS DISTINCT FROM; what differs is deleted and inserted again rather
 * than updated, so that two live rows whose ids were swapped by hand cannot collide on the way.
 */
import type { Projection } from '../../projections/index.js';
import { DatabaseError } from '../postgres/database-error.js';
import { DEAD_LETTER_COLUMNS, DEAD_LETTER_TABLE } from './dead-letters.js';
import { requireSeen } from './replaced-tables.js';
import { QueryFailure, type Session } from './session.js';
import { type TableSql, tableColumns, tableSql } from './table-sql.js';
import type { Target } from './write-page.js';

const INSUFFICIENT_PRIVILEGE = '42501';

export const shadowName = (table: string) => `rebuilt_${table}`;
const SHADOW_DEAD_LETTERS = shadowName(DEAD_LETTER_TABLE);

/**
 * In the session's temporary schema: gone when the transaction ends, and never written to the server's log. Made from
 * what the catalogue says of the live tables, for LIKE would lock these until the end: a migration would wait for the
 * rebuild, and every lookup for the migration. Of the indexes only those are made that refuse something.
 *
 * Only what is ours is taken over. A column that somebody added may be NOT NULL, and its default does not come along: each row
 * would be refused here that the live table takes, all events be dead letters, and the live rows be made as few.
 */
export async function createShadow(session: Session, projections: readonly Projection[]): Promise<Target> {
  const ours = new Map<string, readonly string[]>([
    ...projections.map(p => [p.table.name, tableColumns(p).map(({ name }) => name)] as const),
    [DEAD_LETTER_TABLE, DEAD_LETTER_COLUMNS],
  ]);
  await requireSeen(session, [...ours.keys()]);
  const described = await session.query(DEFINITIONS_OF, [JSON.stringify(Object.fromEntries(ours))]);
  for (const [table, definition] of described as readonly [string, string][]) {
    await session
      .query(`CREATE TEMPORARY TABLE ${shadowName(table)} (${definition}) ON COMMIT DROP`)
      .catch(explainRight);
  }
  const tables = projections.map(p => [p.name, tableSql(p, shadowName(p.table.name))] as const);
  return { tables: new Map(tables), deadLetters: SHADOW_DEAD_LETTERS, isPartitioned: false };
}

/** The one right that no grant of ours gives: it is the database's, and usually everybody's. */
function explainRight(error: unknown): never {
  if (!(error instanceof QueryFailure) || error.sqlState !== INSUFFICIENT_PRIVILEGE) throw error;
  throw new DatabaseError(
    'missing-right',
    `a rebuild needs the right to make temporary tables (${error.message}): GRANT TEMPORARY ON DATABASE … TO this role, or use the owner's`,
    { cause: error },
  );
}

/** `$1` tables and their columns → each table with these and the keys over these, as CREATE TABLE takes them. */
const DEFINITIONS_OF = `SELECT u.name, concat_ws(', ',
    (SELECT string_agg(concat_ws(' ', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
          'COLLATE ' || quote_ident(n.nspname) || '.' || quote_ident(c.collname),
          CASE WHEN a.attnotnull THEN 'NOT NULL' END), ', ' ORDER BY a.attnum)
      FROM pg_attribute a
      LEFT JOIN pg_collation c ON c.oid = a.attcollation LEFT JOIN pg_namespace n ON n.oid = c.collnamespace
      WHERE a.attrelid = u.name::regclass AND a.attnum > 0 AND NOT a.attisdropped AND u.columns ? a.attname),
    (SELECT string_agg(pg_get_constraintdef(k.oid), ', ')
      FROM pg_constraint k WHERE k.conrelid = u.name::regclass AND k.contype IN ('p', 'u')
        AND NOT EXISTS (SELECT FROM pg_attribute a
          WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey) AND NOT u.columns ? a.attname)))
  FROM jsonb_each($1::jsonb) AS u (name, columns)`;

export const cells = ({ columns }: TableSql, alias: string) =>
  columns.map(({ name }) => `${alias}.${name}`).join(', ');
export const sameKey = ({ key }: TableSql) => key.map(({ name }) => `t.${name} = r.${name}`).join(' AND ');

export interface Difference {
  /** In the rebuilt table. */
  readonly rows: number;
  /** Missing in the live table, superfluous or different. */
  readonly differing: number;
}

export async function compareRows(session: Session, projection: Projection): Promise<Difference> {
  const sql = tableSql(projection);
  const shadow = shadowName(sql.table);
  // Temporary tables have no statistics until asked for, and joins of a million rows are planned by them.
  await session.query(`ANALYZE ${shadow}`);
  const [counts] = await session.query(
    `SELECT count(${sql.key.map(({ name }) => `r.${name}`)[0]}),
        count(*) FILTER (WHERE ROW(${cells(sql, 't')}) IS DISTINCT FROM ROW(${cells(sql, 'r')}))
      FROM ${sql.table} t FULL JOIN ${shadow} r ON ${sameKey(sql)}`,
  );
  return { rows: Number(counts?.[0]), differing: Number(counts?.[1]) };
}

/** Makes the live rows what the rebuilt ones are. */
export async function switchRows(session: Session, projection: Projection): Promise<void> {
  const sql = tableSql(projection);
  const shadow = shadowName(sql.table);
  const { partitions } = projection.table;
  if (partitions) {
    const column = sql.columns.find(({ field }) => field === partitions.by)?.name;
    await session.query(
      `SELECT ${partitions.ensure}(month) FROM
        (SELECT DISTINCT date_trunc('month', ${column}, 'UTC') AS month FROM ${shadow} ORDER BY 1) AS months`,
    );
  }
  await session.query(
    `DELETE FROM ${sql.table} t WHERE NOT EXISTS (
      SELECT FROM ${shadow} r WHERE ${sameKey(sql)}
        AND ROW(${cells(sql, 't')}) IS NOT DISTINCT FROM ROW(${cells(sql, 'r')}))`,
  );
  const columns = sql.columns.map(({ name }) => name).join(', ');
  await session.query(
    `INSERT INTO ${sql.table} (${columns}) SELECT ${columns} FROM ${shadow} r
      WHERE NOT EXISTS (SELECT FROM ${sql.table} t WHERE ${sameKey(sql)})`,
  );
}

/** The rebuild tried every event anew, so what it found is all that is left; returns how many nobody has dismissed. */
export async function switchDeadLetters(
  session: Session,
  projections: readonly Projection[],
): Promise<number> {
  const names = [projections.map(({ name }) => name)];
  await session.query(
    `DELETE FROM ${DEAD_LETTER_TABLE} d WHERE d.projection = ANY($1::text[]) AND NOT EXISTS (
      SELECT FROM ${SHADOW_DEAD_LETTERS} r WHERE r.projection = d.projection AND r.event_id = d.event_id)`,
    names,
  );
  const columns = DEAD_LETTER_COLUMNS.join(', ');
  await session.query(
    `INSERT INTO ${DEAD_LETTER_TABLE} AS d (${columns}) SELECT ${columns} FROM ${SHADOW_DEAD_LETTERS}
      ON CONFLICT (projection, event_id) DO UPDATE
      SET error = EXCLUDED.error, failed_at = EXCLUDED.failed_at, attempts = d.attempts + 1, host = EXCLUDED.host`,
  );
  const [count] = await session.query(
    `SELECT count(*) FROM ${DEAD_LETTER_TABLE} WHERE projection = ANY($1::text[]) AND dismissed_at IS NULL`,
    names,
  );
  return Number(count?.[0]);
}
