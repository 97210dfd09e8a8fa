/**
 * A transaction that reads by one snapshot sees nothing of a table that was made, or written anew as a whole, after it:
 * PostgreSQL finds a table by what its name means now, and its rows by the snapshot. What was put in the place of a table
 * that the snapshot knew (`shard`, TRUNCATE, ALTER TABLE) therefore looks empty, and nothing says so.
 */
import { ConnectorStateError } from '../base/errors.js';
import type { Session } from './session.js';

/** What is read of them is not what stands in them: to be begun anew, by a newer snapshot. */
export class TablesReplaced extends ConnectorStateError {
  constructor(tables: readonly string[]) {
    super(
      'PROJECTION_FAILED',
      `${tables.join(', ')} was replaced again and again while its rows were being compared: try again when nobody runs \`connector-state shard\` or a migration`,
    );
  }
}

/**
 * To be asked again once they have been read: only then can nobody replace them until the transaction ends.
 * @throws TablesReplaced
 */
export async function requireSeen(session: Session, tables: readonly string[]): Promise<void> {
  // The names are looked up as of now, pg_class is read by the transaction's snapshot.
  const unseen = await session.query(
    `SELECT u.name FROM unnest($1::text[]) AS u (name)
      WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = u.name::regclass
        AND c.relfilenode = coalesce(pg_relation_filenode(c.oid), 0))`,
    [`{${tables.join(',')}}`],
  );
  if (unseen.length > 0) throw new TablesReplaced(unseen.map(([name]) => String(name)));
}
