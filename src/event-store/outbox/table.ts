/**
 * The outbox's table: what is asked of it and written to it in one statement each. The relay, which needs a
 * transaction, has its own.
 *
 * `dead_at` says what became of a row:
 *   null        it waits
 *   a time      the store refused it then, and it is the head of its stream: what is behind it in the stream waits for
 *               it, whatever else waits does not. It is tried again by itself
 *   'infinity'  it is invalid, or was set aside by hand, and waits for nobody; only `relay --retry-dead` tries it again
 */
import type { Pool } from 'pg';
import { ConnectorStateError, isConnectorStateError } from '../../base/errors.js';
import { handOn } from '../../events/ids.js';
import { toDatabaseError } from '../../postgres/pool.js';
import { toStoreError } from '../postgres/failure.js';
import { createRunner, type TextRow } from '../postgres/query.js';
import type { SerialisedEvent } from '../serialise.js';
import { toWaiting, type WaitingEvent } from './waiting-event.js';

/** The answer decides between two ways to go, and a fact is in memory meanwhile. */
const ASK_TIMEOUT_MS = 1_000;
const WRITE_TIMEOUT_MS = 5_000;
const READ_TIMEOUT_MS = 10_000;

/** Of a row `w`: whether its stream has a refused head. The index of ids in a stream answers it. */
export const HOLDS_ITS_STREAM = `EXISTS (SELECT FROM connector_outbox h
  WHERE h.stream = w.stream AND h.dead_at < 'infinity')`;

const LOOK = {
  name: 'connector_outbox_look',
  // Ordered and limited, so that the index answers also when the plan was made over an empty table.
  text: `(SELECT NULL AS held FROM connector_outbox w WHERE dead_at IS NULL AND NOT ${HOLDS_ITS_STREAM}
      ORDER BY id LIMIT 1)
    UNION ALL
    (SELECT DISTINCT stream FROM connector_outbox WHERE stream = ANY($1::text[]) AND dead_at < 'infinity')`,
};
const ADD = { name: 'connector_outbox_add', text: 'SELECT connector_outbox_add($1, $2, $3)' };
const OF_STREAM = {
  name: 'connector_outbox_of_stream',
  text: `SELECT id, envelope, (extract(epoch FROM recorded_at) * 1000)::bigint FROM connector_outbox
    WHERE stream = $1 AND dead_at IS DISTINCT FROM 'infinity' ORDER BY id`,
};
const STATUS = {
  name: 'connector_outbox_status',
  text: `SELECT count(*) FILTER (WHERE dead_at IS DISTINCT FROM 'infinity'),
      count(*) FILTER (WHERE dead_at = 'infinity'),
      (extract(epoch FROM min(recorded_at) FILTER (WHERE dead_at IS DISTINCT FROM 'infinity')) * 1000)::bigint,
      (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
      (SELECT last_error FROM connector_outbox w WHERE dead_at IS NULL AND NOT ${HOLDS_ITS_STREAM}
        ORDER BY id LIMIT 1),
      (SELECT last_error FROM connector_outbox WHERE dead_at = 'infinity' ORDER BY id DESC LIMIT 1),
      count(*) FILTER (WHERE dead_at IS DISTINCT FROM 'infinity' AND ${HOLDS_ITS_STREAM}),
      count(DISTINCT stream) FILTER (WHERE dead_at < 'infinity'),
      (SELECT stream FROM connector_outbox WHERE dead_at < 'infinity' ORDER BY id LIMIT 1),
      (SELECT string_agg(said, '; ' ORDER BY id) FROM (
        SELECT min(id) AS id, (array_agg(last_error ORDER BY id))[1] AS said FROM connector_outbox
        WHERE dead_at < 'infinity' GROUP BY replace(last_error, stream, '') ORDER BY 1 LIMIT 3) AS causes)
    FROM connector_outbox w`,
};
const REVIVE = {
  name: 'connector_outbox_revive',
  text: `UPDATE connector_outbox SET dead_at = NULL, attempts = 0, last_error = NULL
    WHERE dead_at IS NOT NULL RETURNING id`,
};
/** Only of a stream with a refused head, whose refusal is written on what waited behind it too: it is their cause. */
const SET_ASIDE = {
  name: 'connector_outbox_set_aside',
  text: `UPDATE connector_outbox w SET dead_at = 'infinity', last_error = concat('set aside by hand: ', h.last_error)
    FROM (SELECT last_error FROM connector_outbox WHERE stream = $1 AND dead_at < 'infinity' ORDER BY id LIMIT 1) h
    WHERE w.stream = $1 AND w.dead_at IS DISTINCT FROM 'infinity' RETURNING w.id`,
};

