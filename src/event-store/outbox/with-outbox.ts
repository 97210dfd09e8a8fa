/**
 * An event store that acknowledges appends also while it cannot be reached: they wait in the outbox, a table in
 * PostgreSQL, and a relay takes them on.
 *
 * Order decides where an append goes. While anything waits, everything new goes behind it; so a connector's facts
 * arrive in the order they were recorded in, and a clean-up behind the facts it concerns. That is also the
 * circuit breaker, shared by all processes: while something waits nobody but the relay tries the store, and a
 * dead store costs an append one statement in PostgreSQL, as a live one does to learn that nothing waits.
 *
 *   its stream waits behind a refused event → into the outbox, behind that; what is for other streams goes on:
 *   nothing waits → append to the store ─ fails ─→ into the outbox
 *   something waits → let the relay try, if it does not rest ─ emptied ─→ append to the store
 *                                                            └ else ────→ into the outbox, behind the others
 *   PostgreSQL does not say → append to the store, unless this process knows that something waits; if neither
 *                             takes them the append fails, and the recorder keeps them in its bounded buffer
 *
 * (The third line prefers a fact stored over the order between two processes of which one lost the event store
 * and the other the database. The order within a process holds there too.)
 *
 * An append whose answer was lost may have been stored and wait as well; the event id makes that one event. What
 * depends on a stream's version cannot wait: it fails while its streams' events do.
 *
 * Reading: a stream shows what waits behind what is stored, at provisional versions and positions. Global reads and
 * subscriptions do not, for those positions will be given only when the relay delivers.
 */
import type { Pool } from 'pg';
import { withDeadline } from '../../base/deadline.js';
import { ConnectorStateError, isConnectorStateError } from '../../base/errors.js';
import type { Logger } from '../../base/logging.js';
import type { NewEvent, Position } from '../../events/event.js';
import type { AppendOptions, AppendResult, EventStore } from '../event-store.js';
import { serialiseEvent } from '../serialise.js';
import { appendWithin } from './append-within.js';
import { readMergedStream } from './merged-stream.js';
import type { Relay } from './relay.js';
import { createOutboxTable } from './table.js';
import { waitingNumber } from './waiting-event.js';

export interface OutboxOptions {
  /** Of the database with the outbox. The caller ends it. */
  readonly pool: Pool;
  readonly log: Logger;
  /** Empties the outbox before an append when that is quick. Left out where this process's role may not. */
  readonly relay?: Relay | undefined;
  /** Awaited before the outbox is first used, e.g. to make its table. */
  readonly prepare?: (() => Promise<unknown>) | undefined;
  readonly namedStatements?: boolean | undefined;
  /** How long the store may take for an append before it waits instead, in milliseconds. Default 3000. */
  readonly appendTimeoutMs?: number | undefined;
}

const DEFAULT_APPEND_TIMEOUT_MS = 3_000;
/** Longer than a few hundred events take, and short enough for who awaits a flush. */
const DRAIN_TIMEOUT_MS = 500;
const PREPARE_TIMEOUT_MS = 2_000;

