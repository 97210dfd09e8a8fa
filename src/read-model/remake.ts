/**
 * Tables that the list of migrations says were made, and that are not there: somebody dropped one, or restored a part of
 * a backup. Then nothing is pending, and whoever was told to run `migrate` would be told that all is well.
 *
 * What the events can be folded into again is made anew, empty: all migrations run in a schema of their own, from which the
 * missing tables are moved over and which is dropped with the rest, all in one transaction. A projection whose table
 * is new has applied nothing, so its checkpoint goes and the projector folds the log into it from the start. Without
 * the checkpoints themselves nobody knows what any row has seen: then all read tables start anew.
 *
 * What the facts lie in is not made anew. An empty log would be taken for one in which nothing happened.
 */
import type { Client } from 'pg';
import { ConnectorStateError } from '../base/errors.js';
import { pg } from '../postgres/driver.js';
import { describeDatabase } from './connection.js';
import { API_KEYS, EVENT_TABLES, OUTBOX, READ_TABLES, REPLICA_LINK, USAGE_MODELS } from './grants.js';
import { GUARD, policiesOf, TENANTS } from './row-security.js';

const CHECKPOINTS = 'projection_checkpoint';
const DEAD_LETTERS = 'projection_dead_letter';
/** All but where the facts lie and the list of migrations. */
export const REMAKABLE = [...READ_TABLES, OUTBOX, REPLICA_LINK, USAGE_MODELS, API_KEYS, TENANTS];
/** What projections fill. */
const FOLDED = READ_TABLES.filter(table => table !== CHECKPOINTS && table !== DEAD_LETTERS);

const SCRATCH = 'connector_state_remade';

/**
 * Of a database in which all migrations are applied.
 * @throws ConnectorStateError `DATABASE_NOT_MIGRATED` when what the facts lie in is missing
 */
export async function missingTables(client: Client, databaseUrl: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    'SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NULL',
    [[...EVENT_TABLES, ...REMAKABLE]],
  );
  const missing = rows.map(({ name }) => name);
  const lost = missing.filter(name => EVENT_TABLES.includes(name));
  if (lost.length === 0) return missing;
  throw new ConnectorStateError(
    'DATABASE_NOT_MIGRATED',
    `${describeDatabase(databaseUrl)} has lost ${lost.join(', ')}, where the facts lie: restore the database from a backup, for nothing else can bring them back. If this is another schema than the one that was migrated, set the search_path of this role.`,
  );
}

/**
 * In the transaction that the caller has begun.
 * @param applyAll runs every migration
 */
export async function remake(
  client: Client,
  missing: readonly string[],
  applyAll: () => Promise<void>,
): Promise<void> {
  const { rows } = await client.query<{ schema: string; path: string }>(
    `SELECT current_schema() AS schema, current_setting('search_path') AS path`,
  );
  const { schema, path } = rows[0] as { schema: string; path: string };
  await client.query(`CREATE SCHEMA ${SCRATCH}`);
  await client.query(`SET LOCAL search_path = ${SCRATCH}`);
  await applyAll();
  const policies: string[] = [];
  for (const table of missing) {
    policies.push(...(await policiesOf(client, table)));
    const { rows: parts } = await client.query<{ name: string }>(
      'SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = $1::regclass',
      [table],
    );
    for (const { name } of [...parts, { name: table }]) {
      await client.query(`ALTER TABLE ${name} SET SCHEMA ${pg.escapeIdentifier(schema)}`);
    }
  }
  await client.query(`SELECT set_config('search_path', $1, true)`, [path]);
  // With the functions of this schema go the policies that call them.
  await client.query(`DROP SCHEMA ${SCRATCH} CASCADE`);
  for (const statement of [...policies, GUARD]) await client.query(statement);
  if (missing.includes(CHECKPOINTS)) {
    await client.query(`TRUNCATE ${[...FOLDED, DEAD_LETTERS].join(', ')}`);
  } else {
    await client.query(`DELETE FROM ${CHECKPOINTS} WHERE projection = ANY($1)`, [missing]);
    await client.query(`DELETE FROM ${DEAD_LETTERS} WHERE projection = ANY($1)`, [missing]);
  }
}
