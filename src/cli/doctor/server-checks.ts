/**
 * Whether the server, and whatever stands before it, lets us work: the pooler's mode, the defaults of this role and
 * database, who holds locks, and an append with a lookup done for once, as the role that was given, and undone.
 */
import type { Pool, PoolClient } from 'pg';
import { systemClock } from '../../clock/host-clock.js';
import { newEventId } from '../../events/ids.js';
import { edgeStreamOf } from '../../events/streams.js';
import { describeDatabaseError, remedyOf } from '../../postgres/database-error.js';
import { findPooling } from '../../postgres/pooler.js';
import { BEGIN } from '../../postgres/transactions.js';
import { describeHolders, tableLockHolders } from '../../read-model/lock-holders.js';
import { lookup } from '../../read-model/lookup.js';
import { type Check, fail, ok, warn } from './check.js';

/** Whatever a check throws is a finding of its own; the others go on. */
export async function guarded(name: string, check: () => Promise<Check>): Promise<Check> {
  try {
    return await check();
  } catch (error) {
    return fail(name, describeDatabaseError(error).message, remedyOf(error));
  }
}

/** @param pool of two connections at least */
export async function checkPooler(pool: Pool): Promise<Check> {
  const client = await pool.connect();
  try {
    const pooling = await findPooling(client, () => pool.connect());
    if (pooling === 'none') return ok('pooler', 'none: the server itself answers');
    return pooling === 'session'
      ? ok('pooler', 'one in session mode')
      : warn(
          'pooler',
          'one that gives each transaction another session (transaction mode)',
          'for `connector-state rebuild` give the address of the server itself; all else works through it',
        );
  } finally {
    client.release();
  }
}

interface Defaults {
  readonly isolation: string;
  readonly readOnly: string;
  readonly digits: number;
  readonly recovery: boolean;
  /** Milliseconds, 0 for none. */
  readonly statementMs: number;
  readonly lockMs: number;
  readonly idleMs: number;
  readonly transactionMs: number | null;
  readonly path: string;
  readonly encoding: string;
  readonly schema: string | null;
}

/** A page of events takes a fraction of this. */
const SHORT_TIMEOUT_MS = 5_000;

const DEFAULTS = `SELECT current_setting('default_transaction_isolation') AS isolation,
  current_setting('default_transaction_read_only') AS "readOnly",
  current_setting('extra_float_digits')::integer AS digits, pg_is_in_recovery() AS recovery,
  (SELECT setting::float8 FROM pg_settings WHERE name = 'statement_timeout') AS "statementMs",
  (SELECT setting::float8 FROM pg_settings WHERE name = 'lock_timeout') AS "lockMs",
  (SELECT setting::float8 FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout') AS "idleMs",
  (SELECT setting::float8 FROM pg_settings WHERE name = 'transaction_timeout') AS "transactionMs",
  current_setting('search_path') AS path, current_setting('server_encoding') AS encoding,
  (SELECT n.nspname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = to_regclass('connector_state_cache')) AS schema`;

/** What this role, database or server has set, held against what we say in each transaction anyway. */
export async function checkDefaults(pool: Pool): Promise<Check[]> {
  const { rows } = await pool.query<Defaults>(DEFAULTS);
  const found = rows[0] as Defaults;
  return [
    found.isolation === 'read committed'
      ? ok('isolation', found.isolation)
      : warn(
          'isolation',
          `${found.isolation} by default; we ask for read committed, which costs an append two round trips more`,
          "ALTER ROLE … SET default_transaction_isolation = 'read committed'",
        ),
    writable(found),
    found.digits >= 1
      ? ok('float digits', 'all')
      : warn(
          'float digits',
          `extra_float_digits is ${found.digits}: floats are rounded for other programs, we ask for all digits`,
          'ALTER ROLE … SET extra_float_digits = 1',
        ),
    timeouts(found),
    found.encoding === 'UTF8'
      ? ok('encoding', found.encoding)
      : warn(
          'encoding',
          `${found.encoding}: connectors whose ids it has no letters for are never remembered, their facts are dropped`,
          "use a database made with ENCODING 'UTF8'",
        ),
    ok('search path', `${found.path}; the tables are in ${found.schema ?? 'none of these schemas'}`),
  ];
}

