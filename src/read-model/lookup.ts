/**
 * The hot path's one round trip: any number of connectors' rows, the shared clock of each one's exchange and scope,
 * and the database's own time, in one statement.
 *
 * The database's time makes the reply a sample of the database's clock, so it is taken apart from the rows
 * and the send and receive times are read as close to the socket as `pg` allows.
 *
 * The clock's identity. A replica, or a primary that took over, is another clock; what tells them apart is asked of
 * connector_state_clock_id() (migrations/1764000000012). That costs two reads of the control file (~30 µs), so the
 * identity is remembered in the session, in a setting of our own: the session belongs to one server, hence so
 * does the answer, also behind a pooler that shares sessions. Only a promotion gives the server of a session another name
 * (sessions outlive it): whether it is a standby is asked each time, for that costs nothing.
 *
 * The shape. LATERAL with LIMIT keeps the planner on the index for each key: a plan made while the tables
 * were empty would otherwise join by scanning them, and a named statement keeps its plan. It keeps it for a single key
 * too: a LIMIT that is not known is taken for a tenth of the rows, so that the plan for any number of keys looks no dearer
 * than one for this key. Without that one the statement was planned anew for each lookup, which took longer than it did.
 */
import type { ClientBase, Pool, PoolClient } from 'pg';
import { type Ending, untilAborted } from '../base/deadline.js';
import { isContinuous } from '../clock/continuous.js';
import type { ClockSample } from '../clock/offset.js';
import type { StoredLink } from '../clock/stored-link.js';
import { type Environment, type Exchange, scopeOf } from '../events/connector.js';
import type { Position } from '../events/event.js';
import { askAgain } from '../postgres/asked-again.js';
import { type StatementNames, statementNames } from '../postgres/statement-names.js';

export interface LookupKey {
  readonly cacheKey: string;
  readonly exchange: Exchange;
  readonly environment: Environment;
  /** Whose clock judges its requests; see src/events/connector.ts. */
  readonly scope?: string | undefined;
  /** The reply must say how far the read model has come; and what lies at a place of the log, where that is here. */
  readonly at?: { readonly inLog: string | undefined };
  /** The reply must say which of two answers about a key is the newer one. */
  readonly withOrder?: true | undefined;
}

/** Columns as the database gave them, nothing checked: a row may contain anything (promise 9). */
export interface RawState {
  readonly userId: unknown;
  readonly credentialId: unknown;
  readonly exchange: unknown;
  readonly environment: unknown;
  readonly scope: unknown;
  readonly offsetMs: unknown;
  readonly uncertaintyMs: unknown;
  readonly referenceClock: unknown;
  readonly syncId: unknown;
  readonly basis: unknown;
  readonly measuredAtMs: unknown;
  readonly expiresAtMs: unknown;
  readonly isValid: unknown;
  readonly ratePpm: unknown;
  readonly rateBoundPpm: unknown;
  /** Of the event whose effect the row shows. */
  readonly streamVersion?: unknown;
}

export interface RawClock {
  readonly offsetMs: unknown;
  readonly uncertaintyMs: unknown;
  readonly syncId: unknown;
  readonly measuredAtMs: unknown;
  readonly expiresAtMs: unknown;
  readonly isValid: unknown;
  readonly epoch: unknown;
  readonly epochStartedAtMs: unknown;
  readonly ratePpm: unknown;
  readonly rateBoundPpm: unknown;
  readonly contestedSinceMs: unknown;
  readonly rivalHost: unknown;
  readonly rivalSyncId: unknown;
  readonly rivalOffsetMs: unknown;
  readonly rivalUncertaintyMs: unknown;
  readonly rivalMeasuredAtMs: unknown;
}

export interface LookupRow {
  readonly state: RawState | undefined;
  readonly clock: RawClock | undefined;
  /** The id of the event at {@link LookupKey.at}; `undefined` where none lies, or none was asked for. */
  readonly eventId?: string | undefined;
  /** `undefined` when it was not asked for. */
  readonly order?: RowOrder | undefined;
}

/** Which grow with every change of what they are of. */
export interface RowOrder {
  /** Of the connector's stream, as far as the row has seen it. */
  readonly streamVersion: unknown;
  /** Of the last event that went into the shared clock, as the event store calls it. */
  readonly clockPosition: unknown;
}

/** What a read replica says of itself. */
export interface ReplicaItself {
  /** Of this server since it was started. */
  readonly name: string;
  /** False once it was promoted. */
  readonly isStandby: boolean;
  /** From its clock to the primary's, as somebody measured it; `undefined` where nobody has. */
  readonly link: StoredLink | undefined;
  /** By the primary's clock: up to then at least it has come. */
  readonly renewedAtMs: number;
}

