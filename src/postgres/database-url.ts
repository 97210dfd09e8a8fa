/**
 * A PostgreSQL URL as hosting services and other tools hand it out, made into what the driver takes, or a sentence
 * that says why it cannot be.
 *
 * Blanks and line breaks around it come with copying; the scheme may be in capitals; a Unix socket's URL has no host
 * (`postgres://user@/db?host=/run/postgresql`, Cloud SQL). What other programs read in it and this driver does not
 * would be lost in silence, so it is refused: a schema as Prisma, JDBC or Go name it, a database or a server in the query
 * (another would be written to), several hosts, a `jdbc:` in front, quotes around. A problem names no value: URLs hold
 * passwords.
 */

import { isInQuotes } from '../base/quotes.js';
import { parseUrl } from '../base/url.js';

export const POSTGRES_EXAMPLE = 'postgres://user:password@host:5432/database';

const SCHEME = /^postgres(ql)?:\/\//i;
/** Prisma's name for it, JDBC's, Go's and libpq's setting, Rails', .NET's. The driver reads none, and would take `public`. */
const SCHEMA_PARAMETERS = /^(schema|currentschema|search_?path|schema_search_path|search path)$/i;
/** A zero-width character comes along with copying, and `trim` leaves most of them. */
const AROUND = /^[\s\p{Cf}]+|[\s\p{Cf}]+$/gu;
/** User and password, then no host: a socket's directory stands in the query. */
const WITHOUT_HOST = /^(postgres(?:ql)?:\/\/(?:[^/@?]*@)?)\//;
/** A comma between the user and the path. */
const SEVERAL_HOSTS = /^postgres(ql)?:\/\/([^/?]*@)?[^/@?]*,/;

export type ParsedUrl = { readonly url: string } | { readonly problem: string };

export const isPostgresUrl = (text: string): boolean => 'url' in parsePostgresUrl(text);

/** @returns the URL for the driver, or what completes "… must be a URL like …, got" */
export function parsePostgresUrl(raw: string): ParsedUrl {
  const text = raw.replace(AROUND, '');
  if (isInQuotes(text)) return { problem: 'one in quotes: remove them' };
  if (/^jdbc:/i.test(text)) return { problem: 'one that starts with jdbc: remove that' };
  if (!SCHEME.test(text)) {
    // With the slashes: what comes before a colon alone may be a user's name.
    const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1];
    return { problem: scheme ? `one that starts with ${scheme}:` : 'something that is not a URL' };
  }
  const url = text.replace(SCHEME, scheme => scheme.toLowerCase());
  if (SEVERAL_HOSTS.test(url)) {
    return {
      problem: 'one with several hosts: give the one that takes writes, or a pooler in front of them',
    };
  }
  const parsed = toUrl(url);
  if (!parsed) {
    return {
      problem: 'something that is not a URL (a / ? # or @ in a password must be percent-encoded)',
    };
  }
  const place = hiddenPlace(url, parsed);
  if (place !== undefined) {
    return { problem: `one with ${place}=, which only libpq reads: put host and database before the ?` };
  }
  const schema = [...parsed.searchParams.keys()].find(name => SCHEMA_PARAMETERS.test(name));
  if (schema !== undefined) {
    const reader =
      schema === 'schema' ? ', which only Prisma reads' : ', which PostgreSQL takes inside of options only';
    return {
      problem: `one with ${schema}=${reader}: put options=-c%20search_path%3D<schema> in its place, or set the search_path of the role`,
    };
  }
  return { url };
}

/** Where the database is, for messages: `127.0.0.1:5432`, or the socket's directory; and its name. */
export function placeOf(databaseUrl: string): { readonly host: string; readonly database: string } {
  const parsed = toUrl(databaseUrl);
  if (!parsed) return { host: 'an unknown host', database: 'with an unknown name' };
  const socket = parsed.searchParams.get('host');
  const isSocket = WITHOUT_HOST.test(databaseUrl) && socket !== null;
  return {
    host: isSocket ? socket : `${parsed.hostname}:${parsed.port || 5432}`,
    database: databaseOf(parsed),
  };
}

function databaseOf({ pathname }: URL): string {
  const name = pathname.slice(1);
  try {
    return decodeURIComponent(name);
  } catch {
    // A % that encodes nothing.
    return name;
  }
}

/**
 * The parameter by which libpq would go elsewhere. The driver would take the database that has the user's name, or the server
 * of this host.
 */
function hiddenPlace(url: string, parsed: URL): string | undefined {
  const { hostname, searchParams } = parsed;
  const isWithoutHost = hostname === '' || (WITHOUT_HOST.test(url) && !searchParams.has('host'));
  const isHidden = ([name, value]: [string, string]) =>
    /^(dbname|database)$/i.test(name)
      ? value !== databaseOf(parsed)
      : isWithoutHost && /^(hostaddr|service)$/i.test(name);
  return [...searchParams].find(isHidden)?.[0];
}

function toUrl(text: string): URL | undefined {
  // A socket's URL is one to PostgreSQL alone: a host is put in for looking at the rest.
  const candidate = text.replace(WITHOUT_HOST, '$1socket/');
  return parseUrl(candidate);
}
