/**
 * From an event in memory to the text that is stored, checked on the way. Every store appends through here, so
 * that all refuse the same events, before anything is sent.
 *
 * Serialising is our own step, not the client library's: a BigInt would otherwise surface as an unhandled
 * rejection or a hung promise there. What JSON can write but a database cannot keep (U+0000, half a
 * surrogate pair) is refused too: the recorder retries what the *store* failed to take, and would retry
 * such an event for ever.
 */
import { EARLIEST_TIME_MS, LATEST_TIME_MS, SCHEMA_VERSIONS } from '../events/catalogue.js';
import { InvalidEventError, validateNewEvent } from '../events/decode.js';
import type { NewEvent } from '../events/event.js';
import { STREAM_PREFIX } from '../events/streams.js';

/** Two ids of 128 characters, encoded, with room to spare; an index entry must stay below 2700 bytes. */
const MAX_STREAM_BYTES = 2_000;
const MAX_ENVELOPE_TEXT = 200;

export interface SerialisedEvent {
  readonly id: string;
  readonly stream: string;
  readonly type: string;
  readonly schemaVersion: number;
  readonly occurredAt: number;
  readonly host: string;
  readonly correlationId: string | undefined;
  readonly causationId: string | undefined;
  /** JSON text. */
  readonly data: string;
}

/** @throws InvalidEventError when the envelope or the data is not what the catalogue says, or cannot be stored */
export function serialiseEvent(event: NewEvent): SerialisedEvent {
  if (typeof event !== 'object' || event === null) throw new InvalidEventError('an event must be an object');
  validateNewEvent(event);
  const refuse = (problem: string): never => {
    throw new InvalidEventError(`${event.type} ${event.id}: ${problem}`);
  };
  const { stream, occurredAt, host, correlationId, causationId } = event;
  if (typeof stream !== 'string' || !stream.startsWith(STREAM_PREFIX) || !isStorable(stream)) {
    refuse(`stream must be text that starts with ${STREAM_PREFIX}: take it from events/streams`);
  }
  if (Buffer.byteLength(stream) > MAX_STREAM_BYTES) {
    refuse(`stream must have at most ${MAX_STREAM_BYTES} bytes, got ${Buffer.byteLength(stream)}`);
  }
  if (!Number.isInteger(occurredAt) || occurredAt < EARLIEST_TIME_MS || occurredAt > LATEST_TIME_MS) {
    refuse('occurredAt must be whole epoch milliseconds between the years 2000 and 2100');
  }
  if (!isShortText(host) || host === '') refuse(`host must be text of 1 to ${MAX_ENVELOPE_TEXT} characters`);
  const requireOptional = (name: string, value: unknown) => {
    if (value === undefined || isShortText(value)) return;
    refuse(`${name} must be text of at most ${MAX_ENVELOPE_TEXT} characters, or left out`);
  };
  requireOptional('correlationId', correlationId);
  requireOptional('causationId', causationId);
  return {
    id: event.id,
    stream,
    type: event.type,
    schemaVersion: SCHEMA_VERSIONS[event.type],
    occurredAt,
    host,
    correlationId,
    causationId,
    data: toText(event.data, refuse),
  };
}

function toText(data: unknown, refuse: (problem: string) => never): string {
  let text: string;
  try {
    text = JSON.stringify(data);
  } catch {
    return refuse('data cannot be written as JSON');
  }
  if (!text.includes('\\')) return text;
  // JSON escapes exactly the two things no database text can hold, so escapes are all there is to look for.
  // An even number of backslashes before the `u` is a backslash that was meant.
  for (const [backslashes] of text.matchAll(/\\+(?=u0000|ud[89a-f])/g)) {
    if (backslashes.length % 2 === 1) refuse('data has text with U+0000 or half a surrogate pair');
  }
  return text;
}

// In a unicode pattern a surrogate is one that has no partner.
const isStorable = (text: string) => !text.includes('\u0000') && !/\p{Surrogate}/u.test(text);

const isShortText = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= MAX_ENVELOPE_TEXT && isStorable(value);
