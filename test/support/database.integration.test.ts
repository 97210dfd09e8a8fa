import { describe, expect, it } from '@jest/globals';
import { pg } from '../../src/postgres/driver.js';
import { createTestDatabase } from './database.js';

async function connect(url: string) {
  const client = new pg.Client({ connectionString: url, application_name: 'a forgetful test' });
  client.on('error', () => {});
  await client.connect();
  return client;
}

describe('createTestDatabase', () => {
  it('gives each caller a migrated database of its own, also at the same time', async () => {
    const [first, second] = await Promise.all([createTestDatabase(), createTestDatabase()]);
    const client = await connect(first.url);
    await client.query(`INSERT INTO projection_checkpoint (projection, version, events, updated_at)
                        VALUES ('only here', 1, 0, now())`);
    await client.end();

    const other = await connect(second.url);
    const { rowCount } = await other.query('SELECT FROM projection_checkpoint');
    await other.end();

    expect(rowCount).toBe(0);
    await Promise.all([first.drop(), second.drop()]);
  });

  it('fails the test that left a connection open, and drops the database all the same', async () => {
    const database = await createTestDatabase({ migrated: false });
    const client = await connect(database.url);
    await client.query('SELECT 42');

    await expect(database.drop()).rejects.toThrow(
      /1 connection\(s\).*left open:\s+a forgetful test: idle: SELECT 42/,
    );

    await expect(connect(database.url)).rejects.toThrow(/does not exist/);
    await client.end();
  });
});
