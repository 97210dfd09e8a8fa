/**
 * Appending: one call of one SQL function, which takes the lock, finds what is there already, checks versions,
 * stores the rest and says what became of each event (see the migration for how, and why one round trip).
 *
 * A batch of which only a part is stored already is not the retry of one append, for an append is atomic. Its
 * expected version is then held against the stream as it is now, and what is missing is stored behind it.
 * A stream all of whose events are there already is in order whatever version was expected.
 */
import type { NewEvent } from '../../events/event.js';
import type { AppendedEvent, AppendOptions, AppendResult, ExpectedVersion } from '../event-store.js';
import { readExpectedVersions } from '../expected-versions.js';
import { type SerialisedEvent, serialiseEvent } from '../serialise.js';
import { VersionConflictError } from '../version-conflict-error.js';
import { toPosition } from './position.js';
import type { RunStatement, TextRow } from './query.js';

const APPEND = {
  name: 'connector_state_append',
  text: 'SELECT event_id, stream, version, position, is_new FROM connector_event_append($1, $2, $3)',
};

/** Id, stream, version, position, whether it is new. */
type AppendedRow = readonly [string, string, string, string, string];

/** The SQLSTATE the SQL function raises, with `{"stream", "actual"}` as detail. */
const VERSION_CONFLICT = 'VC001';

export async function appendEvents(
  run: RunStatement,
  events: readonly NewEvent[],
  options: AppendOptions,
  timeoutMs: number,
): Promise<AppendResult> {
  const serialised = events.map(serialiseEvent);
  const expected = expectations(serialised, options.expectedVersions ?? {});
  if (serialised.length === 0) return { events: [], position: undefined };
  const rows = await run(
    APPEND,
    [`[${serialised.map(toJson).join(',')}]`, expected && JSON.stringify(expected), timeoutMs],
    {
      action: `append ${events.length} event(s)`,
      timeoutMs,
      signal: options.signal,
      recognise: error => toConflict(error, options.expectedVersions ?? {}),
    },
  );
  return toResult(rows);
}

/** Versions by stream as the SQL function wants them: 0 for a stream that must not exist. */
function expectations(
  events: readonly SerialisedEvent[],
  expectedVersions: Readonly<Record<string, ExpectedVersion>>,
): Record<string, number> | null {
  const expected = readExpectedVersions(new Set(events.map(event => event.stream)), expectedVersions);
  return expected.size > 0 ? Object.fromEntries(expected) : null;
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
  for (const [id, stream, version, position, isNew] of rows as readonly AppendedRow[]) {
    events.push({ id, stream, version: Number(version), isNew: isNew === 't' });
    if (BigInt(position) > last) last = BigInt(position);
  }
  return { events, position: toPosition(String(last)) };
}
