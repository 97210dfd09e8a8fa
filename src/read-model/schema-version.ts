/**
 * Whether the database's tables are those this code was written for, in one query and without TypeORM, whose
 * import alone would triple a cold start.
 */
import type { ClientBase, Pool } from 'pg';

/** The newest migration in ./migrations; a unit test holds the two together. */
export const LATEST_MIGRATION = 'OwnersEventsUnchecked1764000000078';

const MISSING_TABLE = '42P01';

/** @throws whatever `pg` throws when the database cannot be asked */
export async function isMigrated(database: Pool | ClientBase): Promise<boolean> {
  try {
    const { rowCount } = await database.query('SELECT FROM connector_state_migration WHERE name = $1', [
      LATEST_MIGRATION,
    ]);
    return rowCount === 1;
  } catch (error) {
    if ((error as { code?: unknown }).code === MISSING_TABLE) return false;
    throw error;
  }
}
