/**
 * The place in the log that `atLeast` names: a position, or a token of `flush()` or the feed, which also knows the event
 * that lies there. Rows may be further than a position and still show nothing of it: after a restore, or with another
 * log behind the same address, something else lies there, or nothing.
 */
import { InvalidInputError } from '../base/errors.js';
import { shown } from '../base/shown.js';
import type { EventStore } from '../event-store/event-store.js';
import type { Position } from '../events/event.js';
import { decodeToken, tailOf } from '../events/place-token.js';

export interface WantedPlace {
  readonly position: Position;
  /** Of the event's id; `undefined`: whatever lies there. */
  readonly tail: string | undefined;
  /** It may have been forgotten since. */
  readonly isHit: boolean;
}

/** What the log has there now. */
export interface LogThere {
  readonly eventId?: string | undefined;
  /** The last event's position; `undefined`: the log is empty, or could not be asked. */
  readonly head?: Position | undefined;
}

/** @throws InvalidInputError for what is no text, or begins like a token and is none */
export function wantedPlace(wanted: string): WantedPlace {
  if (typeof wanted !== 'string') {
    throw new InvalidInputError(`atLeast must be a token or a position as text, got ${shown(wanted)}`);
  }
  if (!/^[0-9]+\./.test(wanted)) return { position: wanted as Position, tail: undefined, isHit: false };
  const { at, isHit } = decodeToken(wanted);
  if (!at)
    throw new InvalidInputError('atLeast must be a place behind an event, got the beginning of the log');
  return { ...at, isHit };
}

/** Whether the log is the one that the place was in, as far as can be told. */
export function isInLog(
  { position, tail, isHit }: WantedPlace,
  { eventId, head }: LogThere,
  compare: EventStore['compare'],
): boolean {
  if (head === undefined || compare(head, position) < 0) return false;
  if (tail === undefined) return true;
  return eventId === undefined ? isHit : tailOf(eventId) === tail;
}
