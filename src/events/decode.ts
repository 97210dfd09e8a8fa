/**
 * From what a store holds to an event the code can trust.
 *
 * On append the data must pass the schema of its type's current version, or the append is refused as a
 * whole. On read, data of an older version is first brought up to the current one by the upcasters, one
 * version at a time, and then checked. An unknown type is not an error: a newer release may be writing to
 * the same store. Data that does not pass is reported with the event, never thrown, so that one bad event
 * cannot stop a reader; the projector puts it among the dead letters.
 */
import { z } from 'zod';
import { ConnectorStateError } from '../base/errors.js';
import { shown } from '../base/shown.js';
import { EVENT_SCHEMAS, type EventType, SCHEMA_VERSIONS } from './catalogue.js';
import type { KnownEvent, NewEvent, StoredEvent } from './event.js';

/** Brings data of schema version n to n + 1. */
export type Upcaster = (data: unknown) => unknown;

/** What only adds optional fields leaves old data as it is; without a scope it is about the default one (`scopeOf`). */
const unchanged: Upcaster = data => data;

/** `UPCASTERS.X[n]` takes version n of X to n + 1. */
export const UPCASTERS: Partial<Record<EventType, Readonly<Record<number, Upcaster>>>> = {
  ConnectorSynced: { 1: unchanged, 2: unchanged },
  ConnectorSyncFailed: { 1: unchanged },
  ConnectorStateHit: { 1: unchanged, 2: unchanged },
  ConnectorAuthFailed: { 1: unchanged },
  ConnectorStateInvalidated: { 1: unchanged },
  ConnectorShadowed: { 1: unchanged },
  HitsForgotten: { 1: unchanged },
};

export class InvalidEventError extends ConnectorStateError {
  constructor(message: string) {
    super('INVALID_EVENT', message);
  }
}

// The schema's own pattern: with the schema around it, made for each event, it was half of what an append checks.
const EVENT_ID = z.regexes.uuid();

/**
 * A schema as a function made for it, which checks the same and several times as fast; what does not pass goes
 * through the schema itself, and so is told in its words. Made when the first event of its type is read (a
 * millisecond), or once so many have been appended that it pays: a function that appends a handful goes without.
 */
const compiled = new Map<EventType, (typeof EVENT_SCHEMAS)[EventType]>();

const APPENDS_THAT_PAY = 500;
let appendsChecked = 0;

function appendingSchema(type: EventType): (typeof EVENT_SCHEMAS)[EventType] {
  appendsChecked += 1;
  return appendsChecked > APPENDS_THAT_PAY ? readingSchema(type) : EVENT_SCHEMAS[type];
}

function readingSchema(type: EventType): (typeof EVENT_SCHEMAS)[EventType] {
  const known = compiled.get(type);
  if (known) return known;
  const schema = z.compile(EVENT_SCHEMAS[type] as (typeof EVENT_SCHEMAS)[EventType]);
  compiled.set(type, schema);
  return schema;
}

/**
 * By name. What comes out is one string an event type, the source's own: a store reads a new one for each event,
 * which is memory to hold, and compared letter by letter wherever an event's type is looked at.
 */
const EVENT_TYPES: ReadonlyMap<string, EventType> = new Map(
  (Object.keys(EVENT_SCHEMAS) as EventType[]).map(type => [type, type]),
);

const isEventType = (type: string): type is EventType => EVENT_TYPES.has(type);

/**
 * The data as it will be stored.
 * @throws InvalidEventError for an unknown type, an event id that is no UUID, or data outside the schema
 */
export function validateNewEvent(event: NewEvent): void {
  if (typeof event.type !== 'string' || !isEventType(event.type)) {
    throw new InvalidEventError(
      `unknown event type ${shown(event.type)}: known are ${Object.keys(EVENT_SCHEMAS).join(', ')}`,
    );
  }
  if (typeof event.id !== 'string' || !EVENT_ID.test(event.id)) {
    throw new InvalidEventError(`event id must be a UUID, got ${shown(event.id)}`);
  }
  const result = appendingSchema(event.type).safeParse(event.data);
  if (!result.success) throw new InvalidEventError(`${event.type} ${event.id}: ${describe(result.error)}`);
}

/** What a store read, before it is known to be anything. */
export interface RawEvent {
  readonly id: string;
  readonly type: string;
  readonly schemaVersion: number;
  readonly stream: string;
  readonly version: number;
  readonly position: KnownEvent['position'];
  readonly occurredAt: number;
  readonly recordedAt: number;
  readonly host: string;
  readonly correlationId?: string | undefined;
  readonly causationId?: string | undefined;
  readonly login?: string | undefined;
  readonly data: unknown;
}

/** Never throws: an event that cannot be decoded says so in `decoded`. */
export function decodeEvent(raw: RawEvent, upcasters: typeof UPCASTERS = UPCASTERS): StoredEvent {
  const type = EVENT_TYPES.get(raw.type);
  if (type === undefined) return { ...raw, decoded: 'unknown-type' };
  const current = SCHEMA_VERSIONS[type];
  if (raw.schemaVersion > current) {
    return invalid(
      raw,
      `schema version ${raw.schemaVersion} is newer than ${current}: upgrade connector-state`,
    );
  }
  let data = raw.data;
  for (let version = raw.schemaVersion; version < current; version++) {
    const upcast = upcasters[type]?.[version];
    if (!upcast) return invalid(raw, `no upcaster from schema version ${version} to ${version + 1}`);
    try {
      data = upcast(data);
    } catch (error) {
      // Its kind only: the message of an upcaster that stumbled may quote the data.
      const kind = error instanceof Error ? error.name : typeof error;
      return invalid(raw, `upcasting from schema version ${version} failed (${kind})`);
    }
  }
  const result = readingSchema(type).safeParse(data);
  if (!result.success) return invalid(raw, describe(result.error));
  // Spelt out: a copy that then gets another field is twice the memory, and a page holds thousands.
  return {
    decoded: 'known',
    id: raw.id,
    type,
    schemaVersion: raw.schemaVersion,
    stream: raw.stream,
    version: raw.version,
    position: raw.position,
    occurredAt: raw.occurredAt,
    recordedAt: raw.recordedAt,
    host: raw.host,
    correlationId: raw.correlationId,
    causationId: raw.causationId,
    login: raw.login,
    data: result.data,
  } as StoredEvent;
}

/**
 * As {@link decodeEvent}, for who reads the log and not one stream: a `HitsForgotten` comes without its sums. A forgetting
 * may be a thousand events of a quarter of a megabyte, one behind the other, and whoever took them by the page would hold
 * all of them for nothing: who wants sums reads their stream.
 */
export const decodeLogEvent = (raw: RawEvent): StoredEvent =>
  decodeEvent(
    raw.type === ('HitsForgotten' satisfies EventType)
      ? { ...raw, data: { ...(raw.data as object), entries: [] } }
      : raw,
  );

const invalid = (raw: RawEvent, problem: string): StoredEvent => ({ ...raw, decoded: 'invalid', problem });

// Paths and limits only: the offending value may be the very thing that must not be repeated.
function describe(error: z.ZodError): string {
  return error.issues
    .slice(0, 5)
    .map(issue => `${issue.path.join('.') || 'data'}: ${issue.message}`)
    .join('; ');
}
