/**
 * Taking over another store's events: one call of one SQL function (see its migration), which only the owner of
 * the tables may call, because it believes what it is told about when an event was recorded.
 *
 * Events that come from a PostgreSQL log keep their positions too. Whatever remembers one, a checkpoint above
 * all, then means the same event after the move; only the prefix tells stores apart, and it would not help there.
 */
import type { RawEvent } from '../../events/decode.js';
import { EventStoreFailure } from './failure.js';
import { parsePosition, STORE_NAME } from './position.js';
import type { RunStatement } from './query.js';

/**
 * Stores, and counts what this statement's snapshot, taken before, lacked. The WHERE of the count is the function's own. `OFFSET 0`
 * keeps the look at the log one index probe an event: joined as a whole it would be read from beginning to end for each page.
 */
const IMPORT = {
  name: 'connector_state_import',
  text: `
    SELECT connector_event_import($1, $2),
           (SELECT count(*) FROM (SELECT DISTINCT i.stream, i.id
                                  FROM jsonb_to_recordset($1) AS i(id uuid, stream text COLLATE "C")) i
            WHERE (SELECT p.event_id FROM connector_event p
                   WHERE p.stream = i.stream AND p.event_id = i.id OFFSET 0 LIMIT 1) IS NULL)`,
};

/** Which no second try changes. */
const REFUSALS: Readonly<Record<string, (message: string) => string>> = {
  // insufficient_privilege
  '42501': () => 'log in as the role that owns the tables',
  // object_not_in_prerequisite_state: connector_event_import_in_order()
  '55000': message =>
    `${message}: the events are not in the order in which they were exported, or the store has others; give them in their order to an empty event store`,
};

const toRefusal = (error: unknown): EventStoreFailure | undefined => {
  const { code, message } = error as { code?: unknown; message: string };
  const why = REFUSALS[String(code)]?.(message);
  return why === undefined
    ? undefined
    : new EventStoreFailure(`the event store could not import events: ${why}`, false);
};

/** A page is written in a fraction of this; what takes longer waits for a lock. */
const IMPORT_TIMEOUT_MS = 60_000;

export async function importEvents(run: RunStatement, events: readonly RawEvent[]): Promise<number> {
  if (events.length === 0) return 0;
  const keepPositions = events.every(({ position }) => position.startsWith(`${STORE_NAME}/`));
  const rows = events.map(event => ({
    id: event.id,
    stream: event.stream,
    type: event.type,
    schema_version: event.schemaVersion,
    data: event.data,
    occurred_at: event.occurredAt,
    recorded_at: event.recordedAt,
    host: event.host,
    correlation_id: event.correlationId,
    causation_id: event.causationId,
    login: event.login,
    ...(keepPositions && { position: String(parsePosition(event.position)) }),
  }));
  const [row] = await run(IMPORT, [JSON.stringify(rows), IMPORT_TIMEOUT_MS], {
    action: `import ${events.length} event(s)`,
    timeoutMs: IMPORT_TIMEOUT_MS,
    recognise: toRefusal,
  });
  return Number(row?.[1]);
}