function writable({ recovery, readOnly }: Defaults): Check {
  if (recovery) {
    return fail(
      'read-only',
      'the server is a standby: it takes no facts',
      'point DATABASE_URL at the primary',
    );
  }
  return readOnly === 'off'
    ? ok('read-only', 'no')
    : warn(
        'read-only',
        'by default; we ask for read/write, which costs an append two round trips more',
        'ALTER ROLE … SET default_transaction_read_only = off',
      );
}

function timeouts({ statementMs, lockMs, idleMs, transactionMs }: Defaults): Check {
  const all = {
    statement_timeout: statementMs,
    lock_timeout: lockMs,
    idle_in_transaction_session_timeout: idleMs,
    // From PostgreSQL 17 on.
    transaction_timeout: transactionMs ?? 0,
  };
  const set = Object.entries(all).filter(([, ms]) => ms > 0);
  const said = set.map(([name, ms]) => `${name} ${ms} ms`).join(', ') || 'none set';
  const short = set.filter(([, ms]) => ms < SHORT_TIMEOUT_MS).map(([name]) => name);
  return short.length === 0
    ? ok('timeouts', said)
    : warn(
        'timeouts',
        `${said}: shorter than a page of events may take`,
        `ALTER ROLE … SET ${short[0]} to ${SHORT_TIMEOUT_MS} ms or more; lookups have deadlines of their own`,
      );
}

/** A transaction of ours is over in less; a person's may stand open for a lunch. */
const LONG_TRANSACTION_SECONDS = 30;

export async function checkLocks(pool: Pool): Promise<Check> {
  const client = await pool.connect();
  try {
    const holders = (await tableLockHolders(client)).filter(
      ({ seconds }) => seconds >= LONG_TRANSACTION_SECONDS,
    );
    return holders.length === 0
      ? ok('locks', 'nobody holds our tables for long')
      : warn(
          'locks',
          `our tables are in use by ${describeHolders(holders)}`,
          'let it finish, or end it: SELECT pg_terminate_backend(pid)',
        );
  } finally {
    client.release();
  }
}

const REHEARSAL_MS = 5_000;

/**
 * An append (with an event store of its own: into the outbox) and a lookup in one transaction, rolled back. What stays
 * is a number that the log's sequence gave away.
 */
export async function checkRehearsal(
  pool: Pool,
  { hasRemoteEvents }: { hasRemoteEvents: boolean },
): Promise<Check> {
  const client = await pool.connect();
  let step = 'begin a transaction';
  try {
    await client.query(BEGIN);
    step = hasRemoteEvents ? 'put a fact into the outbox' : 'append a fact';
    await client.query(
      hasRemoteEvents
        ? 'SELECT connector_outbox_add($1, false, $2)'
        : 'SELECT * FROM connector_event_append($1, NULL, $2)',
      [JSON.stringify([rehearsedFact()]), REHEARSAL_MS],
    );
    step = 'look a state up';
    await lookup(pinned(client), [{ cacheKey: '', ...NOBODY }], {
      namedStatements: false,
      now: () => systemClock.now(),
      wall: () => systemClock.wall(),
      signal: AbortSignal.timeout(REHEARSAL_MS),
    });
    return ok(
      'rehearsal',
      `${hasRemoteEvents ? 'a fact for the outbox' : 'an append'} and a lookup went through, and were undone`,
    );
  } catch (error) {
    const { code, message } = describeDatabaseError(error);
    return fail(
      'rehearsal',
      `this role could not ${step} (${code ?? 'no code'}: ${message})`,
      remedyOf(error),
    );
  } finally {
    await client.query('ROLLBACK').catch(() => undefined);
    client.release();
  }
}

const NOBODY = { exchange: 'BYBIT', environment: 'MAINNET' } as const;

/** About an exchange, which a login that is bound to one user may record as well as any other. */
function rehearsedFact() {
  const id = newEventId();
  const data = { ...NOBODY, scope: `rehearsal-${id}` };
  return {
    id,
    stream: edgeStreamOf(data),
    type: 'ExchangeEdgeMeasured',
    schema_version: 1,
    data,
    occurred_at: Date.now(),
    host: 'doctor',
  };
}

/** One connection, lent as if it were a pool, and not given back. */
function pinned(client: PoolClient): Pool {
  const lent = {
    query: client.query.bind(client),
    on: client.on.bind(client),
    off: client.off.bind(client),
    release: () => undefined,
  };
  return { connect: async () => lent } as unknown as Pool;
}
