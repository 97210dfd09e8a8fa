/** Statements whose rows are looked at one by one, as they arrive. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { createRunner, type TextRow } from '../../src/event-store/postgres/query.js';
import { pg } from '../../src/postgres/driver.js';
import { createTestDatabase } from '../support/database.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
const open = (settings: { readonly query_timeout?: number } = {}) => {
  pool = new pg.Pool({ connectionString: database.url, max: 1, ...settings });
  pool.on('error', () => undefined);
  return createRunner(pool, true);
};
beforeEach(async () => {
  database = await createTestDatabase({ migrated: false });
});
afterEach(async () => {
  await pool.end();
  await database.drop();
});

const NUMBERS = { name: 'numbers', text: 'SELECT i, NULLIF(i, 2) FROM generate_series(1, $1) AS i' };
const FAILS_LATE = { name: 'fails_late', text: 'SELECT 10 / (3 - i) FROM generate_series(1, $1) AS i' };
const bounds = { action: 'count', timeoutMs: 5_000 };

describe.each([{}, { query_timeout: 5_000 }])('with a pool that has the settings %j', settings => {
  it('gives each row in order, and keeps none', async () => {
    const run = open(settings);
    const seen: TextRow[] = [];

    const kept = await run(NUMBERS, [3], { ...bounds, onRow: row => seen.push([...row]) });

    expect(seen).toEqual([
      ['1', '1'],
      ['2', null],
      ['3', '3'],
    ]);
    expect(kept).toEqual([]);
    expect(await run(NUMBERS, [1], bounds)).toEqual([['1', '1']]);
  });

  it('reports a statement that fails after some rows, and goes on with the connection', async () => {
    const run = open(settings);

    await expect(run(FAILS_LATE, [3], { ...bounds, onRow: () => undefined })).rejects.toMatchObject({
      code: 'EVENT_STORE_FAILED',
      message: expect.stringContaining('division by zero'),
    });
    expect(await run(NUMBERS, [1], bounds)).toEqual([['1', '1']]);
  });

  it('reports who stumbles over a row, and does not end the process', async () => {
    const run = open(settings);
    let rows = 0;
    const onRow = () => {
      rows += 1;
      throw new Error('cannot make sense of it');
    };

    await expect(run(NUMBERS, [3], { ...bounds, onRow })).rejects.toThrow('cannot make sense of it');
    expect(rows).toBe(1);
  });
});

it('ends at its deadline while rows are still to come', async () => {
  const run = open();
  const slow = { name: 'slow', text: 'SELECT pg_sleep($1), i FROM generate_series(1, 3) AS i' };

  await expect(
    run(slow, [0.2], { action: 'wait', timeoutMs: 300, onRow: () => undefined }),
  ).rejects.toMatchObject({ code: 'EVENT_STORE_FAILED', message: expect.stringContaining('300 ms') });
  expect(await run(NUMBERS, [1], bounds)).toEqual([['1', '1']]);
});
