/** Roles of the test server, which belong to all databases of it: named at random, and gone at the end. */
import { randomBytes } from 'node:crypto';
import type { Client } from 'pg';
import { pg } from '../../src/postgres/driver.js';

export interface TestRoles {
  /** A role that may log in. @param attributes more of CREATE ROLE */
  create(name: string, attributes?: string): Promise<string>;
  urlOf(login: string): string;
  /** Runs `work` over a connection of the login's own. */
  as<T>(login: string, work: (client: Client) => Promise<T>): Promise<T>;
  /** Rows of one statement. */
  sql(login: string, text: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  owner(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  drop(): Promise<void>;
}

export function testRoles(databaseUrl: string): TestRoles {
  const suffix = randomBytes(4).toString('hex');
  const made: string[] = [];
  const urlOf = (login: string) => {
    const url = new URL(databaseUrl);
    url.username = encodeURIComponent(login);
    url.password = 'test';
    return url.href;
  };
  const connected = async <T>(url: string, work: (client: Client) => Promise<T>): Promise<T> => {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  };
  const owner: TestRoles['owner'] = (text, values) =>
    connected(databaseUrl, async client => (await client.query(text, values)).rows);
  return {
    urlOf,
    owner,
    async create(name, attributes = 'LOGIN') {
      // Quoted on purpose.
      const role = `${name} "${suffix}"`;
      await owner(`CREATE ROLE ${pg.escapeIdentifier(role)} ${attributes} PASSWORD 'test'`);
      made.push(role);
      return role;
    },
    as: (login, work) => connected(urlOf(login), work),
    sql: (login, text, values) =>
      connected(urlOf(login), async client => (await client.query(text, values)).rows),
    async drop() {
      for (const role of made.reverse()) {
        const found = await owner('SELECT FROM pg_roles WHERE rolname = $1', [role]);
        if (found.length === 0) continue;
        await owner(`DROP OWNED BY ${pg.escapeIdentifier(role)}`);
        await owner(`DROP ROLE ${pg.escapeIdentifier(role)}`);
      }
    },
  };
}