export interface LookupReply {
  /** In the order of the keys. */
  readonly rows: readonly LookupRow[];
  /** Names the database server whose clock answered. */
  readonly clockId: string;
  /** A sample of that clock. */
  readonly sample: ClockSample;
  /** The event whose effect the rows show, and that of all before it; `undefined` before the first, or not asked. */
  readonly checkpoint?: Position | undefined;
  /** The number of the log's last event; `undefined` where the log is empty or lies elsewhere, or not asked. */
  readonly head?: string | undefined;
  /** Where it was asked as one. */
  readonly replica?: ReplicaItself | undefined;
}

/** SQL for a time as epoch milliseconds, with fractions. */
export const epochMs = (column: string) => `(extract(epoch FROM ${column}) * 1000)::float8`;

/**
 * SQL for the identity of the server that answers. Where the session would round floats (`extra_float_digits` below 1,
 * as a database, a role or another client of the pooler may have set it) this statement does not: floats are written
 * after this was evaluated.
 */
export const CLOCK_ID = `
  CASE WHEN current_setting('extra_float_digits')::integer < 1
        AND set_config('extra_float_digits', '1', true) IS NULL THEN NULL
  ELSE coalesce(
    CASE WHEN pg_is_in_recovery() = (current_setting('connector_state.clock_id', true) LIKE '%:standby-%')
         THEN nullif(current_setting('connector_state.clock_id', true), '') END,
    set_config('connector_state.clock_id', connector_state_clock_id(), false)) END`;

/** In one snapshot with the rows, so that both tell of the same events. */
const CHECKPOINT = `(SELECT position FROM projection_checkpoint WHERE projection = 'connector_state_cache')`;
const ORDER = 's.stream_version::float8, x.position';

/** Of the log in this database. */
const HEAD = '(SELECT position FROM connector_event ORDER BY position DESC LIMIT 1)';

/** The server that answers; and whose clock the rows are about, which on a replica is the primary's. */
const REFERENCE = `reference AS MATERIALIZED (SELECT ${CLOCK_ID} AS id)`;

const lookupSql = ({ reference = REFERENCE, columns = '', keys = '', key = '', joins = '' } = {}) => `
WITH ${reference}
SELECT ${epochMs('clock_timestamp()')}, r.id,
       s.user_id, s.credential_id, s.exchange, s.environment, s.time_offset, s.uncertainty_ms,
       s.reference_clock, s.sync_id, s.basis, ${epochMs('s.last_sync_time')}, ${epochMs('s.expires_at')}, s.is_valid,
       s.rate_ppm, s.rate_bound_ppm, s.scope, s.stream_version::float8,
       x.time_offset, x.uncertainty_ms, x.sync_id, ${epochMs('x.measured_at')}, ${epochMs('x.expires_at')}, x.is_valid,
       x.epoch, ${epochMs('x.epoch_started_at')}, x.rate_ppm, x.rate_bound_ppm, ${epochMs('x.contested_since')},
       x.rival_host, x.rival_sync_id, x.rival_offset, x.rival_uncertainty_ms, ${epochMs('x.rival_measured_at')}${columns}
  FROM (SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]${keys}) WITH ORDINALITY
                   AS u (cache_key, exchange, environment, scope${key}, n)
         LIMIT cardinality($1)) k
 CROSS JOIN reference r
  LEFT JOIN LATERAL (SELECT * FROM connector_state_cache t WHERE t.cache_key = k.cache_key COLLATE "C" LIMIT 1) s ON true
  LEFT JOIN LATERAL (SELECT * FROM exchange_clock t
                      WHERE t.exchange = k.exchange AND t.environment = k.environment
                        AND t.scope = k.scope AND t.reference_clock = r.id
                      LIMIT 1) x ON true${joins}
 ORDER BY k.n`;

/** Exported for the benchmark, which runs it through bare `pg` as the peer to measure against. */
export const LOOKUP_SQL = lookupSql();
const AT = {
  columns: `, ${CHECKPOINT}, ${HEAD}, e.event_id, ${ORDER}`,
  keys: ', $5::bigint[]',
  key: ', at',
  joins: `
  LEFT JOIN LATERAL (SELECT event_id FROM connector_event t WHERE t.position = k.at LIMIT 1) e ON true`,
};
const LOOKUP_AT_SQL = lookupSql(AT);
/**
 * On a replica: with its link to the primary's clock. Several replicas may have one address, each started once. Whether it is
 * one still is asked each time: a session, and what was remembered in it, outlives a promotion.
 */
