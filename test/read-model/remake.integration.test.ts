/** Tables that were made and are gone: what can be folded again is there again, and nobody is told that all is well. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { projections } from '../../projections/index.js';
import { pg } from '../../src/postgres/driver.js';
import { grantPrivileges, READ_TABLES } from '../../src/read-model/grants.js';
import { migrate, pendingMigrations } from '../../src/read-model/migrate.js';
import { createHarness, type Harness, liveAndExpected } from '../projector/harness.js';
import { authFailed, hit, synced, T0 } from '../support/facts.js';

let harness: Harness;
beforeEach(async () => {
  harness = await createHarness();
  await harness.append(
    ...Array.from({ length: 30 }, (_, i) =>
      i % 3 === 2 ? hit({ userId: `u${i % 7}` }) : synced({ userId: `u${i % 7}`, measuredAt: T0 + i }),
    ),
    authFailed({ userId: 'u1' }),
  );
  await harness.projector().catchUp();
});
afterEach(() => harness.close());

async function sql(text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: harness.url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

/** But for the month of the samples, which the projector makes with the first. */
const definitions = () =>
  sql(`SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull,
              (SELECT string_agg(indexdef, '; ' ORDER BY indexdef) FROM pg_indexes WHERE tablename = c.relname) AS indexes
         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
          AND c.relname <> 'drift_sample_2025_10' ORDER BY 1, a.attnum`);

describe('a read table that was dropped', () => {
  it.each([...READ_TABLES, 'connector_outbox', 'usage_model', 'connector_api_key'])(
    'is made as it was, and folded again: %s',
    async table => {
      const before = await definitions();
      await sql(`DROP TABLE ${table} CASCADE`);
      expect(await pendingMigrations(harness.url)).toEqual([table]);

      expect(await migrate(harness.url)).toEqual({ applied: [], remade: [table] });

      expect(await definitions()).toEqual(before);
      expect(await pendingMigrations(harness.url)).toEqual([]);
      await harness.append(hit({ userId: 'u2' }));
      await harness.projector().catchUp();
      const { live, expected } = await liveAndExpected(harness);
      expect(live).toEqual(expected);
    },
  );

  it('is made once by many who find it missing at once, with the others that are', async () => {
    const gone = projections.map(({ name }) => name);
    await sql(`DROP TABLE ${gone.join(', ')} CASCADE`);

    const made = await Promise.all(Array.from({ length: 4 }, () => migrate(harness.url)));

    expect(made.map(({ remade }) => remade.length).sort()).toEqual([0, 0, 0, gone.length]);
    await harness.projector().catchUp();
    expect(await harness.projector().verify()).toMatchObject({ equal: true });
    await grantPrivileges(harness.url, {});
  });
});

describe('what cannot be made anew is told', () => {
  it('of the events', async () => {
    await sql('DROP TABLE connector_stream CASCADE');
    for (const run of [migrate, pendingMigrations]) {
      await expect(run(harness.url)).rejects.toMatchObject({
        code: 'DATABASE_NOT_MIGRATED',
        message: expect.stringMatching(/has lost connector_stream, where the facts lie: restore .* backup/),
      });
    }
  });

  it('of the list of migrations', async () => {
    await sql('DROP TABLE connector_state_migration');
    await expect(migrate(harness.url)).rejects.toMatchObject({
      code: 'DATABASE_NOT_MIGRATED',
      message: expect.stringMatching(
        /"connector_event" already exists, and connector_state_migration does not say .* Restore that table/,
      ),
    });
  });
});
