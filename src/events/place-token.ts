/**
 * The place in the log up to which a follower has read, as text that he keeps and brings back.
 *
 * A position alone would not do: after a restore, or with another log behind the same address, other events lie at
 * it, and reading on would pass over some in silence. So a token also tells which log it is of and which event lay
 * there, as the projector's checkpoints do (projector/log-mark.ts). Ids are cut to their last 16 hexadecimal digits: those of a
 * UUIDv7 are random, so that a token tells nothing of when other people's events were recorded.
 *
 * A hit may be forgotten after a while. A token at one also has the last event of its page that is kept for good, which
 * then speaks for the log.
 *
 *   1.<log>.<position>.<id>                    at an event that is kept for good
 *   1.<log>.<position>.<id>.h[.<position>.<id>] at a hit; the event that is kept, where the page had one
 *   1.-.-.-                                    before the first event
 */
import { InvalidInputError } from '../base/errors.js';
import { shown } from '../base/shown.js';
import type { Position, StoredEvent } from './event.js';
import { isForgettable } from './streams.js';

type EventAt = Pick<StoredEvent, 'id' | 'position'>;

/** Where an event lay, and its id's end. */
export interface Place {
  readonly position: Position;
  /** `undefined`: whatever lies there. */
  readonly tail: string | undefined;
}

export interface FeedPlace {
  /** The end of the id of the log's first event; `undefined`: it had none that is kept for good. */
  readonly log: string | undefined;
  /** `undefined`: before the first event. */
  readonly at: Place | undefined;
  readonly isHit: boolean;
  readonly anchor: Place | undefined;
}

const VERSION = '1';
const NOTHING = '-';
const TAIL = /^[0-9a-f]{16}$/;
const POSITION = /^[a-z]{1,20}(\/[0-9]{1,19}){1,2}$/;
const LONGEST_TOKEN = 200;

/** @param id a UUID */
export const tailOf = (id: string): string => id.replaceAll('-', '').slice(-16).toLowerCase();

export const placeOf = ({ id, position }: EventAt): Place => ({ position, tail: tailOf(id) });

/** @param anchor the last event before it, of the same page, that is kept for good */
export function placeAt(
  log: string | undefined,
  event: Pick<StoredEvent, 'id' | 'position' | 'stream'>,
  anchor: EventAt | undefined,
): FeedPlace {
  const isHit = isForgettable(event.stream);
  return { log, at: placeOf(event), isHit, anchor: isHit && anchor ? placeOf(anchor) : undefined };
}

export const THE_BEGINNING: FeedPlace = { log: undefined, at: undefined, isHit: false, anchor: undefined };

export function encodeToken({ log, at, isHit, anchor }: FeedPlace): string {
  // A bare position is its own token.
  if (at && at.tail === undefined) return at.position;
  const parts = [VERSION, log ?? NOTHING, at?.position ?? NOTHING, at?.tail ?? NOTHING];
  if (isHit) parts.push('h', ...(anchor?.tail ? [anchor.position, anchor.tail] : []));
  return parts.join('.');
}

/** @throws InvalidInputError for what no feed gave */
export function decodeToken(token: string): FeedPlace {
  const [version, log, position, tail, hit, anchorPosition, anchorTail, ...rest] = token.split('.');
  const isWhole =
    token.length <= LONGEST_TOKEN &&
    version === VERSION &&
    rest.length === 0 &&
    (log === NOTHING || TAIL.test(log ?? '')) &&
    (hit === undefined || hit === 'h');
  if (isWhole && position === NOTHING && tail === NOTHING && hit === undefined) return THE_BEGINNING;
  const at = toPlace(position, tail);
  const anchor = toPlace(anchorPosition, anchorTail);
  if (!isWhole || !at || (anchorPosition !== undefined && !anchor)) {
    throw new InvalidInputError(
      `a place in the feed must be "beginning", "end", a position, or the id of an event as the feed gave it, got ${shown(token)}`,
    );
  }
  return { log: log === NOTHING ? undefined : log, at, isHit: hit === 'h', anchor };
}

function toPlace(position: string | undefined, tail: string | undefined): Place | undefined {
  if (position === undefined || tail === undefined) return undefined;
  return POSITION.test(position) && TAIL.test(tail) ? { position: position as Position, tail } : undefined;
}

/** A bare position, as an append returns it. */
export const isPosition = (text: string): text is Position => POSITION.test(text);
