/** Asking a prepared statement again: the same answers as the first time, in fewer bytes; on a connection of its own each. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Client } from 'pg';
import { askAgain } from '../../src/postgres/asked-again.js';
import type { DriverClient } from '../../src/postgres/cancel.js';
import { pg } from '../../src/postgres/driver.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase({ migrated: false });
});
afterAll(() => database.drop());

const clients: Client[] = [];
afterEach(() => Promise.all(clients.splice(0).map(client => client.end())));

async function connect(options: { pipeline?: boolean } = {}): Promise<Client> {
  const client = new pg.Client({ connectionString: database.url, ...options });
  clients.push(client);
  await client.connect();
  return client;
}

const KINDS = {
  name: 'kinds',
  text: `SELECT n::float8 / 3, n::integer, n::bigint, 'ä' || n, n > 1, NULL::text, ARRAY[n], jsonb_build_object('n', n)
           FROM unnest($1::integer[]) AS n`,
};
const kindsOf = (...numbers: number[]) =>
  numbers.map(n => [n / 3, n, String(n), `ä${n}`, n > 1, null, [n], { n }]);

const bytesOf = async (client: Client, ask: () => Promise<unknown>) => {
  const { stream } = (client as unknown as DriverClient).connection;
  const before = stream.bytesRead;
  await ask();
  return stream.bytesRead - before;
};

describe.each([false, true])('a prepared statement (pipeline: %s)', pipeline => {
  it('answers the second time as it did the first, without its columns being described', async () => {
    const client = await connect({ pipeline });
    const ask = (...numbers: number[]) => askAgain(client, { ...KINDS, values: [numbers] });
    const first = await bytesOf(client, async () => expect((await ask(1)).rows).toEqual(kindsOf(1)));
    const again = await bytesOf(client, async () => expect((await ask(2)).rows).toEqual(kindsOf(2)));
    expect(again).toBeLessThan(first / 2);
    expect((await ask(3, 4)).rows).toEqual(kindsOf(3, 4));
    expect(await ask()).toMatchObject({ rows: [], rowCount: 0 });
  });

  it('is told apart from others by its name, and known to each connection by itself', async () => {
    const [one, other] = await Promise.all([connect({ pipeline }), connect({ pipeline })]);
    const small = { name: 'small', text: 'SELECT $1::integer', values: [7] };
    for (const client of [one, other, one]) {
      expect((await askAgain(client, { ...KINDS, values: [[1]] })).rows).toEqual(kindsOf(1));
      expect((await askAgain(client, small)).rows).toEqual([[7]]);
    }
  });

  it('may fail, and be asked again', async () => {
    const client = await connect({ pipeline });
    const divide = (by: number) =>
      askAgain(client, { name: 'divide', text: 'SELECT 6 / $1::integer', values: [by] });
    await expect(divide(0)).rejects.toMatchObject({ code: '22012' });
    expect((await divide(2)).rows).toEqual([[3]]);
    await expect(divide(0)).rejects.toMatchObject({ code: '22012' });
    expect((await divide(3)).rows).toEqual([[2]]);
  });

  it('says that it is gone where the session has lost it', async () => {
    const client = await connect({ pipeline });
    const ask = (name: string | undefined) => askAgain(client, { ...KINDS, name, values: [[1]] });
    await ask('lost');
    await client.query('DEALLOCATE ALL');
    await expect(ask('lost')).rejects.toMatchObject({ code: '26000' });
    expect((await ask(undefined)).rows).toEqual(kindsOf(1));
  });

  it('is refused by the server where its columns have become others', async () => {
    const client = await connect({ pipeline });
    await client.query('DROP TABLE IF EXISTS changing');
    await client.query('CREATE TABLE changing AS SELECT 1 AS n');
    const ask = () => askAgain(client, { name: 'changing', text: 'SELECT n FROM changing', values: [] });
    expect((await ask()).rows).toEqual([[1]]);
    await client.query('ALTER TABLE changing ALTER n TYPE text');
    await expect(ask()).rejects.toMatchObject({ code: '0A000' });
  });
});

it('several that are sent one behind the other are each answered for themselves', async () => {
  const client = await connect({ pipeline: true });
  const asked = [1, 2, 3].map(n => askAgain(client, { ...KINDS, values: [[n]] }));
  for (const [i, answer] of (await Promise.all(asked)).entries()) expect(answer.rows).toEqual(kindsOf(i + 1));
});

it('asks a client that is not of this driver as anybody would', async () => {
  const asked: unknown[] = [];
  const foreign = {
    query: async (query: unknown) => {
      asked.push(query);
      return { rows: [[1]] };
    },
  };
  const query = { name: 'one', text: 'SELECT 1', values: [] };
  expect(await askAgain(foreign as unknown as Client, query)).toEqual({ rows: [[1]] });
  expect(asked).toEqual([{ ...query, rowMode: 'array' }]);
});
