/**
 * The event store in EventStoreDB or KurrentDB, for whoever has outgrown one PostgreSQL: replicated, with
 * subscriptions for any number of consumers in any language.
 *
 * What differs from PostgreSQL: the server takes events of one stream together or not at all, and of several it does
 * not. So an append is atomic for each of its streams (up to the server's MaxAppendSize), and its events lie in the
 * log stream by stream. One that failed may have stored some streams' events; the same append with the same ids
 * stores the rest.
 *
 * Needs EventStoreDB 23.10 or newer, for "caught up". Measured against 23.10.8 and 24.2.0; by reading, it holds up to
 * KurrentDB 26.1. Loads gRPC and zod, so the hot path imports this lazily.
 */
import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { ConnectorStateError } from '../../base/errors.js';
import { createLimit } from '../../base/limit.js';
import { type Logger, silentLogger } from '../../base/logging.js';
import { decodeEvent, decodeLogEvent, type RawEvent } from '../../events/decode.js';
import type { NewEvent, Position } from '../../events/event.js';
import { AppendQueue } from '../append-queue.js';
import type {
  AppendOptions,
  Page,
  ReadAllOptions,
  ReadStreamOptions,
  TransferableEventStore,
} from '../event-store.js';
import { requireWhole } from '../whole-number.js';
import { type AppendContext, appendEvents, importEvents } from './append.js';
import { Connection } from './connection.js';
import { type NodePreference, parseConnectionString } from './connection-string.js';
import { type Append, storeGroup } from './group.js';
import { ATTEMPTS_A_CALL } from './interruption.js';
import { openAhead, pageAhead } from './page-ahead.js';
import { comparePositions, parsePosition, STORE_NAME } from './position.js';
import {
  countAfter,
  type ReadContext,
  readForwards,
  readFrom,
  readIdentity,
  readLast,
  readStream,
} from './read.js';
import type { Recorded } from './read-message.js';
import { toRawEvent } from './recorded-event.js';
import { type Rehearsal, rehearse } from './rehearsal.js';
import { dropForgotten, type Span } from './retention.js';
import { followPages } from './subscription.js';
import { TailCache } from './tail-cache.js';
import type { TailContext } from './tails-in-use.js';
import { LOOKS_AT_ONCE, READS_AT_ONCE, SUBSCRIPTIONS_AT_ONCE, Turns } from './turns.js';

export interface EventStoreDbStoreOptions {
  /** `esdb://user:password@host:2113?tlsCAFile=…`, with more hosts behind commas or `esdb+discover://` for a cluster. */
  readonly url: string;
  /** How the server's logs call this process. Default: the URL's `connectionName`, or a name made up. */
  readonly connectionName?: string | undefined;
  /**
   * Deadline of an append, all its attempts included, 1 ms and up; a read may take three times as long. Default:
   * the URL's `defaultDeadline`, or 10 000.
   */
  readonly callTimeoutMs?: number | undefined;
  /** Whether it will be asked to let forgotten hits go: {@link EventStoreDbStore.rehearse} then tries that too. */
  readonly dropsHits?: boolean | undefined;
  /** Hears of every failure that is retried here instead of thrown. */
  readonly log?: Logger | undefined;
}

export interface EventStoreDbStore extends TransferableEventStore {
  /**
   * Tries what this store will be asked to do, and leaves nothing behind.
   * @throws ConnectorStateError `EVENT_STORE_FAILED` when the server cannot be reached
   */
  rehearse(): Promise<Rehearsal>;
}

const DEFAULT_CALL_TIMEOUT_MS = 10_000;
const READ_TIMEOUT_FACTOR = 3;
const LARGEST_TIMEOUT_MS = 2 ** 31 - 1;
/** A page of an import is thousands of appends. */
const IMPORT_TIMEOUT_MS = 120_000;
const MAX_PAGE_SIZE = 10_000;
const DEFAULT_PAGE_SIZE = 500;

/**
 * Contacts nothing: the first call does.
 * @throws InvalidSettingsError when the URL is wrong, or would send credentials in the clear
 * @throws InvalidInputError when a time is out of its range
 */
