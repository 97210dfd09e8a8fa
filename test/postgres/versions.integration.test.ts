/** PostgreSQL 14 to 17 beside the 18 of all other tests: migrate, record, project, look up, rebuild; 13 is refused. */
import { describe, expect, it } from '@jest/globals';
import { migrate } from '../../src/read-model/migrate.js';
import { migrations } from '../../src/read-model/migrations/index.js';
import { findPostgres, startPostgres } from '../support/postgres-version.js';
import { closing, givenWorld } from '../support/world.js';

async function givenServer(native: string | undefined) {
  const server = await startPostgres(native as string);
  closing({ close: () => server.stop() });
  return server;
}

const MISSING = '[skipped: its package cannot be had from the registry here]';

describe.each([14, 15, 16, 17])('PostgreSQL %i', major => {
  const native = findPostgres(major);
  (native ? it : it.skip)(`does all that 18 does${native ? '' : ` ${MISSING}`}`, async () => {
    const { url: databaseUrl } = await givenServer(native);
    const world = await givenWorld();

    expect((await migrate(databaseUrl)).applied).toHaveLength(migrations.length);
    const process = await world.process({ databaseUrl });
    const connector = world.connector(process, 'BYBIT');
    await connector.initialize();
    expect(await process.flush()).toMatchObject({ ok: true, pending: 0 });

    const fresh = await world.process({ databaseUrl });
    expect(await fresh.cache.get(connector.ref)).toMatchObject({ hit: true, tier: 'postgres' });
    const projector = await fresh.projector();
    expect(await projector.verify()).toMatchObject({ equal: true });
    await projector.rebuild();
    expect(await projector.verify()).toMatchObject({ equal: true });
  });
});

const oldest = findPostgres(13);
(oldest ? it : it.skip)(`PostgreSQL 13 is refused by name${oldest ? '' : ` ${MISSING}`}`, async () => {
  const { url } = await givenServer(oldest);

  await expect(migrate(url)).rejects.toMatchObject({
    code: 'DATABASE_REFUSED',
    reason: 'version',
    message: expect.stringMatching(/PostgreSQL 13\.\d+, which is older .* 14 to 18: upgrade/),
  });
});
