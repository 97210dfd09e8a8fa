/**
 * `REDIS_URL`, taken apart: one server, a cluster, or a Sentinel's master. Loads no package, for it runs at every start.
 *
 *   redis://user:password@host:6379/0            one server; rediss:// with TLS
 *   redis://user:password@h1:6379,h2:6379        a cluster, by some of its nodes
 *   redis://user:password@h1:6379?cluster=true   a cluster, discovered from one node
 *   redis+sentinel://user:password@s1:26379,s2:26379/mymaster/0   user and password are the master's
 *
 * `?ca=/path/ca.pem` names the authority that signed the servers' certificates. What else stands in the query would
 * be lost in silence, so it is refused. A problem names no value: URLs hold passwords.
 */
import { isInQuotes } from '../base/quotes.js';

export const REDIS_EXAMPLE = 'redis://user:password@host:6379';

export interface RedisPlace {
  readonly mode: 'single' | 'cluster' | 'sentinel';
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly username?: string;
  readonly password?: string;
  /** 0 in a cluster. */
  readonly database: number;
  readonly tls: boolean;
  /** A file. */
  readonly ca?: string;
  /** Of a Sentinel. */
  readonly masterName?: string;
}

export type ParsedRedisUrl = { readonly place: RedisPlace } | { readonly problem: string };

const URL_PARTS = /^(rediss?)(\+sentinel)?:\/\/(?:([^/?#]*)@)?([^/?#@]*)(\/[^?#]*)?(?:\?([^#]*))?$/i;
const NODE = /^(\[[0-9a-f:.]+\]|[^\s:[\]]+)(?::(\d{1,5}))?$/i;
const UNENCODED = 'something that is not a URL (a / ? # or @ in a password must be percent-encoded)';
const DATABASE = /^\d{1,4}$/;

/** @returns the place, or what completes "… must be a URL like …, got" */
export function parseRedisUrl(raw: string): ParsedRedisUrl {
  const text = raw.trim();
  if (isInQuotes(text)) return { problem: 'one in quotes: remove them' };
  const [, scheme, sentinel, login, hosts, path = '', query = ''] = URL_PARTS.exec(text) ?? [];
  if (scheme === undefined || hosts === undefined) {
    const other = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1];
    if (!other || /^rediss?(\+sentinel)?$/i.test(other)) {
      return { problem: UNENCODED };
    }
    return { problem: `one that starts with ${other}:` };
  }
  if (path.includes('@')) return { problem: UNENCODED };
  const options = new URLSearchParams(query);
  const unknown = [...options.keys()].find(name => name !== 'cluster' && name !== 'ca');
  if (unknown !== undefined) return { problem: 'one with a query other than ?cluster=true and ?ca=' };
  const credentials = readLogin(login);
  if (!credentials) return { problem: 'one whose user or password is not percent-encoded' };
  const nodes = readNodes(hosts, sentinel ? 26_379 : 6_379);
  if (!nodes) return { problem: 'one without a host, or with a port that is none' };
  const [first, second, ...more] = path.split('/').slice(1);
  const cluster = options.get('cluster');
  if (cluster !== null && cluster !== 'true') return { problem: 'one whose cluster= is not true' };
  const isCluster = !sentinel && (cluster === 'true' || nodes.length > 1);
  const [masterName, database = '0'] = sentinel
    ? [first, second || undefined]
    : [undefined, first || undefined];
  if (sentinel && !masterName) return { problem: "one without the master's name: put it behind the hosts" };
  if (more.length > 0 || (!sentinel && second !== undefined)) return { problem: 'one with too long a path' };
  if (!DATABASE.test(database)) return { problem: 'one whose database is no number' };
  if (isCluster && database !== '0') return { problem: 'a cluster with a database: it has none but 0' };
  const ca = options.get('ca');
  return {
    place: {
      mode: sentinel ? 'sentinel' : isCluster ? 'cluster' : 'single',
      nodes,
      ...credentials,
      database: Number(database),
      tls: scheme.toLowerCase() === 'rediss',
      ...(ca && { ca }),
      ...(masterName && { masterName: decodeURIComponent(masterName) }),
    },
  };
}

/** For messages: where it is, without who asks. */
export const placeName = ({ nodes, mode }: RedisPlace): string =>
  `${nodes.map(({ host, port }) => `${host}:${port}`).join(', ')}${mode === 'single' ? '' : ` (${mode})`}`;

function readLogin(login: string | undefined): { username?: string; password?: string } | undefined {
  if (!login) return {};
  const colon = login.indexOf(':');
  const [user, password] = colon < 0 ? [login, ''] : [login.slice(0, colon), login.slice(colon + 1)];
  try {
    return {
      ...(user && { username: decodeURIComponent(user) }),
      ...(password && { password: decodeURIComponent(password) }),
    };
  } catch {
    return undefined;
  }
}

function readNodes(hosts: string, defaultPort: number): RedisPlace['nodes'] | undefined {
  const nodes = hosts.split(',').map(text => {
    const [, host, port = String(defaultPort)] = NODE.exec(text) ?? [];
    const number = Number(port);
    return host && number >= 1 && number <= 65_535
      ? { host: host.replace(/^\[|\]$/g, ''), port: number }
      : undefined;
  });
  return nodes.every(node => node !== undefined) ? (nodes as RedisPlace['nodes']) : undefined;
}