const LOOKUP_REPLICA_SQL = lookupSql({
  ...AT,
  reference: `
 server AS MATERIALIZED (SELECT ${CLOCK_ID} AS id, pg_is_in_recovery() AS is_standby,
   (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint AS since),
 reference AS MATERIALIZED (
   SELECT coalesce(l.reference_clock, v.id) AS id, v.id AS server, v.is_standby, v.id || '@' || v.since AS replica,
          l.reference_clock, l.offset_ms, l.uncertainty_ms, l.replica_time_ms, l.wall_minus_replica_ms, l.renewed_at
     FROM server v LEFT JOIN connector_replica_link l ON l.replica = (v.id || '@' || v.since) COLLATE "C")`,
  columns: `${AT.columns}, r.server, r.is_standby, r.replica, r.reference_clock, r.offset_ms, r.uncertainty_ms,
       r.replica_time_ms, r.wall_minus_replica_ms, ${epochMs('r.renewed_at')}`,
});
const LOOKUP_WITH_ORDER_SQL = lookupSql({ columns: `, NULL, NULL, NULL, ${ORDER}` });

/** Each of them; exported for the test of their plans. */
export const LOOKUP_STATEMENTS = {
  plain: LOOKUP_SQL,
  at: LOOKUP_AT_SQL,
  order: LOOKUP_WITH_ORDER_SQL,
  replica: LOOKUP_REPLICA_SQL,
};

export const lookupParameters = (keys: readonly LookupKey[]): string[][] => [
  keys.map(key => key.cacheKey),
  keys.map(key => key.exchange),
  keys.map(key => key.environment),
  keys.map(scopeOf),
];

export const LOOKUP_STATEMENT_NAME = 'connector_state_lookup';

/** No event has this position. */
const NOWHERE = '0';

const ATTEMPTS = 3;

export interface LookupOptions {
  readonly namedStatements: boolean;
  /** The local clock of the sample. */
  readonly now: () => number;
  /** This host's wall clock, to notice a freeze while the answer was on its way. */
  readonly wall: () => number;
  /** It is a read replica that is asked, for all it can tell. */
  readonly onReplica?: true;
  /** When it fires nobody waits any more: the server is told to end the query, and the connection is given up. */
  readonly signal: Ending;
}

/**
 * @param keys at least one
 * @throws whatever `pg` throws; the abort reason when the signal fired
 */
export async function lookup(
  pool: Pool,
  keys: readonly LookupKey[],
  options: LookupOptions,
): Promise<LookupReply> {
  const client = await connect(pool, options.signal);
  // A connection that breaks rejects its query and emits `error` too, which would end the process unheard.
  const heard = () => undefined;
  client.on('error', heard);
  let failure: Error | undefined;
  try {
    return await lookupOver(client, keys, statementNames(pool, options.namedStatements), options);
  } catch (error) {
    failure = error as Error;
    throw failure;
  } finally {
    // A statement that failed leaves a healthy connection. One that nobody waits for any more is ended on the server
    // before its place is given to another: see postgres/bounded-pool.ts.
    client.release(failure !== undefined && !isServerError(failure));
    client.off('error', heard);
  }
}

/** The same over a connection that the caller has borrowed. */
export async function lookupOver(
  client: ClientBase,
  keys: readonly LookupKey[],
  names: StatementNames,
  options: Omit<LookupOptions, 'namedStatements'>,
): Promise<LookupReply> {
  const { signal } = options;
  // Who does not ask for more does not pay for it.
  const isAt = options.onReplica || keys.some(key => key.at);
  const withOrder = keys.some(key => key.withOrder);
  const [text, suffix] = options.onReplica
    ? [LOOKUP_REPLICA_SQL, '_replica']
    : isAt
      ? [LOOKUP_AT_SQL, '_at']
      : withOrder
        ? [LOOKUP_WITH_ORDER_SQL, '_order']
        : [LOOKUP_SQL, ''];
  const values = lookupParameters(keys);
  if (isAt) values.push(keys.map(key => key.at?.inLog ?? NOWHERE));
  for (let attempt = 1; ; attempt++) {
    const name = names.nameOf(`${LOOKUP_STATEMENT_NAME}${suffix}`, text);
    const [sentAtMs, wallBeforeMs] = [options.now(), options.wall()];
    const result = await untilAborted(askAgain(client, { name, text, values }), signal).catch(error => {
      if (name !== undefined && names.lost(error)) return undefined;
      throw error;
    });
    const [receivedAtMs, wallAfterMs] = [options.now(), options.wall()];
    if (result === undefined) continue;
    // Timed by a clock that stood or was set meanwhile, the database's time would be placed wrongly on ours.
    if (isContinuous(receivedAtMs - sentAtMs, wallAfterMs - wallBeforeMs)) {
      return toReply(result.rows, sentAtMs, receivedAtMs);
    }
    if (attempt >= ATTEMPTS) throw new Error("this host's clock was set or stood during the lookup");
  }
}

