/**
 * Whose rows a rebuild is about to change, of those that lookups read: what is kept of them elsewhere (the shared tier) is void
 * once it has.
 */
import { connectorStateCache, exchangeClock, type Projection } from '../../projections/index.js';
import type { Environment, Exchange } from '../events/connector.js';
import type { Session } from './session.js';
import { cells, sameKey, shadowName } from './shadow.js';
import { tableSql } from './table-sql.js';

/** A connector's row, or, without a cache key, a shared clock. */
export interface ChangedRow {
  readonly cacheKey: string | undefined;
  readonly exchange: Exchange;
  readonly environment: Environment;
  readonly scope: string;
}
export type ChangedRows = readonly ChangedRow[];

const READ_BY_LOOKUPS = [connectorStateCache.name, exchangeClock.name];

/** @param differing projections whose live rows are not the rebuilt ones yet */
export async function changedRows(session: Session, differing: readonly Projection[]): Promise<ChangedRows> {
  const found: ChangedRow[] = [];
  for (const projection of differing) {
    if (!READ_BY_LOOKUPS.includes(projection.name)) continue;
    const sql = tableSql(projection);
    const key = projection.name === connectorStateCache.name ? 'cache_key' : 'NULL::text AS cache_key';
    const columns = `${key}, exchange, environment, scope`;
    const shadow = shadowName(sql.table);
    const without = (table: string, other: string) =>
      `SELECT ${columns} FROM ${table} t WHERE NOT EXISTS (SELECT FROM ${other} r WHERE ${sameKey(sql)}
         AND ROW(${cells(sql, 't')}) IS NOT DISTINCT FROM ROW(${cells(sql, 'r')}))`;
    const rows = await session.query(`${without(sql.table, shadow)} UNION ${without(shadow, sql.table)}`);
    for (const [cacheKey, exchange, environment, scope] of rows as readonly (string | null)[][]) {
      found.push({
        cacheKey: cacheKey ?? undefined,
        exchange: exchange as Exchange,
        environment: environment as Environment,
        scope: String(scope),
      });
    }
  }
  return found;
}
