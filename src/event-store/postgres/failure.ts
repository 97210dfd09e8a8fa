/**
 * What a failure of PostgreSQL is called in our terms, and whether waiting may help.
 *
 * The message keeps the SQLSTATE or errno and the server's one line; never the connection string, and never
 * the error object itself, which may hold the statement's values.
 */
import { ConnectorStateError } from '../../errors.js';
import { InvalidEventError } from '../../events/decode.js';
import { describeDatabaseError } from '../../postgres/pool.js';

/** `transient`: the same call may succeed later without anyone changing anything. */
export class EventStoreFailure extends ConnectorStateError {
  readonly transient: boolean;

  constructor(message: string, transient: boolean) {
    super('EVENT_STORE_FAILED', message);
    this.transient = transient;
  }
}

export const isTransient = (error: unknown): boolean => error instanceof EventStoreFailure && error.transient;

/** Undefined table, undefined function, undefined schema. */
const NOT_MIGRATED = new Set(['42P01', '42883', '3F000']);
const INSUFFICIENT_PRIVILEGE = '42501';
/** Classes: connection, rollback (deadlock), resources, lock wait, operator, system, internal. */
const TRANSIENT_CLASSES = new Set(['08', '40', '53', '55', '57', '58', 'XX']);
/**
 * What is in the events, and no retry can change: a string too long, a number or time out of range, a character that is
 * malformed or that the database's encoding lacks, a value larger than the server keeps.
 */
const ABOUT_DATA = new Set(['22001', '22003', '22008', '22021', '22P05', '54000']);

const SQLSTATE = /^[0-9A-Z]{5}$/;

/** @param action completes "the event store could not …" */
export function toStoreError(error: unknown, action: string): ConnectorStateError {
  if (error instanceof ConnectorStateError) return error;
  const { code, message } = describeDatabaseError(error);
  const what = `the event store could not ${action} (${code ? `${code}: ` : ''}${message})`;
  if (code !== undefined && NOT_MIGRATED.has(code)) {
    return new ConnectorStateError(
      'DATABASE_NOT_MIGRATED',
      `${what}: its tables are missing, run \`connector-state migrate\``,
    );
  }
  if (code === INSUFFICIENT_PRIVILEGE) {
    return new EventStoreFailure(
      `${what}: grant the role SELECT on connector_event and connector_stream and EXECUTE on connector_event_append`,
      false,
    );
  }
  if (code !== undefined && ABOUT_DATA.has(code)) {
    return new InvalidEventError(`${what}: the database can never store it`);
  }
  if (code !== undefined && SQLSTATE.test(code)) {
    const transient = TRANSIENT_CLASSES.has(code.slice(0, 2));
    return new EventStoreFailure(
      `${what}: ${transient ? 'the database is not able to now, retry with the same event ids' : 'the database refused'}`,
      transient,
    );
  }
  return new EventStoreFailure(`${what}: check DATABASE_URL and that the server runs`, true);
}

/** Whether the connection is still good after the error: the server refused the statement and nothing more. */
export const isStatementError = (error: unknown): boolean =>
  (error as { severity?: unknown })?.severity === 'ERROR';