function connect(pool: Pool, signal: Ending): Promise<PoolClient> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    pool.connect().then(
      client => {
        signal.removeEventListener('abort', abort);
        // Nobody waits for it any more: give it to the next.
        if (signal.aborted) client.release();
        else resolve(client);
      },
      error => {
        signal.removeEventListener('abort', abort);
        reject(error);
      },
    );
  });
}

/** Said by the server, over a connection that is as good as before. */
export const isServerError = (error: Error): boolean =>
  /^(?=.*\d)[0-9A-Z]{5}$/.test(String((error as { code?: unknown }).code));

function toReply(rows: readonly unknown[][], sentAtMs: number, receivedAtMs: number): LookupReply {
  const [first = []] = rows;
  const [serverTimeMs, clockId] = first as [number, string];
  return {
    rows: rows.map(row => ({
      state: toState(row),
      clock: toClock(row),
      eventId: (row[EVENT_COLUMN] ?? undefined) as string | undefined,
      order: toOrder(row),
    })),
    clockId,
    sample: { sentAtMs, receivedAtMs, serverTimeMs },
    checkpoint: (first[CHECKPOINT_COLUMN] ?? undefined) as Position | undefined,
    // pg gives a bigint as text.
    head: (first[HEAD_COLUMN] ?? undefined) as string | undefined,
    ...(first.length > REPLICA_COLUMN && toReplica(first.slice(REPLICA_COLUMN))),
  };
}

/** The server's clock is then its own, and not the one that the rows are about. */
function toReplica([server, isStandby, name, clockId, ...figures]: readonly unknown[]): Pick<
  LookupReply,
  'clockId' | 'replica'
> {
  const [offsetMs, uncertaintyMs, atMs, wallMinusServerMs, renewedAtMs] = figures as number[];
  const link = { clockId, offsetMs, uncertaintyMs, atMs, wallMinusServerMs } as StoredLink;
  return {
    clockId: server as string,
    replica: {
      name: name as string,
      isStandby: isStandby === true,
      link: typeof clockId === 'string' ? link : undefined,
      renewedAtMs: renewedAtMs as number,
    },
  };
}

const FIRST_STATE_COLUMN = 2;
const FIRST_CLOCK_COLUMN = 18;
const CHECKPOINT_COLUMN = 34;
const HEAD_COLUMN = 35;
const EVENT_COLUMN = 36;
const ORDER_COLUMN = 37;
const REPLICA_COLUMN = 39;

const toOrder = (row: readonly unknown[]): RowOrder | undefined =>
  row.length > ORDER_COLUMN
    ? { streamVersion: row[ORDER_COLUMN], clockPosition: row[ORDER_COLUMN + 1] }
    : undefined;

function toState(row: readonly unknown[]): RawState | undefined {
  const [
    userId,
    credentialId,
    exchange,
    environment,
    offsetMs,
    uncertaintyMs,
    referenceClock,
    syncId,
    ...rest
  ] = row.slice(FIRST_STATE_COLUMN, FIRST_CLOCK_COLUMN);
  // The columns are NOT NULL, so no user means no row.
  if (userId === null && syncId === null && credentialId === null) return undefined;
  const [basis, measuredAtMs, expiresAtMs, isValid, ratePpm, rateBoundPpm, scope, streamVersion] = rest;
  return {
    userId,
    credentialId,
    exchange,
    environment,
    scope,
    offsetMs,
    uncertaintyMs,
    referenceClock,
    syncId,
    basis,
    measuredAtMs,
    expiresAtMs,
    isValid,
    ratePpm,
    rateBoundPpm,
    streamVersion,
  };
}

function toClock(row: readonly unknown[]): RawClock | undefined {
  const [offsetMs, uncertaintyMs, syncId, measuredAtMs, expiresAtMs, isValid, epoch, ...rest] = row.slice(
    FIRST_CLOCK_COLUMN,
    CHECKPOINT_COLUMN,
  );
  if (syncId === null) return undefined;
  const [epochStartedAtMs, ratePpm, rateBoundPpm, contestedSinceMs, ...rival] = rest;
  const [rivalHost, rivalSyncId, rivalOffsetMs, rivalUncertaintyMs, rivalMeasuredAtMs] = rival;
  return {
    offsetMs,
    uncertaintyMs,
    syncId,
    measuredAtMs,
    expiresAtMs,
    isValid,
    epoch,
    epochStartedAtMs,
    ratePpm,
    rateBoundPpm,
    contestedSinceMs,
    rivalHost,
    rivalSyncId,
    rivalOffsetMs,
    rivalUncertaintyMs,
    rivalMeasuredAtMs,
  };
}
