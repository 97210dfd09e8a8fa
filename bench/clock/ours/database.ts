/**
 * The database as the cache meets it: rows folded by the real projections, answered with the server's own time.
 *
 * Facts come in batches, are held to their schemas as the event store does, get a position and the store's time, and
 * change the rows at once: appending and projecting takes the time that the sender waits (recorder.ts). During a
 * failover nobody answers; afterwards another server does, with the same rows and another clock.
 */
import { connectorStateCache } from '../../../projections/connector-state-cache.js';
import { exchangeClock } from '../../../projections/exchange-clock.js';
import type { ConnectorStateRow, ExchangeClockRow } from '../../../projections/index.js';
import type { LookupAnswer } from '../../../src/cache/guarded-lookup.js';
import { isFine } from '../../../src/clock/residuals.js';
import { EVENT_SCHEMAS } from '../../../src/events/catalogue.js';
import { cacheKeyOf, scopeOf } from '../../../src/events/connector.js';
import type { Fact, KnownEvent, Position } from '../../../src/events/event.js';
import type { LookupKey, RawClock, RawState } from '../../../src/read-model/lookup.js';
import type { Reference, World } from '../world/world.js';

export interface RecordedBy {
  readonly host: string;
  readonly occurredAt: number;
}

type Synced = Extract<Fact, { type: 'ConnectorSynced' }>['data'];

const KEPT_FINE = 20_000;

type FactListener = (fact: Fact, by: RecordedBy, storedAtMs: number) => void;

export class SimulatedDatabase {
  readonly #references: readonly Reference[];
  readonly #outage: World['outage'] | undefined;
  readonly #states = new Map<string, ConnectorStateRow>();
  readonly #clocks = new Map<string, ExchangeClockRow>();
  /** Reference time of the first sample in each shared clock's present epoch. */
  readonly #epochsSince = new Map<string, number>();
  /** Reference times of the samples that were finer than what the clock claimed then, the oldest first. */
  readonly #fine = new Map<string, number[]>();
  #events = 0;
  #invalid = 0;

  readonly #onFact: FactListener | undefined;

  /** @param onFact hears of each fact that was stored, in true time */
  constructor(references: readonly Reference[], outage?: World['outage'], onFact?: FactListener) {
    this.#references = references;
    this.#outage = outage;
    this.#onFact = onFact;
  }

  get events(): number {
    return this.#events;
  }

  /** Facts that no event store would take. */
  get invalidFacts(): number {
    return this.#invalid;
  }

  isDown(trueMs: number): boolean {
    return this.#outage !== undefined && trueMs >= this.#outage.fromMs && trueMs < this.#outage.toMs;
  }

  primaryAt(trueMs: number): Reference {
    const primary = this.#references.findLast(({ fromMs }) => fromMs <= trueMs) ?? this.#references[0];
    if (!primary) throw new Error('a database needs a server');
    return primary;
  }

  append(facts: readonly { readonly fact: Fact; readonly by: RecordedBy }[], trueMs: number): void {
    const recordedAt = Math.floor(this.primaryAt(trueMs).clock.read(trueMs));
    for (const { fact, by } of facts) {
      const { success } = EVENT_SCHEMAS[fact.type].safeParse(fact.data);
      if (!success) {
        this.#invalid++;
      } else {
        this.#project(fact, by, recordedAt);
        this.#onFact?.(fact, by, trueMs);
      }
    }
  }

  /** What one lookup's query finds, but for the times that only its sender knows. */
  find(key: LookupKey, trueMs: number): Omit<LookupAnswer, 'sample'> & { readonly serverTimeMs: number } {
    const primary = this.primaryAt(trueMs);
    const state = this.#states.get(key.cacheKey);
    const clock = this.#clocks.get(clockKeyOf(key, primary.id));
    return {
      state: state && rawState(state),
      clock: clock && rawClock(clock),
      clockId: primary.id,
      // PostgreSQL keeps microseconds.
      serverTimeMs: Math.floor(primary.clock.read(trueMs) * 1000) / 1000,
      checkpoint: undefined,
    };
  }

  /**
   * Reference time of the oldest sample that the shared clock's present epoch rests on, for who watches from outside.
   * The row says less: its epoch may be told to begin with the last sample that was condemned.
   */
  epochSince(exchange: string, environment: string, referenceClock: string): number {
    return (
      this.#epochsSince.get(clockKeyOf({ exchange, environment }, referenceClock)) ?? Number.NEGATIVE_INFINITY
    );
  }

