/** Upgrading a database that has been projecting for years. */
import { afterEach, expect, it } from '@jest/globals';
import { projections } from '../../projections/index.js';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import { pg } from '../../src/postgres/driver.js';
import { createProjector } from '../../src/projector/index.js';
import { migrate } from '../../src/read-model/migrate.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { hit, shadowed } from '../support/facts.js';

let database: TestDatabase | undefined;
afterEach(() => database?.drop());

it('does not read the whole log again for a table that nothing in it concerns', async () => {
  database = await createTestDatabase();
  const pool = new pg.Pool({ connectionString: database.url });
  const store = createPostgresEventStore({ pool });
  try {
    const older = projections.filter(({ name }) => name !== 'shadow_outcome');
    await store.append([hit(), hit(), hit()]);
    await createProjector({ store, pool, projections: older }).catchUp();
    // As the version before left it.
    await pool.query(`DROP TABLE shadow_outcome;
      DELETE FROM connector_state_migration WHERE name LIKE 'ShadowOutcome%'`);

    await migrate(database.url);
    await store.append([shadowed()]);
    // The release that brought the table had it at version 1; a later one folds it anew for a reason of its own.
    const ofThatRelease = projections.map(each =>
      each.name === 'shadow_outcome' ? { ...each, version: 1 } : each,
    );
    const { events } = await createProjector({ store, pool, projections: ofThatRelease }).catchUp();

    expect(events).toBe(1);
    expect((await pool.query('SELECT inits FROM shadow_outcome')).rows).toEqual([{ inits: '1' }]);
  } finally {
    await store.close();
    await pool.end();
  }
});