export interface OutboxStatus {
  /** Events that the event store has not yet, those behind a refused one included. */
  readonly waiting: number;
  /** When the oldest of them was recorded, epoch milliseconds by the database's clock. */
  readonly waitingSince: number | undefined;
  /** Its age in seconds, 0 when nothing waits. */
  readonly waitingSeconds: number;
  /** What the event store said when the oldest was last tried. */
  readonly lastError: string | undefined;
  /** Events that the event store called invalid, or that were set aside by hand. They wait no longer, and are kept. */
  readonly dead: number;
  readonly lastDeadError: string | undefined;
  /** Events that wait behind one of their own stream that the event store refused, that one included. */
  readonly refused: {
    readonly events: number;
    readonly streams: number;
    /** The one that has waited longest. */
    readonly stream: string | undefined;
    /** What the event store said: of it, and where it said something else of others, of up to two of those. */
    readonly error: string | undefined;
  };
}

export interface OutboxTable {
  /** Whether anything waits that all must stay behind, and which of `streams` must stay behind a refused head. */
  look(streams: readonly string[]): Promise<{ readonly waits: boolean; readonly held: ReadonlySet<string> }>;
  /** @returns false when `onlyBehind` and nothing waits: then nothing was stored */
  add(events: readonly SerialisedEvent[], options: { readonly onlyBehind: boolean }): Promise<boolean>;
  /** In order; without what is invalid. */
  waitingOf(stream: string): Promise<readonly WaitingEvent[]>;
  status(): Promise<OutboxStatus>;
  /** Lets all wait again that is invalid or was refused. @returns how many */
  reviveDead(): Promise<number>;
  /**
   * Lets a stream that waits behind a refused event wait no more: its events are kept, each with the refusal as its cause.
   * @returns how many; 0 when none of the stream is refused
   */
  setAside(stream: string): Promise<number>;
}

/** Every method throws ConnectorStateError `DATABASE_UNAVAILABLE` or `DATABASE_NOT_MIGRATED`. */
export function createOutboxTable(pool: Pool, namedStatements: boolean): OutboxTable {
  const runner = createRunner(pool, namedStatements);
  const run = (statement: typeof ADD, values: readonly unknown[], timeoutMs: number) =>
    runner(statement, values, { action: 'use the outbox', timeoutMs, recognise: toOutboxError });
  return {
    async look(streams) {
      const found = (await run(LOOK, [streams], ASK_TIMEOUT_MS)).map(([stream]) => stream);
      return {
        waits: found.some(stream => stream == null),
        held: new Set(found.filter(stream => stream != null)),
      };
    },
    async add(events, { onlyBehind }) {
      // From here on any process's relay may have them.
      for (const { id } of events) handOn(id);
      const envelopes = `[${events.map(toEnvelope).join(',')}]`;
      const [row] = await run(ADD, [envelopes, onlyBehind, WRITE_TIMEOUT_MS], WRITE_TIMEOUT_MS);
      return row?.[0] === 't';
    },
    async waitingOf(stream) {
      const rows = await run(OF_STREAM, [stream], READ_TIMEOUT_MS);
      return rows.map(([id, envelope, recordedAt]) =>
        toWaiting(id as string, envelope as string, Number(recordedAt)),
      );
    },
    async status() {
      const [row] = await run(STATUS, [], READ_TIMEOUT_MS);
      return toStatus(row as TextRow);
    },
    async reviveDead() {
      return (await run(REVIVE, [], READ_TIMEOUT_MS)).length;
    },
    async setAside(stream) {
      return (await run(SET_ASIDE, [stream], READ_TIMEOUT_MS)).length;
    },
  };
}

/** As {@link toWaiting} reads it. Written by hand because `data` is JSON text already. */
function toEnvelope({ data, ...envelope }: SerialisedEvent): string {
  return `${JSON.stringify(envelope).slice(0, -1)},"data":${data}}`;
}

function toStatus(row: TextRow): OutboxStatus {
  const [waiting, dead, since, now, lastError, lastDeadError, heldEvents, heldStreams, stream, error] = row;
  const waitingSince = since == null ? undefined : Number(since);
  return {
    waiting: Number(waiting),
    waitingSince,
    waitingSeconds: waitingSince === undefined ? 0 : Math.max(0, (Number(now) - waitingSince) / 1_000),
    lastError: lastError ?? undefined,
    dead: Number(dead),
    lastDeadError: lastDeadError ?? undefined,
    refused: {
      events: Number(heldEvents),
      streams: Number(heldStreams),
      stream: stream ?? undefined,
      error: error ?? undefined,
    },
  };
}

function toOutboxError(error: unknown): ConnectorStateError {
  // The runner's own words for a deadline speak of the event store, which this is not.
  if (isConnectorStateError(error)) {
    return new ConnectorStateError(
      'DATABASE_UNAVAILABLE',
      'the outbox in the database did not answer in time: check DATABASE_URL and that the server runs',
    );
  }
  const about = toStoreError(error, 'store them in the outbox');
  return isConnectorStateError(about, 'INVALID_EVENT') ? about : toDatabaseError(error);
}