  /** Reference time of the first sample after a time that was finer than the claim it went into; see residuals.ts. */
  fineSampleAfter(exchange: string, environment: string, referenceClock: string, ms: number): number {
    const times = this.#fine.get(clockKeyOf({ exchange, environment }, referenceClock)) ?? [];
    // The one that is sought lies among the latest.
    let first = Number.POSITIVE_INFINITY;
    for (let i = times.length - 1; i >= 0 && (times[i] as number) > ms; i--) first = times[i] as number;
    return first;
  }

  #noteFine(key: string, synced: Synced, before: ExchangeClockRow | undefined): void {
    const { measuredAt, sampleUncertaintyMs = synced.uncertaintyMs } = synced;
    const sample = { offsetMs: 0, uncertaintyMs: sampleUncertaintyMs, atMs: measuredAt };
    if (before && !isFine({ ...sample, uncertaintyMs: uncertaintyAt(before, measuredAt) }, sample)) return;
    const times = this.#fine.get(key) ?? [];
    if (measuredAt > (times.at(-1) ?? 0)) this.#fine.set(key, [...times.slice(-KEPT_FINE), measuredAt]);
  }

  #project(fact: Fact, by: RecordedBy, recordedAt: number): void {
    const number = ++this.#events;
    const event = {
      ...fact,
      ...by,
      id: `event-${number}`,
      stream: 'connector_state',
      schemaVersion: 2,
      version: number,
      position: `pg/${number}` as Position,
      recordedAt,
    } as KnownEvent;
    if (connectorStateCache.keyOf(event)) {
      const key = cacheKeyOf(event.data as Parameters<typeof cacheKeyOf>[0]);
      store(this.#states, key, connectorStateCache.evolve(this.#states.get(key), event));
    }
    const of = exchangeClock.keyOf(event);
    if (of) {
      const key = clockKeyOf(of, of.referenceClock);
      const before = this.#clocks.get(key);
      const after = exchangeClock.evolve(before, event);
      store(this.#clocks, key, after);
      if (fact.type === 'ConnectorSynced' && after !== before) this.#noteFine(key, fact.data, before);
      if (after && after.epoch !== before?.epoch) {
        // A rival that was proved right brought the first one.
        const rivalAtMs = before?.rivalMeasuredAt ?? Number.POSITIVE_INFINITY;
        this.#epochsSince.set(key, Math.min(after.measuredAt, rivalAtMs));
      }
    }
  }
}

const uncertaintyAt = (row: ExchangeClockRow, referenceMs: number): number =>
  row.uncertaintyMs + (Math.abs(referenceMs - row.measuredAt) * row.rateBoundPpm) / 1e6;

const clockKeyOf = (
  of: { readonly exchange?: string; readonly environment?: string; readonly scope?: string | undefined },
  referenceClock: string | undefined,
): string => `${of.exchange} ${of.environment} ${scopeOf(of)} ${referenceClock}`;

function store<Row>(rows: Map<string, Row>, key: string, row: Row | undefined): void {
  if (row) rows.set(key, row);
}

/** As the lookup's query names the columns. */
const rawState = (row: ConnectorStateRow): RawState => ({
  userId: row.userId,
  credentialId: row.credentialId,
  exchange: row.exchange,
  environment: row.environment,
  scope: row.scope,
  offsetMs: row.timeOffset,
  uncertaintyMs: row.uncertaintyMs,
  referenceClock: row.referenceClock,
  syncId: row.syncId,
  basis: row.basis,
  measuredAtMs: row.lastSyncTime,
  expiresAtMs: row.expiresAt,
  isValid: row.isValid,
  ratePpm: row.ratePpm,
  rateBoundPpm: row.rateBoundPpm,
});

const rawClock = (row: ExchangeClockRow): RawClock => ({
  offsetMs: row.timeOffset,
  uncertaintyMs: row.uncertaintyMs,
  syncId: row.syncId,
  measuredAtMs: row.measuredAt,
  expiresAtMs: row.expiresAt,
  isValid: row.isValid,
  epoch: row.epoch,
  epochStartedAtMs: row.epochStartedAt,
  ratePpm: row.ratePpm,
  rateBoundPpm: row.rateBoundPpm,
  contestedSinceMs: row.contestedSince,
  rivalHost: row.rivalHost,
  rivalSyncId: row.rivalSyncId,
  rivalOffsetMs: row.rivalOffset,
  rivalUncertaintyMs: row.rivalUncertaintyMs,
  rivalMeasuredAtMs: row.rivalMeasuredAt,
});
