/**
 * Events that a projection could not take, each with the reason. They hold nothing up: the rest goes on.
 *
 * A dead letter is not applied later on its own, because the events after it have been applied meanwhile and
 * a row depends on their order: replaying means rebuilding the projection (see rebuild.ts).
 *
 * One that will never be folded, of another program's event above all, is dismissed: kept, listed on demand, and told of
 * no more, whatever is rebuilt.
 */
import type { Projection } from '../../projections/index.js';
import { isForeign, type Position } from '../events/event.js';
import type { Failure } from './row-set.js';
import type { Session } from './session.js';

export const DEAD_LETTER_TABLE = 'projection_dead_letter';
/** Those that are written when an event cannot be taken. */
export const DEAD_LETTER_COLUMNS = [
  'projection',
  'event_id',
  'stream',
  'event_type',
  'position',
  'error',
  'failed_at',
  'attempts',
  'host',
] as const;

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
  /** The process that recorded the event; `null`: not known of letters from before 0.2, nor of foreign events. */
  readonly host: string | null;
  /** The event lacks our envelope: another program writes into streams of our prefix. */
  readonly isForeign: boolean;
  /** Epoch milliseconds; `null`: nobody has dismissed it. */
  readonly dismissedAt: number | null;
}

/** The letters of one event, by its id, or of all foreign ones. */
export type Letters = { readonly eventId: string } | 'foreign';

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
    `INSERT INTO ${table} (${DEAD_LETTER_COLUMNS.join(', ')})
      SELECT $1, u.event_id, u.stream, u.event_type, u.position, u.error, transaction_timestamp(), 1, u.host
      FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
        AS u (event_id, stream, event_type, position, error, host)
      ON CONFLICT (projection, event_id) DO UPDATE
      SET error = EXCLUDED.error, failed_at = EXCLUDED.failed_at, attempts = ${table}.attempts + 1,
        host = EXCLUDED.host`,
    [
      projection.name,
      all.map(({ event }) => event.id),
      all.map(({ event }) => text(event.stream)),
      all.map(({ event }) => event.type),
      all.map(({ event }) => event.position),
      all.map(({ error }) => text(error).slice(0, MAX_ERROR_LENGTH)),
      all.map(({ event }) => text(event.host)),
    ],
    `cs_dead_letters_${table}`,
  );
}

export async function readDeadLetters(session: Session): Promise<readonly DeadLetter[]> {
  const rows = await session.query(
    `SELECT projection, event_id, stream, event_type, position, error,
        floor(extract(epoch from failed_at) * 1000), attempts, host,
        floor(extract(epoch from dismissed_at) * 1000)
      FROM ${DEAD_LETTER_TABLE} ORDER BY failed_at, event_id, projection`,
  );
  return rows.map(
    ([
      projection,
      eventId,
      stream,
      eventType,
      position,
      error,
      failedAt,
      attempts,
      host = null,
      dismissedAt = null,
    ]) => ({
      projection: projection as string,
      eventId: eventId as string,
      stream: stream as string,
      eventType: eventType as string,
      position: position as Position,
      error: error as string,
      failedAt: Number(failedAt),
      attempts: Number(attempts),
      host: host || null,
      isForeign: isForeign({ host }),
      dismissedAt: dismissedAt === null ? null : Number(dismissedAt),
    }),
  );
}

/** @returns how many letters it changed; those that were so already are not among them */
export async function dismissDeadLetters(
  session: Session,
  letters: Letters,
  { undo = false }: { readonly undo?: boolean } = {},
): Promise<number> {
  const which = letters === 'foreign' ? `host = ''` : 'event_id = $1::uuid';
  const rows = await session.query(
    `UPDATE ${DEAD_LETTER_TABLE} SET dismissed_at = ${undo ? 'NULL' : 'clock_timestamp()'}
      WHERE ${which} AND (dismissed_at IS NULL) = ${!undo} RETURNING event_id`,
    letters === 'foreign' ? [] : [letters.eventId],
  );
  return rows.length;
}
