/**
 * What a failure of PostgreSQL is called in our terms, and whether waiting may help.
 *
 * The message keeps the SQLSTATE or errno and the server's one line; never the connection string, and never
 * the error object itself, which may hold the statement's values.
 */
import { ConnectorStateError } from '../../base/errors.js';
import { InvalidEventError } from '../../events/decode.js';
import {
  DatabaseError,
  describeDatabaseError,
  isTransientReason,
  reasonOf,
  remedyOf,
  remedyOfState,
} from '../../postgres/database-error.js';

/** `transient`: the same call may succeed later without anyone changing anything. */
export class EventStoreFailure extends ConnectorStateError {
  readonly transient: boolean;

  constructor(message: string, transient: boolean) {
    super('EVENT_STORE_FAILED', message);
    this.transient = transient;
  }
}

export const isTransient = (error: unknown): boolean => error instanceof EventStoreFailure && error.transient;

/**
 * What is in the events, and no retry can change: a string too long, a number or time out of range, a character that is
 * malformed or that the database's encoding lacks, a value larger than the server keeps; VT001: a fact that is not this
 * login's to record (migration 1764000000074).
 */
const ABOUT_DATA = new Set(['22001', '22003', '22008', '22021', '22P05', '54000', 'VT001']);

/** @param action completes "the event store could not …" */
export function toStoreError(error: unknown, action: string): ConnectorStateError {
  if (error instanceof ConnectorStateError) return error;
  const { code, message } = describeDatabaseError(error);
  const what = `the event store could not ${action} (${code ? `${code}: ` : ''}${message})`;
  if (code !== undefined && ABOUT_DATA.has(code)) {
    return new InvalidEventError(`${what}: the database can never store it`);
  }
  const reason = reasonOf(error);
  switch (reason) {
    case 'not-migrated':
      return new DatabaseError(reason, `${what}: ${remedyOf(error)}`);
    case 'missing-right':
      return new EventStoreFailure(
        `${what}: grant the role SELECT on connector_event and connector_stream and EXECUTE on connector_event_append and connector_event_append_together`,
        false,
      );
    case 'unreachable':
    case 'busy': {
      // A server that says it goes down has answered; without a code nobody has.
      const known = remedyOfState(code);
      const answered = known === undefined ? RETRY : `${known}; then retry with the same event ids`;
      return new EventStoreFailure(`${what}: ${code ? answered : remedyOf(error)}`, true);
    }
    default:
      return new EventStoreFailure(`${what}: ${remedyOf(error)}`, isTransientReason(reason));
  }
}

const RETRY = 'the database is not able to now, retry with the same event ids';

/** Whether the connection is still good after the error: the server refused the statement and nothing more. */
export const isStatementError = (error: unknown): boolean =>
  (error as { severity?: unknown })?.severity === 'ERROR';
