/**
 * An event while it waits. What is stored is the envelope of an append, so a row is read as any stored event is:
 * brought up to date when an earlier release wrote it, and called invalid instead of trusted.
 *
 * It has no place in the log yet. For readers of a stream it gets a provisional one behind everything stored: the
 * position `waiting/…`, which sorts behind all others and which no store accepts as its own.
 */
import { decodeEvent, type RawEvent } from '../../events/decode.js';
import type { NewEvent, Position, StoredEvent } from '../../events/event.js';

export interface WaitingEvent {
  /** The row's; text, because it is a bigint. */
  readonly rowId: string;
  /** Its version is 0 until {@link placed}. */
  readonly event: StoredEvent;
  /** What was said when it was last tried; `undefined` when it was not. */
  readonly lastError?: string | undefined;
}

const PREFIX = 'waiting/';

const toPosition = (rowId: string) => `${PREFIX}${rowId}` as Position;

/** The place in the queue; `undefined` for a position in the store. */
export const waitingNumber = (position: Position | undefined): bigint | undefined =>
  position?.startsWith(PREFIX) ? BigInt(position.slice(PREFIX.length)) : undefined;

/**
 * @param envelope JSON text
 * @param recordedAt when the outbox took it, epoch milliseconds; the event store will stamp its own
 */
export function toWaiting(
  rowId: string,
  envelope: string,
  recordedAt: number,
  lastError?: string | null,
): WaitingEvent {
  const { id, stream, type, schemaVersion, occurredAt, host, correlationId, causationId, data } =
    parseEnvelope(envelope);
  const raw: RawEvent = {
    id,
    stream,
    type,
    schemaVersion,
    version: 0,
    position: toPosition(rowId),
    occurredAt,
    recordedAt,
    host,
    ...(correlationId !== undefined && { correlationId }),
    ...(causationId !== undefined && { causationId }),
    data,
  };
  return { rowId, event: decodeEvent(raw), lastError: lastError ?? undefined };
}

/** Whatever a row contains, reading it must not throw: one row would stop the relay for all. */
function parseEnvelope(envelope: string): Omit<RawEvent, 'version' | 'position' | 'recordedAt'> {
  const parsed: unknown = JSON.parse(envelope);
  return (typeof parsed === 'object' && parsed !== null ? parsed : {}) as RawEvent;
}

export const placed = ({ event }: WaitingEvent, version: number): StoredEvent => ({ ...event, version });

/** As it was given to the append, or why it cannot be given to another. */
export function toNewEvent({ event }: WaitingEvent): NewEvent | { readonly problem: string } {
  switch (event.decoded) {
    case 'unknown-type':
      return { problem: `type ${event.type} is not known to this release: upgrade connector-state` };
    case 'invalid':
      return { problem: event.problem };
    case 'known': {
      const {
        decoded: _d,
        version: _v,
        position: _p,
        recordedAt: _r,
        schemaVersion: _s,
        ...appended
      } = event;
      return appended;
    }
  }
}
