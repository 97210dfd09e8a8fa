/**
 * What a failure of the database is called, by its cause.
 *
 * Three codes, because three different people act on them. `DATABASE_UNAVAILABLE`: nobody answers, or not now, and the
 * same may succeed later. `DATABASE_NOT_MIGRATED`: the tables are missing or of another version. `DATABASE_REFUSED`:
 * the server answers and says no for a reason that waiting will not change (a right, a read-only server, a pooler, an
 * isolation level, a version); the reason is on the error, and the message says what to set.
 *
 * The message keeps the SQLSTATE or errno and the server's one line; never the connection string, and never the error
 * object itself, which may hold the statement's values.
 */
import { ConnectorStateError } from '../base/errors.js';
import { describeDatabaseError } from './describe-error.js';
import { faultOfUrl } from './url-fault.js';

export { describeDatabaseError };

export const DATABASE_REASONS = [
  'unreachable',
  'busy',
  'interrupted',
  'not-migrated',
  'missing-right',
  'read-only',
  'pooler',
  'isolation',
  'version',
  'data',
  'refused',
] as const;

/**
 * `unreachable`: nobody answered. `busy`: the server has no room, no disk, a lock that another holds. `interrupted`: a
 * statement was cancelled, by a timeout or by somebody. `data`: it would not take a value. `refused`: anything else.
 */
export type DatabaseReason = (typeof DATABASE_REASONS)[number];

/** A {@link ConnectorStateError} of the database, with the reason for programs. */
export class DatabaseError extends ConnectorStateError {
  readonly reason: DatabaseReason;
  /** The same call may succeed later without anyone changing anything. */
  readonly transient: boolean;

  constructor(reason: DatabaseReason, message: string, options?: { cause?: unknown }) {
    super(CODES[reason] ?? 'DATABASE_REFUSED', message, options);
    this.reason = reason;
    this.transient = isTransientReason(reason);
  }
}

const CODES: Partial<Record<DatabaseReason, 'DATABASE_UNAVAILABLE' | 'DATABASE_NOT_MIGRATED'>> = {
  unreachable: 'DATABASE_UNAVAILABLE',
  busy: 'DATABASE_UNAVAILABLE',
  interrupted: 'DATABASE_UNAVAILABLE',
  'not-migrated': 'DATABASE_NOT_MIGRATED',
};

export const isTransientReason = (reason: DatabaseReason): boolean =>
  reason === 'unreachable' || reason === 'busy' || reason === 'interrupted';

/** SQLSTATEs of one meaning; the classes below take the rest. */
const BY_STATE: Readonly<Record<string, DatabaseReason>> = {
  '42P01': 'not-migrated', // undefined table
  '42883': 'not-migrated', // undefined function
  '42703': 'not-migrated', // undefined column
  '3F000': 'not-migrated', // undefined schema
  '42501': 'missing-right',
  '25006': 'read-only',
  '25000': 'isolation', // raised by our functions; see event-store/postgres/append.ts
  '42P05': 'pooler', // a prepared statement of that name exists: another client's
  '26000': 'pooler', // the prepared statement does not exist: it is on another connection of the pooler
  '55P03': 'busy', // lock not available
  '55000': 'refused', // an object is not as it must be, e.g. published without a replica identity
  '25P03': 'interrupted', // silent for too long in a transaction, as after a freeze
  '25P04': 'interrupted', // in a transaction for too long
  '57P05': 'interrupted', // idle for too long
  '57014': 'interrupted', // statement timeout, or a cancel request
  '28P01': 'refused',
  '28000': 'refused',
  '3D000': 'refused',
};

/** Connection, rollback (deadlock, serialization), resources, objects in use, operator, system, internal. */
const BY_CLASS: Readonly<Record<string, DatabaseReason>> = {
  '08': 'unreachable',
  '22': 'data',
  '23': 'data',
  '40': 'busy',
  '53': 'busy',
  '55': 'busy',
  '57': 'unreachable',
  '58': 'unreachable',
  XX: 'unreachable',
};

/** Each has a digit; EPIPE, of a connection that was cut, is no such thing. */
const SQLSTATE = /^(?=.*\d)[0-9A-Z]{5}$/;
/**
 * What a standby says to BEGIN … READ WRITE, told by who raised it: the server's text is in the language of its
 * `lc_messages`, and other features that are not supported have the same code.
 */
const saysStandby = (error: unknown, code: string): boolean =>
  code === '0A000' && (error as { routine?: unknown }).routine === 'call_bool_check_hook';
/** A database that takes no connections for now, told in the same way; what else has this code does not pass. */
const isClosed = (error: unknown, code: string): boolean =>
  code === '55000' && (error as { routine?: unknown }).routine === 'CheckMyDatabase';
/** PgBouncer's words; it has only 08P01 for them. */
const POOLER =
  /unsupported startup parameter|statement pooling|prepared statement .* (already exists|does not exist)/i;

