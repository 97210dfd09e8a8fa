/**
 * Databases of every released version (test/fixtures/schemas/), with events in them, come to this one, and their events
 * fold to what they fold to here. A new release adds its dump: `pg_dump --inserts --no-owner --no-privileges`, comments
 * and psql's own commands taken out.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from '@jest/globals';
import { driftSample, projections } from '../../projections/index.js';
import type { ConnectorStateError } from '../../src/base/errors.js';
import { pg } from '../../src/postgres/driver.js';
import { migrate } from '../../src/read-model/migrate.js';
import { createHarness, type Harness, liveAndExpected } from '../projector/harness.js';
import { hit, synced, T0 } from '../support/facts.js';

const FOLDER = new URL('../fixtures/schemas/', import.meta.url);
const RELEASES = readdirSync(FOLDER).map(file => file.replace(/\.sql$/, ''));

let harness: Harness | undefined;
afterEach(async () => {
  await harness?.close();
  harness = undefined;
});

/** A database as that version left it, then `change`d, then brought up to date. */
async function upgraded(release: string, change = ''): Promise<Harness> {
  const made = await createHarness({ migrated: false });
  harness = made;
  const client = new pg.Client({ connectionString: made.url });
  await client.connect();
  try {
    await client.query(readFileSync(new URL(`${release}.sql`, FOLDER), 'utf8'));
    await client.query(`SET search_path = public; ${change}`);
  } finally {
    await client.end();
  }
  await migrate(made.url);
  return made;
}

/** What the docs tell to do when the versions of projections went up. */
async function bringUpToDate(given: Harness): Promise<void> {
  await given
    .projector()
    .catchUp()
    .catch(async (error: ConnectorStateError) => {
      if (error.code !== 'PROJECTION_FAILED') throw error;
      await given.projector().rebuild();
    });
}

async function expectEqual(given: Harness): Promise<void> {
  expect(await given.projector().catchUp()).toMatchObject({ caughtUp: true });
  const { live, expected } = await liveAndExpected(given);
  expect(live).toEqual(expected);
  expect(await given.projector().verify()).toMatchObject({ equal: true });
  expect(await given.projector().deadLetters()).toEqual([]);
}

/** `drift_sample` as migration 2 made it before it was edited. */
const BEFORE_THE_EDIT = `
  ALTER TABLE drift_sample
    DROP CONSTRAINT drift_sample_pkey, ADD CONSTRAINT drift_sample_pkey PRIMARY KEY (sampled_at, event_id);
  INSERT INTO drift_sample (sampled_at, event_id, cache_key, exchange, environment, reference_clock, host, sync_id,
      sync_trigger, offset_ms, uncertainty_ms, round_trip_ms, sample_count, position, source)
    SELECT sampled_at, gen_random_uuid(), cache_key, exchange, environment, reference_clock,
      host, sync_id, sync_trigger, offset_ms, uncertainty_ms, round_trip_ms, sample_count, position, source
    FROM drift_sample LIMIT 3;
`;

describe.each(RELEASES)('a database of version %s', release => {
  it('comes to this version with all its events, which fold as they do here', async () => {
    const given = await upgraded(release);
    const before = await given.store.readAll({ limit: 10_000 });

    await bringUpToDate(given);

    expect(before.length).toBeGreaterThan(20);
    await expectEqual(given);
    await given.store.append([synced({ userId: 'new' }), hit({ userId: 'new' })]);
    await expectEqual(given);
  });

  it('is migrated once', async () => {
    const given = await upgraded(release);
    expect(await migrate(given.url)).toEqual({ applied: [], remade: [] });
  });
});

describe('a database that was made before a migration was edited in place', () => {
  it('projects again, and counts a shared measurement once', async () => {
    const given = await upgraded('0.1.0', BEFORE_THE_EDIT);
    await given.store.append([synced({ measuredAt: T0 + 1 })]);

    await bringUpToDate(given);

    await expectEqual(given);
    expect((await given.rows(driftSample)).length).toBe((await given.expectedRows(driftSample)).length);
    expect(projections).toContain(driftSample);
  });
});