export function createEventStoreDbStore(options: EventStoreDbStoreOptions): EventStoreDbStore {
  const { url, log = silentLogger, dropsHits = false } = options;
  const settings = parseConnectionString(url);
  const callTimeoutMs = requireWhole(
    'callTimeoutMs',
    options.callTimeoutMs ?? settings.callTimeoutMs ?? DEFAULT_CALL_TIMEOUT_MS,
    [1, LARGEST_TIMEOUT_MS / READ_TIMEOUT_FACTOR],
  );
  const attemptTimeoutMs = Math.ceil(callTimeoutMs / ATTEMPTS_A_CALL);
  const connectionName =
    options.connectionName ?? settings.connectionName ?? `connector-state-${randomUUID()}`;
  const closing = new AbortController();
  // Every operation listens while it lasts.
  setMaxListeners(0, closing.signal);
  const reached = { was: false };
  const connect = (preference: NodePreference) =>
    new Connection(settings, preference, connectionName, reached);
  const leader = connect('leader');
  const reader = settings.nodePreference === 'leader' ? leader : connect(settings.nodePreference);
  /** Each with how many subscriptions it has. */
  const followers: { readonly connection: Connection; count: number }[] = [];
  const onRetry = (failure: Error) =>
    log.warn({ problem: failure.message }, 'the event store is tried again');

  const readTimeoutMs = callTimeoutMs * READ_TIMEOUT_FACTOR;
  const turns = new Turns(READS_AT_ONCE, readTimeoutMs);
  const calling = { closing: closing.signal, attemptTimeoutMs, turns, onRetry };
  const reading: ReadContext = {
    ...calling,
    connection: reader,
    readTimeoutMs,
    leader: reader === leader ? undefined : leader,
  };
  const readPages = pageAhead<Recorded>(
    options => readForwards(reading, options),
    (after, limit) => openAhead(reading, after, limit),
  );
  const storing: TailContext = {
    ...calling,
    connection: leader,
    tails: new TailCache(),
    limit: { bytes: Number.POSITIVE_INFINITY, stored: 0 },
    looks: createLimit(LOOKS_AT_ONCE),
  };
  const queue = new AppendQueue<Append>((group, release) => storeGroup(storing, group, release));
  const writing: AppendContext = { ...storing, queue };

  const requireOpen = () => {
    if (closing.signal.aborted) throw new ConnectorStateError('CLOSED', 'the event store is closed');
  };
  const whileOpen =
    <A extends readonly unknown[], R>(call: (...given: A) => Promise<R>) =>
    async (...given: A): Promise<R> => {
      requireOpen();
      return call(...given);
    };

  async function* onOwnConnection(follow: (connection: Connection) => AsyncGenerator<Page, void, void>) {
    let follower = followers.find(({ count }) => count < SUBSCRIPTIONS_AT_ONCE);
    if (!follower) {
      follower = { connection: connect(settings.nodePreference), count: 0 };
      followers.push(follower);
    }
    follower.count += 1;
    try {
      yield* follow(follower.connection);
    } finally {
      follower.count -= 1;
    }
  }

  return {
    name: STORE_NAME,

    append: whileOpen((events: readonly NewEvent[], appendOptions: AppendOptions = {}) =>
      appendEvents(writing, events, appendOptions, callTimeoutMs),
    ),

    readStream: whileOpen(async (stream: string, readOptions: ReadStreamOptions = {}) =>
      (await readStream(reading, stream, readOptions)).map(raw => decodeEvent(raw)),
    ),

    readAll: whileOpen(async (readOptions: ReadAllOptions) =>
      (await readPages(readOptions)).map(event => decodeLogEvent(toRawEvent(event))),
    ),

    readFrom: whileOpen((readOptions: ReadAllOptions) => readFrom(reading, readOptions)),

    subscribe({ after, expecting, signal, pageSize = DEFAULT_PAGE_SIZE }) {
      requireOpen();
      parsePosition(after);
      requireWhole('pageSize', pageSize, [1, MAX_PAGE_SIZE]);
      const options = { after, expecting, pageSize, startTimeoutMs: callTimeoutMs, signal };
      return onOwnConnection(connection => followPages({ ...reading, connection }, options));
    },

    head: whileOpen(async () => (await readLast(reading))?.position),

    last: whileOpen(async () => {
      const last = await readLast(reading);
      return last && { id: last.id, position: last.position };
    }),

    identity: whileOpen(() => readIdentity(reading)),

    countAfter: whileOpen((position: Position | undefined) => countAfter(reading, position)),

    dropForgotten: whileOpen((span: Span, signal?: AbortSignal) => dropForgotten(reading, span, signal)),

    compare: comparePositions,

    readRaw: whileOpen(async (readOptions: ReadAllOptions) => (await readPages(readOptions)).map(toRawEvent)),

    lastRaw: whileOpen(async () => {
      const last = await readLast(reading);
      return last && toRawEvent(last);
    }),

    /** In the order given, and what a crash leaves is a beginning, as long as nobody else appends to the streams. */
    importRaw: whileOpen((events: readonly RawEvent[]) =>
      importEvents(writing, events, Math.max(callTimeoutMs, IMPORT_TIMEOUT_MS)),
    ),

    rehearse: whileOpen(() => rehearse(reading, dropsHits)),

    async close() {
      closing.abort();
      const connections = [leader, reader, ...followers.map(({ connection }) => connection)];
      await Promise.all(connections.map(connection => connection.close()));
    },
  };
}