/** @returns `unreachable` also for whatever is no error of a server at all */
export function reasonOf(error: unknown): DatabaseReason {
  if (error instanceof DatabaseError) return error.reason;
  const { code, message } = describeDatabaseError(error);
  if (POOLER.test(message)) return 'pooler';
  if (code === undefined || !SQLSTATE.test(code)) return 'unreachable';
  if (saysStandby(error, code)) return 'read-only';
  if (isClosed(error, code)) return 'busy';
  return BY_STATE[code] ?? BY_CLASS[code.slice(0, 2)] ?? 'refused';
}

/** A prepared statement that a pooler lost, or that another of its clients made under the same name. */
export const isLostStatement = (error: unknown): boolean => {
  const { code } = describeDatabaseError(error);
  return code === '42P05' || code === '26000';
};

const REMEDIES: Readonly<Record<DatabaseReason, string>> = {
  unreachable: 'check DATABASE_URL and that the server runs',
  busy: 'the database is not able to now; `connector-state doctor` says who holds what',
  interrupted:
    'the server ended the statement: raise statement_timeout of this role or database, or see who cancelled it',
  'not-migrated':
    'run `connector-state migrate`; if they are there, the search_path of this role or database must name their schema',
  'missing-right':
    'grant it with `connector-state migrate --functions-role` or `--worker-role`; a login that `tenants bind` holds to one user has no right to what sums up all users',
  'read-only':
    'the server is a standby or was set read-only: point DATABASE_URL at the primary, and set default_transaction_read_only off',
  pooler:
    'a pooler between us and the server does not take this: set NAMED_STATEMENTS=false, and remove options from DATABASE_URL that it does not know',
  isolation:
    'the pooler or server does not keep BEGIN ISOLATION LEVEL READ COMMITTED: set default_transaction_isolation of this role or database to "read committed"',
  version: 'use PostgreSQL 14 to 18',
  data: 'the database refused a value',
  refused: 'the database refused',
};

const raise = (setting: string) => `raise ${setting} of this role or database, or set it to 0`;

/** What the state alone says better. */
const REMEDY_OF_STATE: Readonly<Record<string, string>> = {
  '28P01': 'check the user and the password in the URL',
  '28000': 'check the user in the URL, and pg_hba.conf on the server',
  // Where it is not our own limit, which is for who was frozen.
  '25P03': `ask again if this process stood still; else ${raise('idle_in_transaction_session_timeout')}`,
  '25P04': raise('transaction_timeout'),
  '57P05': raise('idle_session_timeout'),
  '53100': 'the server has no disk space left: make room there',
  '53200': 'the server has no memory left: give it more, or lower what it may use',
  '53400': 'raise the limit that the server names, for this role or database',
  '57P03': 'the server is starting or stopping: try again in a moment',
  XX001: 'the server found its own files damaged: restore a backup',
  XX002: 'the server found an index damaged: REINDEX it, and look for what damaged it',
  '53300': 'lower POOL_SIZE, or raise max_connections or the CONNECTION LIMIT of the role or database',
  '3D000': 'create the database, or correct its name in the URL',
};

export const remedyOfState = (code = ''): string | undefined => REMEDY_OF_STATE[code];

export function remedyOf(error: unknown): string {
  const reason = reasonOf(error);
  const { code } = describeDatabaseError(error);
  return remedyOfState(code) ?? (reason === 'refused' ? hintOf(error) : undefined) ?? REMEDIES[reason];
}

/** What the server advises, on one line; it knows of more causes than we do. */
function hintOf(error: unknown): string | undefined {
  const hint = (error as { hint?: unknown } | undefined)?.hint;
  return typeof hint === 'string' && hint.trim() !== ''
    ? hint.trim().replace(/\s+/g, ' ').replace(/\.$/, '')
    : undefined;
}

const SUBJECTS: Partial<Record<DatabaseReason, string>> = {
  'not-migrated': "the database lacks connector-state's tables",
  'missing-right': 'the database role lacks a privilege',
  'read-only': 'the database takes no writes',
  busy: 'the database cannot do it now',
  interrupted: 'the database did not finish',
  data: 'the database did not take it',
  refused: 'the database did not take it',
};

/** The database's errors in our terms. */
export function toDatabaseError(error: unknown): ConnectorStateError {
  if (error instanceof ConnectorStateError) return error;
  const { code, message } = describeDatabaseError(error);
  const reason = reasonOf(error);
  // The driver's own words for these (a certificate, TLS, a file) say what is the matter, but not what to correct.
  const fault = reason === 'unreachable' ? faultOfUrl(error, 'DATABASE_URL') : undefined;
  if (fault) return new DatabaseError(reason, `the database ${fault}`);
  const subject = SUBJECTS[reason] ?? 'the database cannot be used';
  const cause = code === undefined || message.startsWith(`${code}: `) ? message : `${code}: ${message}`;
  return new DatabaseError(reason, `${subject} (${cause}): ${remedyOf(error)}`);
}
