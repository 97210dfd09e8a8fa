/**
 * The event store in PostgreSQL, the default: needs nothing but the database that the read model lives in.
 *
 * The pool is the caller's, who also hears its `error` events and ends it, after {@link EventStore.close}. LISTEN
 * needs a session of its own, which a transaction pooler does not give: pass the server's own address, or
 * `false` to poll only. Loads zod with the event catalogue, so the hot path imports this lazily; the first
 * subscription loads rxjs on top, which takes longer than zod and is nothing that a function that records needs.
 */
import type { Pool } from 'pg';
import { ConnectorStateError } from '../../base/errors.js';
import { lazy } from '../../base/lazy.js';
import type { Page, TransferableEventStore } from '../event-store.js';
import { requireWhole } from '../whole-number.js';
import { createAppender } from './append.js';
import { dropForgotten } from './drop-forgotten.js';
import { importEvents } from './import.js';
import { comparePositions, parsePosition, STORE_NAME } from './position.js';
import { createRunner } from './query.js';
import {
  eventsFromSql,
  readAll,
  readFrom,
  readHead,
  readIdentity,
  readLast,
  readRaw,
  readStream,
  toEvent,
} from './read.js';
import type { FollowOptions } from './subscription.js';

export interface PostgresEventStoreOptions {
  readonly pool: Pool;
  /** Where to LISTEN for appends; `false` or left out: subscriptions poll only. */
  readonly listen?: { readonly connectionString: string } | false | undefined;
  /** How long a live subscription waits without a hint before it looks, 1 ms and up. Default 1000. */
  readonly pollIntervalMs?: number | undefined;
  /** Off for poolers without prepared statements (Supavisor in transaction mode). Default true. */
  readonly useNamedStatements?: boolean | undefined;
  /** Deadline of an append, waiting for a connection included, 1 ms and up. Default 10 000. */
  readonly appendTimeoutMs?: number | undefined;
  /** Hears of every failure that is retried here instead of thrown (a live read, the LISTEN connection). */
  readonly onRetry?: ((error: Error) => void) | undefined;
}

const MAX_PAGE_SIZE = 10_000;
const DEFAULT_PAGE_SIZE = 500;

/** @throws InvalidInputError when an interval or deadline is not a positive number of milliseconds */
export function createPostgresEventStore(options: PostgresEventStoreOptions): TransferableEventStore {
  const { pool, listen, useNamedStatements = true, onRetry = () => undefined } = options;
  const pollIntervalMs = requireWhole('pollIntervalMs', options.pollIntervalMs ?? 1_000, [1, 2 ** 31 - 1]);
  const appendTimeoutMs = requireWhole('appendTimeoutMs', options.appendTimeoutMs ?? 10_000, [
    1,
    2 ** 31 - 1,
  ]);
  const run = createRunner(pool, useNamedStatements);
  const appendEvents = createAppender(run, appendTimeoutMs);
  const closing = new AbortController();

  const subscriptions = lazy(async () => {
    const { openSubscriptions } = await import('./subscription.js');
    return openSubscriptions({
      readPage: (after, limit, signal) => readFrom(run, { after, limit }, signal),
      listen: listen || undefined,
      onRetry,
    });
  });
  async function* follow(followOptions: FollowOptions): AsyncGenerator<Page, void, void> {
    yield* (await subscriptions.get()).follow(followOptions);
  }

  const requireOpen = () => {
    if (closing.signal.aborted) throw new ConnectorStateError('CLOSED', 'the event store is closed');
  };

  return {
    name: STORE_NAME,
    logTable: { store: STORE_NAME, pool, eventsFrom: eventsFromSql, toEvent },

    async append(events, appendOptions = {}) {
      requireOpen();
      return appendEvents(events, appendOptions);
    },

    async readStream(stream, readOptions = {}) {
      requireOpen();
      return readStream(run, stream, readOptions);
    },

    async readAll(readOptions) {
      requireOpen();
      return readAll(run, readOptions);
    },

    async readFrom(readOptions) {
      requireOpen();
      return readFrom(run, readOptions);
    },

    subscribe({ after, expecting, signal, pageSize = DEFAULT_PAGE_SIZE }) {
      requireOpen();
      parsePosition(after);
      requireWhole('pageSize', pageSize, [1, MAX_PAGE_SIZE]);
      return follow({
        after,
        expecting,
        pageSize,
        pollIntervalMs,
        signal: AbortSignal.any([signal, closing.signal]),
      });
    },

    async head() {
      requireOpen();
      return (await readHead(run))?.position;
    },

    async last() {
      requireOpen();
      return readHead(run);
    },

    async identity() {
      requireOpen();
      return readIdentity(run);
    },

    /** Exact but for the gaps that aborted appends left in the numbering. */
    async countAfter(position) {
      requireOpen();
      const from = parsePosition(position);
      const head = parsePosition((await readHead(run))?.position);
      return head > from ? Number(head - from) : 0;
    },

    async dropForgotten(_span, signal) {
      requireOpen();
      return dropForgotten(run, signal);
    },

    compare: comparePositions,

    async readRaw(readOptions) {
      requireOpen();
      return readRaw(run, readOptions);
    },

    async lastRaw() {
      requireOpen();
      return readLast(run);
    },

    async importRaw(events) {
      requireOpen();
      return importEvents(run, events);
    },

    async close() {
      closing.abort();
      await subscriptions.started()?.then(
        opened => opened.close(),
        () => undefined,
      );
    },
  };
}
