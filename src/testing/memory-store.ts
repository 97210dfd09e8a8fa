/**
 * Facts in memory: what the event store, the projections and the lookup's query are in a database, in one object. Events
 * are held to their schemas and folded by the very projections that make the tables, so that a test meets the cache as it
 * is; only what a server adds (other processes, durability, transactions) is missing.
 */
import { connectorStateCache } from '../../projections/connector-state-cache.js';
import { exchangeClock } from '../../projections/exchange-clock.js';
import type { ConnectorStateRow, ExchangeClockRow } from '../../projections/index.js';
import { ConnectorStateError, InvalidInputError } from '../base/errors.js';
import { shown } from '../base/shown.js';
import type { LookupAnswer } from '../cache/guarded-lookup.js';
import type { AppendResult, EventStore, ReadStreamOptions } from '../event-store/event-store.js';
import { SCHEMA_VERSIONS } from '../events/catalogue.js';
import { cacheKeyOf, scopeOf } from '../events/connector.js';
import { validateNewEvent } from '../events/decode.js';
import type { KnownEvent, NewEvent, Position, StoredEvent } from '../events/event.js';
import type { LookupKey, RawClock, RawState } from '../read-model/lookup.js';

const CLOCK_ID = 'pg:in-memory:1';

export class MemoryStore {
  readonly #now: () => number;
  readonly #events: StoredEvent[] = [];
  readonly #states = new Map<string, ConnectorStateRow>();
  readonly #clocks = new Map<string, ExchangeClockRow>();

  /** @param now the clock that a database's server would have, epoch milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Everything that was appended, in order. */
  get events(): readonly StoredEvent[] {
    return this.#events;
  }

  /** What the lookup's query would find. */
  find(key: LookupKey, hostNowMs: () => number): LookupAnswer {
    const sentAtMs = hostNowMs();
    const state = this.#states.get(key.cacheKey);
    const clock = this.#clocks.get(clockKeyOf(key, CLOCK_ID));
    return {
      state: state && rawState(state),
      clock: clock && rawClock(clock),
      clockId: CLOCK_ID,
      sample: { sentAtMs, receivedAtMs: hostNowMs(), serverTimeMs: this.#now() },
      checkpoint: this.#events.at(-1)?.position,
    };
  }

  /** As much of the port as the cache asks for. */
  asEventStore(): EventStore {
    const only = { name: 'memory' };
    const missing = (method: string) => () =>
      Promise.reject(
        new ConnectorStateError(
          'EVENT_STORE_FAILED',
          `facts in memory have no ${method}(): use createConnectorState() with a database for that`,
        ),
      );
    const known: Partial<EventStore> = {
      append: async events => this.#append(events),
      readStream: async (stream, options) => this.#readStream(stream, options),
      close: async () => undefined,
    };
    return new Proxy(only as EventStore, {
      get: (target, name) => {
        if (name in target) return Reflect.get(target, name);
        // A promise that resolves to it asks for `then`.
        if (typeof name !== 'string' || name === 'then') return undefined;
        return known[name as keyof EventStore] ?? missing(name);
      },
    });
  }

  #append(events: readonly NewEvent[]): AppendResult {
    for (const event of events) validateNewEvent(event);
    const appended = events.map(event => {
      const known = this.#events.find(({ id, stream }) => id === event.id && stream === event.stream);
      const stored = known ?? this.#store(event);
      return { id: stored.id, stream: stored.stream, version: stored.version, isNew: known === undefined };
    });
    return { events: appended, position: this.#events.at(-1)?.position };
  }

  #store(event: NewEvent): StoredEvent {
    const number = this.#events.length + 1;
    const version = this.#events.filter(({ stream }) => stream === event.stream).length + 1;
    const stored = {
      ...event,
      decoded: 'known' as const,
      schemaVersion: SCHEMA_VERSIONS[event.type],
      version,
      position: `memory/${number}` as Position,
      recordedAt: Math.floor(this.#now()),
    };
    this.#events.push(stored);
    this.#project(stored);
    return stored;
  }

  #readStream(stream: string, options: ReadStreamOptions = {}): readonly StoredEvent[] {
    const { direction = 'forwards', fromVersion, limit = Number.POSITIVE_INFINITY } = options;
    const all = this.#events.filter(event => event.stream === stream);
    const isForwards = direction === 'forwards';
    const ordered = isForwards ? all : all.reverse();
    const from = ordered.filter(
      ({ version }) =>
        fromVersion === undefined || (isForwards ? version >= fromVersion : version <= fromVersion),
    );
    return from.slice(0, limit);
  }

  #project(event: KnownEvent): void {
    if (connectorStateCache.keyOf(event)) {
      const key = cacheKeyOf(event.data as Parameters<typeof cacheKeyOf>[0]);
      keep(this.#states, key, connectorStateCache.evolve(this.#states.get(key), event));
    }
    const of = exchangeClock.keyOf(event);
    if (of) {
      const key = clockKeyOf(of, of.referenceClock);
      keep(this.#clocks, key, exchangeClock.evolve(this.#clocks.get(key), event));
    }
    for (const [key, row] of this.#states) {
      const sweep = connectorStateCache.sweep?.(event);
      if (sweep && (row[sweep.column] as number) < sweep.before) this.#states.delete(key);
    }
  }
}

const placeOf = (position: Position | undefined): number => {
  if (position === undefined) return 0;
  const place = /^memory\/(\d+)$/.exec(position)?.[1];
  if (place !== undefined) return Number(place);
  throw new InvalidInputError(`a position of facts in memory is memory/<number>, got ${shown(position)}`);
};

/** As every event store's `compare`. @throws InvalidInputError for a position of another store */
export const comparePlaces = (a: Position | undefined, b: Position | undefined): number =>
  Math.sign(placeOf(a) - placeOf(b));

const clockKeyOf = (
  of: { readonly exchange?: string; readonly environment?: string; readonly scope?: string | undefined },
  referenceClock: string | undefined,
): string => `${of.exchange} ${of.environment} ${scopeOf(of)} ${referenceClock}`;

function keep<Row>(rows: Map<string, Row>, key: string, row: Row | undefined): void {
  if (row) rows.set(key, row);
  else rows.delete(key);
}

/** As the lookup's query names the columns. */
const rawState = (row: ConnectorStateRow): RawState => ({
  ...row,
  offsetMs: row.timeOffset,
  measuredAtMs: row.lastSyncTime,
  expiresAtMs: row.expiresAt,
});

const rawClock = (row: ExchangeClockRow): RawClock => ({
  ...row,
  offsetMs: row.timeOffset,
  measuredAtMs: row.measuredAt,
  expiresAtMs: row.expiresAt,
  epochStartedAtMs: row.epochStartedAt,
  contestedSinceMs: row.contestedSince,
  rivalOffsetMs: row.rivalOffset,
  rivalMeasuredAtMs: row.rivalMeasuredAt,
});
