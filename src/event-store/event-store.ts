/**
 * The port every event store implements: an append-only log of facts, in streams and in one global order.
 *
 * What a store promises, and the contract suite (test/contract/event-store-contract.ts) checks:
 *  - An append is acknowledged only when it is durable; what failed may be retried with the same event ids,
 *    and is then stored once.
 *  - A reader in global order sees every event exactly once, in one order that never changes afterwards,
 *    whatever order writers commit in.
 *  - Within a stream, versions count from 1 without gaps, and global order agrees with stream order.
 */
import type { ClientBase } from 'pg';
import type { RawEvent } from '../events/decode.js';
import type { NewEvent, Position, StoredEvent } from '../events/event.js';

/** What the stream must look like for the append to be taken. Default: `any`. */
export type ExpectedVersion = number | 'no-stream' | 'any';

export interface AppendOptions {
  /**
   * By stream; streams that are not named are appended to whatever their version is, and naming one to which
   * nothing is appended is `INVALID_INPUT`. A stream all of whose events are there already passes whatever
   * was expected (it is a retry); one of which a part is there is held against its version of now.
   */
  readonly expectedVersions?: Readonly<Record<string, ExpectedVersion>>;
  readonly signal?: AbortSignal;
  /**
   * How long the caller will wait, in milliseconds, where that is shorter than the store would try. A store that can
   * go another way divides it among its attempts.
   */
  readonly timeoutMs?: number;
  /**
   * What is to be sent right behind the append, over its connection and before it has been answered: a store whose log lies
   * in PostgreSQL calls it once when it has sent the append, or not at all. The connection is the caller's until it
   * resolves to whether it is in order.
   */
  readonly behind?: ((connection: ClientBase) => Promise<boolean>) | undefined;
}

export interface AppendedEvent {
  readonly id: string;
  readonly stream: string;
  readonly version: number;
  /** False: the store already had an event of this id in this stream, and this one was not stored again. */
  readonly isNew: boolean;
}

export interface AppendResult {
  /** In the order given; empty when the events are {@link AppendResult.waiting}. */
  readonly events: readonly AppendedEvent[];
  /**
   * Who has read up to here has seen all the events: the position of the last of them, or of one that was stored
   * together with it and lies behind it. `undefined` for an empty append, and while the events wait. Where each
   * event lies is not told: a store may have to be asked for it again, and only its readers need it.
   */
  readonly position: Position | undefined;
  /** The event that lies at `position`, where the store knows it. */
  readonly last?: Pick<StoredEvent, 'id' | 'stream'> | undefined;
  /**
   * How many events are durable and acknowledged but not in the store yet, so that they have neither version nor
   * position: they wait in the outbox (outbox/) for a store that cannot be reached. Left out by stores themselves.
   */
  readonly waiting?: number;
}

export interface ReadStreamOptions {
  readonly direction?: 'forwards' | 'backwards';
  /** Inclusive. Default: the first event forwards, the last backwards. */
  readonly fromVersion?: number;
  readonly limit?: number;
}

export interface ReadAllOptions {
  /** Exclusive; `undefined` reads from the first event. */
  readonly after?: Position | undefined;
  /** At most this many events. */
  readonly limit: number;
}

/** An event and where it lies: what a reader remembers, to know again the log that it read. */
export interface EventAt {
  readonly id: string;
  readonly position: Position;
}

export interface EventsFrom {
  /** The event at `after` itself; `undefined` when none lies there, or nothing was asked for. */
  readonly at: EventAt | undefined;
  /** Those behind it. */
  readonly events: readonly StoredEvent[];
}

export interface SubscribeOptions {
  readonly after?: Position | undefined;
  /**
   * The last event before what is wanted: at `after`, or before it where a subscription has looked further. Held
   * against the log at the start and after each interruption.
   */
  readonly expecting?: EventAt | undefined;
  /** Ends the iteration without an error. */
  readonly signal: AbortSignal;
  /** Events a page, 1–10 000. */
  readonly pageSize?: number;
}

/** One page of a subscription. The source is not asked for the next before this one is taken. */
export interface Page {
  readonly events: readonly StoredEvent[];
  /** The last event's position; a page may be empty (then the position given at the start, or the last). */
  readonly position: Position | undefined;
  /**
   * True: the head was asked for after this page's last event had been read, and lay no further. False: more follows, or
   * nobody could say. What was appended since is behind it all the same.
   */
  readonly caughtUp: boolean;
}

