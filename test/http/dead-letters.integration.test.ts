/** A dead letter that a mended release can apply: found, replayed and gone by way of the API. */
import { expect, it } from '@jest/globals';
import { connectorStateCache, projections } from '../../projections/index.js';
import { silentLogger } from '../../src/base/logging.js';
import { createPool } from '../../src/postgres/pool.js';
import { createProjector } from '../../src/projector/index.js';
import { id, synced, T0 } from '../support/facts.js';
import { closing, eventually, givenWorld } from '../support/world.js';
import { givenServer } from './support.js';

/** As the release before had it. */
const withBug = projections.map(projection =>
  projection.name === connectorStateCache.name
    ? {
        ...projection,
        evolve(...[row, event]: Parameters<typeof projection.evolve>) {
          if (event.id === id(10)) throw new Error('a bug');
          return projection.evolve(row, event);
        },
      }
    : projection,
);

it('is listed, replayed at its own place, and then no longer there', async () => {
  const world = await givenWorld();
  const server = await givenServer({ world });
  const pool = createPool({ connectionString: world.databaseUrl, max: 2, log: silentLogger });
  closing({ close: () => pool.end() });
  const store = await server.state.store();
  await store.append([
    synced({ syncId: id(1) }),
    synced({ id: id(10), syncId: id(2), measuredAt: T0 + 1 }),
    synced({ syncId: id(3), measuredAt: T0 - 1 }),
  ]);
  await createProjector({ store, pool, projections: withBug }).catchUp();
  const syncs = () => world.sql('SELECT sync_id FROM connector_state_cache');
  expect(await syncs()).toEqual([{ sync_id: id(1) }]);

  expect((await server.ask('/v1/dead-letters')).body.deadLetters).toMatchObject([
    { projection: 'connector_state_cache', eventId: id(10), error: 'a bug', attempts: 1 },
  ]);
  const begun = await server.ask({ method: 'POST', url: '/v1/dead-letters/replay' });
  expect(begun.status).toBe(202);
  await eventually(async () => {
    const { body } = await server.ask(`/v1/jobs/${begun.body.id}`);
    expect(body).toMatchObject({ state: 'done', error: null, result: { replayed: 1, remaining: 0 } });
  });

  expect((await server.ask('/v1/dead-letters')).body.deadLetters).toEqual([]);
  expect(await syncs()).toEqual([{ sync_id: id(2) }]);
  expect((await server.ask('/v1/projections')).body).toMatchObject({ deadLetters: 0, events: 0 });
});
