/**
 * Who may do what on a secured server, as 24.2 decides it. Members of `$admins` may do anything. For everybody else the
 * roles come from the stream's own `$acl`, else from `$settings` (`$userStreamAcl`, or `$systemStreamAcl` for names that
 * begin with `$`), else every user may do anything with users' streams and only `$admins` with the system's. `$all` is a
 * stream of the system: to read it one needs its `$acl`, or `$systemStreamAcl`. Metadata is read and written by roles of
 * its own. There are no rights by prefix.
 */
import type { Metadata } from '@grpc/grpc-js';
import type { EventLog } from './event-log.js';
import { accessDenied, type CallFailure, wrongCredentials } from './failures.js';
import type { Acl } from './stream-metadata.js';

export interface User {
  readonly password: string;
  /** Default: `$admins` for the user of the name `admin`, none for others. */
  readonly groups?: readonly string[];
}

/** By name. A password alone is a user without groups. */
export type Users = Record<string, string | User>;

export type Action = 'read' | 'write' | 'delete';

const ROLE_OF = { read: '$r', write: '$w', delete: '$d' } as const;
const METADATA_ROLE_OF = { read: '$mr', write: '$mw', delete: undefined } as const;

/** @returns why the caller is nobody known; `undefined` when he is, or when everybody is let in */
export function authenticate(users: Users | undefined, metadata: Metadata): CallFailure | undefined {
  if (!users) return undefined;
  if (metadata.get('authorization').length === 0) return accessDenied;
  return rolesOf(users, metadata) ? undefined : wrongCredentials;
}

export function isAllowed(
  users: Users | undefined,
  log: EventLog,
  action: Action,
  stream: string,
  metadata: Metadata,
): boolean {
  if (!users) return true;
  const roles = rolesOf(users, metadata);
  if (!roles) return false;
  if (roles.includes('$admins')) return true;
  const isMetadata = stream.startsWith('$$');
  const role = isMetadata ? METADATA_ROLE_OF[action] : ROLE_OF[action];
  if (!role) return false;
  const name = isMetadata ? stream.slice(2) : stream;
  const granted = log.metadataOf(name).acl?.[role] ?? defaultOf(log, name)?.[role] ?? builtIn(name);
  return [granted].flat().some(one => one === '$all' || roles.includes(one));
}

/** The user's name and groups. */
function rolesOf(users: Users, metadata: Metadata): readonly string[] | undefined {
  const header = String(metadata.get('authorization')[0] ?? '');
  const decoded = Buffer.from(header.replace(/^Basic /, ''), 'base64').toString();
  const [name = '', password] = decoded.split(':');
  const known = users[name];
  const user = typeof known === 'string' ? { password: known } : known;
  if (password === undefined || user?.password !== password) return undefined;
  return [name, ...((user as User).groups ?? (name === 'admin' ? ['$admins'] : []))];
}

function defaultOf(log: EventLog, stream: string): Acl | undefined {
  const last = log.readable('$settings')?.at(-1);
  if (!last) return undefined;
  const settings = JSON.parse(Buffer.from(last.data).toString()) as Readonly<Record<string, Acl>>;
  return settings[stream.startsWith('$') ? '$systemStreamAcl' : '$userStreamAcl'];
}

const builtIn = (stream: string): string => (stream.startsWith('$') ? '$admins' : '$all');