/** The log as SQL. */
export interface LogTable {
  /** Of the store that wrote it, as in its positions. */
  readonly store: string;
  /** What the store itself reads it over: who has the same pool can send the SQL to the same database. */
  readonly pool: unknown;
  /**
   * The events at and behind a place, at most so many.
   * @param from SQL for the text of a position, or null for before the first
   * @param limit SQL for a number
   */
  eventsFrom(from: string, limit: string): string;
  /** @param row one of those, its columns as the server's text */
  toEvent(row: readonly (string | null)[]): StoredEvent;
}

export interface EventStore {
  /** `pg`: the prefix of its positions. */
  readonly name: string;

  /**
   * Appends events to one or many streams, atomically.
   * @throws VersionConflictError when a stream is not at its expected version (nothing is stored)
   * @throws InvalidEventError when an event does not pass its schema (nothing is stored)
   * @throws ConnectorStateError `EVENT_STORE_FAILED` when the store could not be reached or refused
   */
  append(events: readonly NewEvent[], options?: AppendOptions): Promise<AppendResult>;

  /** A stream that does not exist reads as empty. */
  readStream(stream: string, options?: ReadStreamOptions): Promise<readonly StoredEvent[]>;

  /** Here, and wherever the log is read and not one stream, a `HitsForgotten` comes without its sums (`entries`). */
  readAll(options: ReadAllOptions): Promise<readonly StoredEvent[]>;

  /**
   * As {@link EventStore.readAll}, and in the same read which event lies at `after`. A position at which nothing lies,
   * in this log or in any, is no error here: it is the answer.
   */
  readFrom(options: ReadAllOptions): Promise<EventsFrom>;

  /**
   * Catches up from `after`, then follows. Pull-based: at most one page is held in memory, and a slow
   * reader holds the source back. Yields a page with `caughtUp: true` at least once when it reaches the head.
   *
   * The first read's failure ends the iteration with an error; after that it outlives restarts of the store,
   * and only a refusal ends it. Closing the store ends it without an error.
   *
   * @throws LogChangedError when the event that was expected, or the last that was handed out, is not there any more
   */
  subscribe(options: SubscribeOptions): AsyncIterable<Page>;

  /** Where the log lies in a PostgreSQL database: for who reads it there within his own transaction. */
  readonly logTable?: LogTable | undefined;

  /** The position of the last event, `undefined` when there is none. */
  head(): Promise<Position | undefined>;

  /** The last event, `undefined` when there is none. */
  last(): Promise<EventAt | undefined>;

  /**
   * What tells this log from others wherever it is moved: the id of the first event of those that are kept for good.
   * `undefined` while there is none. Restoring an older state of a log does not change it.
   */
  identity(): Promise<string | undefined>;

  /** How many events lie after `position`: exact for as many as a reader of metrics can wait for, else an estimate. */
  countAfter(position: Position | undefined): Promise<number>;

  /**
   * Lets hits go that are recorded as forgotten, as soon and as far as the store can. Left out by a store that cannot.
   * @param span hits recorded before `before` (epoch ms) that lie before the event at `until`
   * @returns how many events will not be read again
   * @throws ConnectorStateError `EVENT_STORE_FAILED`
   */
  dropForgotten?(
    span: { readonly before: number; readonly until: Position },
    signal?: AbortSignal,
  ): Promise<number>;

  /** <0, 0, >0 as `a` is before, at or after `b`. `undefined` is before every event. */
  compare(a: Position | undefined, b: Position | undefined): number;

  close(): Promise<void>;
}

/**
 * A store whose log can be moved to another: events go out and in as they are stored, nothing decoded, brought up
 * to date or judged, so that what an older or a newer release wrote arrives unchanged.
 */
export interface TransferableEventStore extends EventStore {
  /** As {@link EventStore.readAll}, undecoded. */
  readRaw(options: ReadAllOptions): Promise<readonly RawEvent[]>;

  /** The last event in global order, undecoded; `undefined` when there is none. */
  lastRaw(): Promise<RawEvent | undefined>;

  /**
   * Stores events of another store under their ids, with all their times, `recordedAt` included, and their schema
   * version. In the order given, one after the other: what a crash leaves is a beginning of them. An id that
   * is in its stream already is not stored again. Versions count on in each stream. Positions are this
   * store's own, except that a store of the same name may keep those it is given.
   *
   * Not for recording: whoever may call it can say when something was recorded.
   *
   * @returns how many of them were not there already; exact as long as nobody else imports the same
   * @throws ConnectorStateError `EVENT_STORE_FAILED` when the store could not be reached or refused
   */
  importRaw(events: readonly RawEvent[]): Promise<number>;
}
