/**
 * Reading the log: a stream in either direction, and everything in global order.
 *
 * The global order needs no care here: positions are handed out under the lock that an append holds until it
 * commits, so what a statement's snapshot shows has no holes that could be filled later.
 */
import { decodeEvent, decodeLogEvent, type RawEvent } from '../../events/decode.js';
import type { StoredEvent } from '../../events/event.js';
import { isForgettable } from '../../events/streams.js';
import type { EventAt, EventsFrom, ReadAllOptions, ReadStreamOptions } from '../event-store.js';
import { requireWhole } from '../whole-number.js';
import { parsePosition, STORE_NAME, toPosition } from './position.js';
import type { RunStatement, TextRow } from './query.js';

/** A page of 10 000 events takes a tenth of a second; a read this slow has lost its server. */
const READ_TIMEOUT_MS = 30_000;

// date_part and not extract, whose numeric costs several times as much; a double holds microseconds until 2255.
const COLUMNS = `event_id, type, schema_version, stream, version, position,
  (date_part('epoch', occurred_at) * 1000)::bigint, (date_part('epoch', recorded_at) * 1000)::bigint,
  host, correlation_id, causation_id, data, login`;

// `forgettable` tells the planner which partition holds the stream.
const FORWARDS = {
  name: 'connector_state_read_forwards',
  text: `SELECT ${COLUMNS} FROM connector_event
    WHERE stream = $1 AND forgettable = $2 AND version >= coalesce($3, 1::bigint) ORDER BY version LIMIT $4`,
};
const BACKWARDS = {
  name: 'connector_state_read_backwards',
  text: `SELECT ${COLUMNS} FROM connector_event
    WHERE stream = $1 AND forgettable = $2 AND version <= coalesce($3, 9223372036854775807::bigint)
    ORDER BY version DESC LIMIT $4`,
};
const ALL = {
  name: 'connector_state_read_from',
  text: `SELECT ${COLUMNS} FROM connector_event WHERE position >= $1 ORDER BY position LIMIT $2`,
};
const LAST = {
  name: 'connector_state_last',
  text: `SELECT ${COLUMNS} FROM connector_event ORDER BY position DESC LIMIT 1`,
};
const HEAD = {
  name: 'connector_state_last_at',
  text: 'SELECT event_id, position FROM connector_event ORDER BY position DESC LIMIT 1',
};
const FIRST_KEPT = {
  name: 'connector_state_first_kept',
  text: 'SELECT event_id FROM connector_event WHERE NOT forgettable ORDER BY position LIMIT 1',
};

/** As {@link LogTable.eventsFrom}. Another store's position is before the first: who goes by it refuses it anyway. */
export const eventsFromSql = (from: string, limit: string): string =>
  `SELECT ${COLUMNS} FROM connector_event
    WHERE position >= CASE WHEN ${from} LIKE '${STORE_NAME}/%' THEN split_part(${from}, '/', 2)::bigint ELSE 0 END
    ORDER BY position LIMIT ${limit}`;

export const toEvent = (row: TextRow): StoredEvent => decodeLogEvent(toRaw(row));

export async function readStream(
  run: RunStatement,
  stream: string,
  { direction = 'forwards', fromVersion, limit }: ReadStreamOptions,
): Promise<readonly StoredEvent[]> {
  requireWhole('fromVersion', fromVersion, [1]);
  requireWhole('limit', limit, [1]);
  const events: StoredEvent[] = [];
  await run(
    direction === 'forwards' ? FORWARDS : BACKWARDS,
    [stream, isForgettable(stream), fromVersion ?? null, limit ?? null],
    {
      action: `read stream ${stream}`,
      timeoutMs: READ_TIMEOUT_MS,
      onRow: row => events.push(decodeEvent(toRaw(row))),
    },
  );
  return events;
}

export const readAll = (run: RunStatement, options: ReadAllOptions) => readPage(run, options, decodeLogEvent);

/** As they are stored. */
export const readRaw = (run: RunStatement, options: ReadAllOptions) => readPage(run, options, raw => raw);

async function readPage<T>(
  run: RunStatement,
  { after, limit }: ReadAllOptions,
  decode: (raw: RawEvent) => T,
): Promise<readonly T[]> {
  requireWhole('limit', limit, [1]);
  const events: T[] = [];
  await readRows(run, parsePosition(after) + 1n, limit, row => events.push(decode(toRaw(row))));
  return events;
}

/** One row more than asked for, in the same statement, says whether the log is the one that was read before. */
export async function readFrom(
  run: RunStatement,
  { after, limit }: ReadAllOptions,
  signal?: AbortSignal,
): Promise<EventsFrom> {
  requireWhole('limit', limit, [1]);
  const isStart = after === undefined;
  let at: EventAt | undefined;
  const events: StoredEvent[] = [];
  const onRow = (row: TextRow) => {
    const raw = toRaw(row);
    if (raw.position === after) at = { id: raw.id, position: raw.position };
    else if (events.length < limit) events.push(decodeLogEvent(raw));
  };
  await readRows(run, parsePosition(after), isStart ? limit : limit + 1, onRow, signal);
  return { at, events };
}

/** From a position on, inclusive. */
async function readRows(
  run: RunStatement,
  from: bigint,
  limit: number,
  onRow: (row: TextRow) => void,
  signal?: AbortSignal,
): Promise<void> {
  await run(ALL, [from, limit], { action: 'read events', timeoutMs: READ_TIMEOUT_MS, signal, onRow });
}

export async function readLast(run: RunStatement): Promise<RawEvent | undefined> {
  const [row] = await run(LAST, [], { action: 'read its last event', timeoutMs: READ_TIMEOUT_MS });
  return row && toRaw(row);
}

export async function readHead(run: RunStatement): Promise<EventAt | undefined> {
  const [row] = await run(HEAD, [], { action: 'read its head', timeoutMs: READ_TIMEOUT_MS });
  return row && { id: row[0] as string, position: toPosition(row[1] as string) };
}

export async function readIdentity(run: RunStatement): Promise<string | undefined> {
  const [row] = await run(FIRST_KEPT, [], { action: 'read its first event', timeoutMs: READ_TIMEOUT_MS });
  return row?.[0] ?? undefined;
}

type EventRow = readonly [
  id: string,
  type: string,
  schemaVersion: string,
  stream: string,
  version: string,
  position: string,
  occurredAt: string,
  recordedAt: string,
  host: string,
  correlationId: string | null,
  causationId: string | null,
  data: string,
  login: string | null,
];

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function toRaw(row: TextRow): RawEvent {
  const event = row as EventRow;
  const correlationId = event[9];
  const causationId = event[10];
  const login = event[12];
  const raw: Mutable<RawEvent> = {
    id: event[0],
    type: event[1],
    schemaVersion: Number(event[2]),
    stream: event[3],
    version: Number(event[4]),
    position: toPosition(event[5]),
    occurredAt: Number(event[6]),
    recordedAt: Number(event[7]),
    host: event[8],
    data: JSON.parse(event[11]),
  };
  // Left out where there is none; set afterwards, for spreading a maybe costs more than all the rest.
  if (correlationId !== null) raw.correlationId = correlationId;
  if (causationId !== null) raw.causationId = causationId;
  if (login !== null) raw.login = login;
  return raw;
}
