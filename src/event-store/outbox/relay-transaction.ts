/** The relay's statements and the transaction around them. */
import type { Pool, PoolClient } from 'pg';
import { BEGIN, endsAfterSilence } from '../../postgres/transactions.js';
import type { Untaken } from './forward.js';
import { HOLDS_ITS_STREAM } from './table.js';
import { toWaiting, type WaitingEvent } from './waiting-event.js';

export interface BatchQueries {
  /** False: another instance relays. Held until the transaction ends. */
  tryLock(): Promise<boolean>;
  /** Until the transaction ends nobody adds to the outbox. */
  keepOthersOut(): Promise<void>;
  /** Without the streams that wait behind a refused head. */
  oldest(limit: number): Promise<readonly WaitingEvent[]>;
  /** Lets the heads wait again that were refused so long ago or longer. */
  retryRefused(refusedForMs: number): Promise<void>;
  remove(events: readonly WaitingEvent[]): Promise<void>;
  /** Sets them aside for good. */
  bury(dead: readonly Untaken[]): Promise<void>;
  /** Makes them heads that their streams wait behind. */
  hold(refused: readonly Untaken[]): Promise<void>;
  /** Written on the oldest only: it speaks for all behind it. */
  noteFailure(oldest: WaitingEvent, message: string): Promise<void>;
}

const TRY_LOCK = `SELECT pg_try_advisory_xact_lock(1668507761, 'connector_outbox'::regclass::oid::integer) AS held`;
// Named `row_id`, because ORDER BY means a column of the result first: by "id" it would sort text, 10 before 9.
const OLDEST = `SELECT id::text AS row_id, envelope::text, (extract(epoch FROM recorded_at) * 1000)::float8 AS recorded_at,
    last_error
  FROM connector_outbox w WHERE dead_at IS NULL AND NOT ${HOLDS_ITS_STREAM} ORDER BY id LIMIT $1`;
const RETRY_REFUSED = `UPDATE connector_outbox SET dead_at = NULL
  WHERE dead_at < clock_timestamp() - $1 * interval '1 millisecond'`;
const LIMIT_WAIT = `SET LOCAL lock_timeout = '1s'`;
/** The lock of connector_outbox_add. */
const LOCK_ADDING = `SELECT pg_advisory_xact_lock(1668507760, 'connector_outbox'::regclass::oid::integer)`;
const REMOVE = 'DELETE FROM connector_outbox WHERE id = ANY($1::bigint[])';
const setAside = (deadAt: string) =>
  `UPDATE connector_outbox SET dead_at = ${deadAt}, attempts = attempts + 1, last_error = $2 WHERE id = $1`;
const BURY = setAside(`'infinity'`);
const HOLD = setAside('clock_timestamp()');
const NOTE = 'UPDATE connector_outbox SET attempts = attempts + 1, last_error = $2 WHERE id = $1';

interface OldestRow {
  readonly row_id: string;
  readonly envelope: string;
  readonly recorded_at: number;
  readonly last_error: string | null;
}

/** Between two statements lie appends to the event store, of parts of the batch where it refuses some. */
const FROZEN_MS = 60_000;

/** A connection whose transaction failed is closed, not given back: with it goes the lock, whatever happened. */
export async function inRelayTransaction<T>(
  pool: Pool,
  work: (queries: BatchQueries) => Promise<T>,
  frozenMs = FROZEN_MS,
): Promise<T> {
  const client = await pool.connect();
  // A borrowed connection that breaks emits `error` as well as failing the query that was under way.
  const heard = () => undefined;
  client.on('error', heard);
  let isSound = false;
  try {
    await client.query(`${BEGIN}; ${endsAfterSilence(frozenMs)}`);
    const result = await work(queriesOf(client));
    await client.query('COMMIT');
    isSound = true;
    return result;
  } finally {
    client.release(!isSound);
    client.off('error', heard);
  }
}

function queriesOf(client: PoolClient): BatchQueries {
  return {
    async tryLock() {
      const { rows } = await client.query<{ held: boolean }>(TRY_LOCK);
      return rows[0]?.held === true;
    },
    async keepOthersOut() {
      await client.query(LIMIT_WAIT);
      await client.query(LOCK_ADDING);
    },
    async oldest(limit) {
      const { rows } = await client.query<OldestRow>(OLDEST, [limit]);
      return rows.map(row => toWaiting(row.row_id, row.envelope, row.recorded_at, row.last_error));
    },
    async retryRefused(refusedForMs) {
      await client.query(RETRY_REFUSED, [refusedForMs]);
    },
    async remove(events) {
      if (events.length > 0) await client.query(REMOVE, [events.map(({ rowId }) => rowId)]);
    },
    async bury(dead) {
      for (const { waiting, problem } of dead) await client.query(BURY, [waiting.rowId, problem]);
    },
    async hold(refused) {
      for (const { waiting, problem } of refused) await client.query(HOLD, [waiting.rowId, problem]);
    },
    async noteFailure({ rowId }, message) {
      await client.query(NOTE, [rowId, message]);
    },
  };
}
