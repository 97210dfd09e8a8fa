/** What a simulator says must never lie beside what an exchange said. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { pg } from '../../src/postgres/driver.js';
import { createTestDatabase } from '../support/database.js';
import { runNode } from '../support/run.js';

const ends: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

describe('examples/quickstart.mjs', () => {
  it('leaves a configured database alone, and says so', async () => {
    const database = await createTestDatabase();
    ends.push(() => database.drop());
    const cwd = await mkdtemp(join(tmpdir(), 'quickstart-'));
    // As root the server runs as another user, who must be able to enter.
    await chmod(cwd, 0o755);
    ends.push(() => rm(cwd, { recursive: true, force: true }));

    const env = { DATABASE_URL: database.url, EVENT_STORE_URL: database.url };
    const { code, stdout } = await runNode([resolve('examples/quickstart.mjs')], { cwd, env });

    expect(code).toBe(0);
    expect(stdout).toContain('DATABASE_URL is left alone');
    expect(stdout).toMatch(/before: no cache/);
    expect(stdout).toMatch(/first : miss/);
    expect(stdout).toMatch(/second: hit/);
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    ends.push(() => client.end());
    const { rows } = await client.query(
      'SELECT (SELECT count(*) FROM connector_event)::int AS events, (SELECT count(*) FROM exchange_clock)::int AS clocks',
    );
    expect(rows).toEqual([{ events: 0, clocks: 0 }]);
  });
});
