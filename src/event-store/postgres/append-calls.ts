/** The calls of the two SQL functions that append, and their answers. */
import type { AppendedEvent, AppendResult, ExpectedVersion } from '../event-store.js';
import type { SerialisedEvent } from '../serialise.js';
import { VersionConflictError } from '../version-conflict-error.js';
import { toPosition } from './position.js';
import type { Bounds, RunStatement, TextRow } from './query.js';

const APPEND_TOGETHER = {
  name: 'connector_state_append_together',
  // Arrays as text, and the answer too: nothing between here and there has to take them for more. An id that there is not
  // travels as '', for a server with array_nulls off would take NULL for a text.
  text: `SELECT array_to_string(versions, ','), last_position, array_to_string(are_new, ',')
    FROM connector_event_append_together($1, $2, $3, $4, $5, $6, $7,
      array_replace($8::text[], '', NULL), array_replace($9::text[], '', NULL), $10)`,
};

/** No JSON text has one: it escapes control characters. */
const BETWEEN_DATA = '\u001e';

/** Whatever version the streams are at. Events that are there already are not stored again. */
export async function appendTogether(
  run: RunStatement,
  events: readonly SerialisedEvent[],
  bounds: Bounds,
): Promise<AppendResult> {
  const values = [
    toArray(events.map(({ id }) => id)),
    toArray(events.map(({ stream }) => quote(stream))),
    toArray(events.map(({ type }) => quote(type))),
    toArray(events.map(({ schemaVersion }) => schemaVersion)),
    events.map(({ data }) => data).join(BETWEEN_DATA),
    toArray(events.map(({ occurredAt }) => occurredAt)),
    toArray(events.map(({ host }) => quote(host))),
    toArray(events.map(({ correlationId }) => quote(correlationId))),
    toArray(events.map(({ causationId }) => quote(causationId))),
    bounds.timeoutMs,
  ];
  const [row] = await run(APPEND_TOGETHER, values, { ...bounds, action: `append ${events.length} event(s)` });
  const [versions = '', position, areNew] = row as readonly [string, string, string | null];
  const isNew = areNew?.split(',');
  const numbers = versions.split(',');
  return {
    events: events.map(({ id, stream }, i) => ({
      id,
      stream,
      version: Number(numbers[i]),
      isNew: isNew === undefined || isNew[i] === 't',
    })),
    position: toPosition(position),
    // Some of which are stored already: the last new one may be any of the others.
    last: isNew === undefined ? events.at(-1) : undefined,
  };
}

const toArray = (cells: readonly (string | number)[]): string => `{${cells.join(',')}}`;

function quote(text: string | undefined): string {
  if (text === undefined) return '""';
  return /["\\]/.test(text) ? `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"` : `"${text}"`;
}

const APPEND = {
  name: 'connector_state_append',
  text: 'SELECT event_id, stream, version, position, is_new FROM connector_event_append($1, $2, $3)',
};

/** Id, stream, version, position, whether it is new. */
type AppendedRow = readonly [string, string, string, string, string];

/** The SQLSTATE the SQL function raises, with `{"stream", "actual"}` as detail. */
const VERSION_CONFLICT = 'VC001';

/** @param named what the caller named, for the error */
export async function appendExpecting(
  run: RunStatement,
  events: readonly SerialisedEvent[],
  expected: ReadonlyMap<string, number>,
  named: Readonly<Record<string, ExpectedVersion>>,
  bounds: Bounds,
): Promise<AppendResult> {
  const values = [
    `[${events.map(toJson).join(',')}]`,
    JSON.stringify(Object.fromEntries(expected)),
    bounds.timeoutMs,
  ];
  const rows = await run(APPEND, values, {
    ...bounds,
    action: `append ${events.length} event(s)`,
    recognise: error => toConflict(error, named),
  });
  return toResult(rows);
}

function toJson(event: SerialisedEvent): string {
  const envelope = JSON.stringify({
    id: event.id,
    stream: event.stream,
    type: event.type,
    schema_version: event.schemaVersion,
    occurred_at: event.occurredAt,
    host: event.host,
    correlation_id: event.correlationId,
    causation_id: event.causationId,
  });
  return `${envelope.slice(0, -1)},"data":${event.data}}`;
}

function toConflict(
  error: unknown,
  expectedVersions: Readonly<Record<string, ExpectedVersion>>,
): VersionConflictError | undefined {
  const { code, detail } = error as { code?: unknown; detail?: unknown };
  if (code !== VERSION_CONFLICT || typeof detail !== 'string') return undefined;
  const { stream, actual } = JSON.parse(detail) as { stream: string; actual: number };
  return new VersionConflictError(stream, expectedVersions[stream] ?? 'any', actual);
}

function toResult(rows: readonly TextRow[]): AppendResult {
  const events: AppendedEvent[] = [];
  let last = 0n;
  let lastEvent: AppendedEvent | undefined;
  for (const [id, stream, version, position, isNew] of rows as readonly AppendedRow[]) {
    const event = { id, stream, version: Number(version), isNew: isNew === 't' };
    events.push(event);
    if (BigInt(position) <= last) continue;
    last = BigInt(position);
    lastEvent = event;
  }
  return { events, position: toPosition(String(last)), last: lastEvent };
}
