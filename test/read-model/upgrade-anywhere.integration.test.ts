/**
 * The upgrade of upgrade.integration.test.ts on every PostgreSQL that a team may have: 14 to 17, and by way of a PgBouncer
 * in transaction mode with and without statements that have names. Everything goes through the address the team has.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { silentLogger } from '../../src/base/logging.js';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import { pg } from '../../src/postgres/driver.js';
import { createPool } from '../../src/postgres/pool.js';
import { createProjector } from '../../src/projector/index.js';
import { migrate } from '../../src/read-model/migrate.js';
import { createTestDatabase } from '../support/database.js';
import { hit, synced } from '../support/facts.js';
import { findPgBouncer, letGo, type PgBouncer, startPgBouncer } from '../support/pgbouncer.js';
import { findPostgres, startPostgres } from '../support/postgres-version.js';
import { closing } from '../support/world.js';

const FOLDER = new URL('../fixtures/schemas/', import.meta.url);
const RELEASES = readdirSync(FOLDER).map(file => file.replace(/\.sql$/, ''));

async function restore(url: string, release: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(readFileSync(new URL(`${release}.sql`, FOLDER), 'utf8'));
  } finally {
    await client.end();
  }
}

/** @param url what the team has in DATABASE_URL */
async function expectUpgraded(url: string, { namedStatements = true } = {}): Promise<void> {
  const pool = createPool({ connectionString: url, max: 2, log: silentLogger });
  const store = createPostgresEventStore({ pool, useNamedStatements: namedStatements });
  closing({ close: () => store.close().then(() => pool.end()) });
  const projector = createProjector({ store, pool, namedStatements });

  await migrate(url);
  expect(await migrate(url)).toEqual({ applied: [], remade: [] });
  const before = await store.readAll({ limit: 10_000 });
  expect(before.length).toBeGreaterThan(20);

  // As a function does that projects by itself.
  expect(await projector.catchUp({ makesCurrent: {} })).toMatchObject({ caughtUp: true });
  await store.append([synced({ userId: 'new' }), hit({ userId: 'new' })]);
  expect(await projector.catchUp()).toMatchObject({ events: 2, caughtUp: true });

  expect(await projector.verify()).toMatchObject({ equal: true, events: before.length + 2 });
  expect(await projector.deadLetters()).toEqual([]);
  expect(await store.readAll({ limit: before.length })).toEqual(before);
}

describe.each([14, 15, 16, 17])('on PostgreSQL %i', major => {
  const native = findPostgres(major);
  const why = native ? '' : ' [skipped: its package cannot be had from the registry here]';
  (native ? it.each(RELEASES) : it.skip.each(RELEASES))(`a database of version %s${why}`, async release => {
    const server = await startPostgres(native as string);
    closing({ close: () => server.stop() });
    await restore(server.url, release);
    await expectUpgraded(server.url);
  });
});

const isThere = findPgBouncer() !== undefined;
const title = isThere
  ? 'through PgBouncer'
  : "through PgBouncer [skipped: Debian's package cannot be had here]";

(isThere ? describe : describe.skip)(title, () => {
  let pooler: PgBouncer;
  beforeAll(async () => {
    pooler = await startPgBouncer(process.env.TEST_ADMIN_URL as string);
  });
  afterAll(() => pooler?.close());

  it.each(RELEASES.flatMap(release => [true, false].map(namedStatements => ({ release, namedStatements }))))(
    'a database of version $release, named statements: $namedStatements',
    async given => {
      const database = await createTestDatabase({ migrated: false });
      closing({ close: () => database.drop() });
      closing({ close: () => letGo(database.url) });
      await restore(database.url, given.release);
      await expectUpgraded(pooler.through(database.url), given);
    },
  );
});
