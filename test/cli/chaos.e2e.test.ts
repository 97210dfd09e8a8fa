/** Faults brought upon a real database: every promise has a verdict, and the database is as it was afterwards. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pg } from '../../src/postgres/driver.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { cli, json } from './support.js';

let database: TestDatabase;
let name: string;
beforeAll(async () => {
  database = await createTestDatabase();
  name = new URL(database.url).pathname.slice(1);
});
afterAll(() => database.drop());

// A deadline that a busy machine does not outlast by itself.
const env = () => ({ DATABASE_URL: database.url, LOOKUP_DEADLINE_MS: '2000' });

describe('chaos', () => {
  it('does nothing without the name of the database, and nothing to one that may be traded by', async () => {
    for (const args of [[], ['--confirm', 'another_test']]) {
      const { code, stderr } = await cli(['chaos', ...args], { env: env() });
      expect({ code, stderr }).toMatchObject({
        code: 2,
        stderr: expect.stringContaining(`--confirm ${name}`),
      });
    }
    const production = await cli(['chaos', '--confirm', name], { env: { ...env(), NODE_ENV: 'production' } });
    expect(production.code).toBe(2);
    expect((await cli(['chaos', '--faults', 'flood'], { env: env() })).code).toBe(2);
  });

  it('gives a verdict per promise and fault, and finds them kept', async () => {
    const result = await cli(['chaos', '--confirm', name, '--seconds', '1', '--json'], { env: env() });
    const { results, skipped } = json(result) as {
      results: { fault: string; promise: string; kept: boolean; seen: string }[];
      skipped: unknown[];
    };
    expect(skipped).toEqual([]);
    for (const fault of ['lock', 'stall', 'reset', 'restart']) {
      expect(results.filter(each => each.fault === fault)).toHaveLength(3);
    }
    expect(results.filter(({ kept }) => !kept)).toEqual([]);
    expect(results.at(-1)).toMatchObject({ fault: 'afterwards', promise: 'live tables equal a rebuild' });
    expect(result.code).toBe(0);
    // What was closed is open again.
    expect((await cli(['stats', '--json'], { env: env() })).code).toBe(0);
  });

  it('stalls where the server ends transactions that say nothing', async () => {
    const url = `${database.url}?options=${encodeURIComponent('-c idle_in_transaction_session_timeout=50')}`;
    const args = ['chaos', '--confirm', name, '--seconds', '1', '--faults', 'stall', '--json'];
    const { code, stderr } = await cli(args, { env: { ...env(), DATABASE_URL: url } });
    expect({ code, stderr }).toMatchObject({ code: 0 });
  });

  it('says what to do where the server takes no more connections', async () => {
    const login = `few_${name}`;
    const owner = new pg.Client({ connectionString: database.url });
    await owner.connect();
    try {
      await owner.query(`CREATE ROLE "${login}" LOGIN PASSWORD 'few' CONNECTION LIMIT 1`);
      await owner.query(`GRANT ALL ON ALL TABLES IN SCHEMA public TO "${login}"`);
      const url = new URL(database.url);
      Object.assign(url, { username: login, password: 'few' });
      const args = ['chaos', '--confirm', name, '--seconds', '1', '--faults', 'stall'];
      const { code, stderr } = await cli(args, { env: { ...env(), DATABASE_URL: url.href } });
      expect({ code, stderr }).toMatchObject({
        code: 3,
        stderr: expect.stringContaining('CONNECTION LIMIT'),
      });
    } finally {
      await owner.query(`DROP OWNED BY "${login}"; DROP ROLE "${login}"`);
      await owner.end();
    }
  });
});
