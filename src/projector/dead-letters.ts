/**
 * Events that a projection could not take, each with the reason. They hold nothing up: the rest goes on.
 *
 * A dead letter is not applied later on its own, because the events after it have been applied meanwhile and
 * a row depends on their order: replaying means rebuilding the projection (see rebuild.ts).
 */
import type { Projection } from '../../projections/index.js';
import type { Position } from '../events/event.js';
import type { Failure } from './row-set.js';
import type { Session } from './session.js';

export const DEAD_LETTER_TABLE = 'projection_dead_letter';

export interface DeadLetter {
  readonly projection: string;
  readonly eventId: string;
  readonly stream: string;
  readonly eventType: string;
  readonly position: Position;
  /** Why; never the value that was at fault. */
  readonly error: string;
  /** Epoch milliseconds. */
  readonly failedAt: number;
  /** How often it was tried, rebuilds included. */
  readonly attempts: number;
}

const MAX_ERROR_LENGTH = 500;
const NUL = /\0/g;

export async function recordDeadLetters(
  session: Pick<Session, 'query'>,
  projection: Projection,
  failures: readonly Failure[],
  table: string = DEAD_LETTER_TABLE,
): Promise<void> {
  // One statement must not meet the same key twice: the last failure of an event speaks for it.
  const byEvent = new Map(failures.map(failure => [failure.event.id, failure]));
  const all = [...byEvent.values()];
  const text = (value: string) => value.replace(NUL, '\ufffd');
  await session.query(
    `INSERT INTO ${table} (projection, event_id, stream, event_type, position, error, failed_at, attempts)
      SELECT $1, u.event_id, u.stream, u.event_type, u.position, u.error, transaction_timestamp(), 1
      FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[])
        AS u (event_id, stream, event_type, position, error)
      ON CONFLICT (projection, event_id) DO UPDATE
      SET error = EXCLUDED.error, failed_at = EXCLUDED.failed_at, attempts = ${table}.attempts + 1`,
    [
      projection.name,
      all.map(({ event }) => event.id),
      all.map(({ event }) => text(event.stream)),
      all.map(({ event }) => event.type),
      all.map(({ event }) => event.position),
      all.map(({ error }) => text(error).slice(0, MAX_ERROR_LENGTH)),
    ],
    `cs_dead_letters_${table}`,
  );
}

export async function readDeadLetters(session: Session): Promise<readonly DeadLetter[]> {
  const rows = await session.query(
    `SELECT projection, event_id, stream, event_type, position, error,
        floor(extract(epoch from failed_at) * 1000), attempts
      FROM ${DEAD_LETTER_TABLE} ORDER BY failed_at, event_id, projection`,
  );
  return rows.map(([projection, eventId, stream, eventType, position, error, failedAt, attempts]) => ({
    projection: projection as string,
    eventId: eventId as string,
    stream: stream as string,
    eventType: eventType as string,
    position: position as Position,
    error: error as string,
    failedAt: Number(failedAt),
    attempts: Number(attempts),
  }));
}