export function withOutbox(store: EventStore, options: OutboxOptions): EventStore {
  const { log, relay, prepare = async () => undefined } = options;
  const table = createOutboxTable(options.pool, options.namedStatements ?? true);
  const appendTimeoutMs = options.appendTimeoutMs ?? DEFAULT_APPEND_TIMEOUT_MS;
  /** What this process last learned, or did. */
  let waits: boolean | undefined;
  let held: ReadonlySet<string> = new Set();

  const prepared = () =>
    withDeadline(prepare(), PREPARE_TIMEOUT_MS, () => {
      throw new ConnectorStateError('DATABASE_UNAVAILABLE', 'the database with the outbox is not ready');
    });

  /** Whether all must stay behind what waits; else `held` says which of the streams must. */
  async function learnWhatWaits(streams: readonly string[]): Promise<boolean> {
    try {
      await prepared();
      ({ waits, held } = await table.look(streams));
    } catch (error) {
      if (waits || streams.some(stream => held.has(stream))) throw error;
      log.debug({ error: messageOf(error) }, 'the outbox cannot be asked; appending to the event store');
      return false;
    }
    if (waits && (await relay?.drain({ timeoutMs: DRAIN_TIMEOUT_MS })) === 'empty') waits = false;
    return waits;
  }

  /** @returns false: nothing waits any more */
  async function putBehind(events: readonly NewEvent[], onlyBehind: boolean): Promise<boolean> {
    await prepared();
    const isIn = await table.add(events.map(serialiseEvent), { onlyBehind });
    waits = isIn;
    if (isIn) relay?.poke({ storeFailed: false });
    return isIn;
  }

  async function append(
    events: readonly NewEvent[],
    appendOptions: AppendOptions = {},
  ): Promise<AppendResult> {
    const { expectedVersions = {}, signal } = appendOptions;
    const isConditional = Object.values(expectedVersions).some(expected => expected !== 'any');
    if (events.length === 0) return store.append(events, appendOptions);
    if (await learnWhatWaits([...new Set(events.map(({ stream }) => stream))])) {
      if (isConditional) throw cannotWait();
      if (await putBehind(events, true)) return waiting(events);
    }
    const behind = held.size === 0 ? [] : events.filter(({ stream }) => held.has(stream));
    if (isConditional && behind.length > 0) throw cannotWait();
    if (isConditional) return store.append(events, appendOptions);
    if (behind.length === 0) return appendOrWait(events, signal);
    const others = events.filter(({ stream }) => !held.has(stream));
    await putBehind(behind, false);
    if (others.length === 0) return waiting(behind);
    const result = await appendOrWait(others, signal);
    return { ...result, waiting: (result.waiting ?? 0) + behind.length };
  }

  async function appendOrWait(
    events: readonly NewEvent[],
    signal: AbortSignal | undefined,
  ): Promise<AppendResult> {
    try {
      return await appendWithin(store, events, appendTimeoutMs, signal);
    } catch (error) {
      if (signal?.aborted || !isUnavailable(error)) throw error;
      try {
        await putBehind(events, false);
        relay?.poke({ storeFailed: true });
      } catch (outboxError) {
        if (isConnectorStateError(outboxError, 'INVALID_EVENT')) throw outboxError;
        throw new ConnectorStateError(
          'EVENT_STORE_FAILED',
          `${messageOf(error)}; and ${messageOf(outboxError)}`,
        );
      }
      const isRefused = (error as { transient?: boolean }).transient === false;
      log.warn(
        { error: messageOf(error), events: events.length },
        `${isRefused ? 'the event store refuses' : 'the event store cannot be reached'}: facts wait in the outbox from now on`,
      );
      return waiting(events);
    }
  }

  function compare(a: Position | undefined, b: Position | undefined): number {
    const [x, y] = [waitingNumber(a), waitingNumber(b)];
    if (x === undefined && y === undefined) return store.compare(a, b);
    if (x === undefined) return -1;
    if (y === undefined) return 1;
    return x < y ? -1 : x > y ? 1 : 0;
  }

  return {
    name: store.name,
    append,
    async readStream(stream, readOptions = {}) {
      await prepared();
      return readMergedStream(store, table, stream, readOptions);
    },
    readAll: readOptions => store.readAll(readOptions),
    readFrom: readOptions => store.readFrom(readOptions),
    subscribe: subscribeOptions => store.subscribe(subscribeOptions),
    head: () => store.head(),
    last: () => store.last(),
    identity: () => store.identity(),
    ...(store.dropForgotten && {
      dropForgotten: (span, signal) => store.dropForgotten?.(span, signal) ?? Promise.resolve(0),
    }),
    countAfter: position => store.countAfter(position),
    compare,
    async close() {
      await relay?.stop();
      await store.close();
    },
  };
}

/** Everything but what is the events' or the caller's own fault may be different later. */
const isUnavailable = (error: unknown): boolean =>
  !isConnectorStateError(error) ||
  !['INVALID_EVENT', 'INVALID_INPUT', 'VERSION_CONFLICT', 'CLOSED'].includes(error.code);

const waiting = (events: readonly NewEvent[]): AppendResult => ({
  events: [],
  position: undefined,
  waiting: events.length,
});

const cannotWait = () =>
  new ConnectorStateError(
    'EVENT_STORE_FAILED',
    'events wait in the outbox for the event store, so what a stream’s version is cannot be said: try again when the outbox is empty',
  );

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
