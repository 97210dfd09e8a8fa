/** Database URLs as hosting services and other tools hand them out. */
import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import { parsePostgresUrl, placeOf } from '../../src/postgres/database-url.js';

const { parse } = createRequire(import.meta.url)('pg-connection-string') as {
  parse(url: string): { host: string; port: string; user: string; database: string };
};
const PLAIN = 'postgres://app:pass@db.example.com:5432/trading';

describe('a database URL', () => {
  it.each([
    ['plain', PLAIN, PLAIN],
    ['with a blank at its end', `${PLAIN} `, PLAIN],
    ['with a line break at its end', `${PLAIN}\r\n`, PLAIN],
    [
      'with its scheme in capitals',
      PLAIN.replace('postgres', 'POSTGRESQL'),
      PLAIN.replace('postgres', 'postgresql'),
    ],
    ['with a zero-width character at its end', `${PLAIN}\u200b`, PLAIN],
    ['with options', `${PLAIN}?options=-c%20search_path%3Dapp`, `${PLAIN}?options=-c%20search_path%3Dapp`],
    [
      'of Neon',
      `${PLAIN}?sslmode=require&channel_binding=require`,
      `${PLAIN}?sslmode=require&channel_binding=require`,
    ],
    ['of an IPv6 host', 'postgres://app:pass@[::1]:5432/trading', 'postgres://app:pass@[::1]:5432/trading'],
  ])('%s is taken', (_, given, url) => {
    expect(parsePostgresUrl(given)).toEqual({ url });
  });

  it.each([
    ['postgres://app@/trading?host=/run/postgresql', '/run/postgresql', 'app'],
    ['postgres://app:p@/trading?host=/cloudsql/project:region:db', '/cloudsql/project:region:db', 'app'],
    ['postgres:///trading?host=/tmp', '/tmp', ''],
  ])('of a Unix socket is taken, and means to the driver what it says: %s', (given, host, user) => {
    expect(parsePostgresUrl(given)).toEqual({ url: given });
    expect(parse(given)).toMatchObject({ host, user, database: 'trading' });
    expect(placeOf(given)).toEqual({ host, database: 'trading' });
  });

  it.each([
    ['two hosts', 'postgres://app:hunter2@a:1,b:2/trading', 'several hosts'],
    ['two hosts without ports', 'postgres://app:hunter2@a,b/trading', 'several hosts'],
    ['two hosts, no user', 'postgres://a,b/trading', 'several hosts'],
    ['jdbc', `jdbc:${PLAIN}`, 'jdbc'],
    ['quotes', `"${PLAIN}"`, 'quotes'],
    ['single quotes with a blank', ` '${PLAIN}' `, 'quotes'],
    ['Prisma', `${PLAIN}?schema=app&connection_limit=1`, 'search_path'],
    ['a schema as JDBC names it', `${PLAIN}?currentSchema=app`, 'search_path%3D'],
    ['a schema as Go names it', `${PLAIN}?search_path=app`, 'options only'],
    ['a schema as .NET names it', `${PLAIN}?Search%20Path=app`, 'options only'],
    ['a database in the query', 'postgres://app:hunter2@db/?dbname=trading', 'before the ?'],
    ['another database in the query', `${PLAIN}?database=else`, 'before the ?'],
    ['a service', 'postgres:///trading?service=hunter2', 'service=, which only libpq reads'],
    ['nothing but an address', 'postgres://app:hunter2@/trading?hostaddr=10.0.0.1', 'hostaddr='],
    ['another scheme', 'mysql://app:hunter2@db/trading', 'starts with mysql:'],
    ['no scheme', 'app:hunter2@db/trading', 'not a URL'],
    ['a slash in the password', 'postgres://app:hun/ter2@db:5432/trading', 'percent-encoded'],
    ['nothing', '', 'not a URL'],
  ])('with %s is refused by a sentence without its value', (_, given, words) => {
    const parsed = parsePostgresUrl(given);
    expect(parsed).toEqual({ problem: expect.stringContaining(words) });
    expect(JSON.stringify(parsed)).not.toMatch(/hunter2|ter2@|pass@/);
  });

  it.each([
    ['the same database in the query', `${PLAIN}?dbname=trading`],
    ['an address beside the host', `${PLAIN}?hostaddr=10.0.0.1&service=any`],
  ])('with %s is taken', (_, given) => {
    expect(parsePostgresUrl(given)).toEqual({ url: given });
  });

  it('is named by what stands there, where it is encoded wrongly', () => {
    expect(placeOf('postgres://db/100%25')).toMatchObject({ database: '100%' });
    expect(placeOf('postgres://db/100%')).toMatchObject({ database: '100%' });
  });

  it('is named without its password', () => {
    expect(placeOf(PLAIN)).toEqual({ host: 'db.example.com:5432', database: 'trading' });
  });
});
