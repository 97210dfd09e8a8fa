/**
 * `exchange_clock`: the clock of one exchange, environment and scope as all its connectors together know it, against
 * one reference clock. A connector that starts without a state of its own takes this over and saves the sync.
 *
 * Every measurement of every connector tightens the estimate; who contradicts it is its rival until another host
 * decides. The arithmetic is in src/clock/shared-clock.ts; here it only meets the row.
 *
 * What lookups need has columns. What only the next fold needs (the bounds and who vouches for them, the sums of the
 * regression) is one text, `memory`: JSON, which keeps doubles exactly.
 */

import { distrust, trust } from '../src/clock/distrust.js';
import { ASSUMED_RATE, type RateBound } from '../src/clock/offset.js';
import {
  addMeasurement,
  agrees,
  type ClockMemory,
  condemn,
  type Measurement,
  type Rival,
  type SharedClock,
} from '../src/clock/shared-clock.js';
import { MAX_TTL_MS } from '../src/clock/ttl.js';
import { scopeOf } from '../src/events/connector.js';
import type { KnownEvent } from '../src/events/event.js';
import { FUTURE_SLACK_MS, MAX_OFFSET_MS, MAX_RATE_PPM } from './belief.js';
import { type Projection, uuid } from './projection.js';

export type ExchangeClockRow = {
  readonly exchange: string;
  readonly environment: string;
  /** Which of the exchange's hosts, or which group of them. */
  readonly scope: string;
  readonly referenceClock: string;
  /** Exchange minus reference clock, ms, at `measuredAt`. */
  readonly timeOffset: number;
  readonly uncertaintyMs: number;
  /** The latest measurement that went in. */
  readonly syncId: string;
  readonly measuredAt: number;
  readonly expiresAt: number;
  readonly isValid: boolean;
  /** Counts the steps of the clock, from 1. */
  readonly epoch: number;
  /** What was measured before it is void. 0 (1970) in the first epoch, whose beginning is not known. */
  readonly epochStartedAt: number;
  readonly sampleCount: number;
  /** How the offset moves on from `measuredAt`: 0 ± 50 until the drift is known. */
  readonly ratePpm: number;
  readonly rateBoundPpm: number;
  /** Somebody contradicts the clock: what was measured before this is in doubt. */
  readonly contestedSince: number | null;
  readonly rivalHost: string | null;
  /** The sync it brought, or the one that was refused. */
  readonly rivalSyncId: string | null;
  /** What is said instead, unless it was a refusal that told no time. */
  readonly rivalOffset: number | null;
  readonly rivalUncertaintyMs: number | null;
  readonly rivalMeasuredAt: number | null;
  /** {@link ClockMemory} and what else is needed of the rival, as JSON. */
  readonly memory: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Of the last event that changed the row. */
  readonly position: string;
};

type SyncedEvent = Extract<KnownEvent, { type: 'ConnectorSynced' }>;
type DistrustedEvent = Extract<KnownEvent, { type: 'WitnessDistrusted' }>;
type InvalidatedEvent = Extract<KnownEvent, { type: 'ConnectorStateInvalidated' }>;

type ClockEvent = SyncedEvent | InvalidatedEvent | DistrustedEvent;

/** A state that was taken over from this very clock measured nothing: it must not confirm itself. */
const isAboutClock = (event: KnownEvent): event is ClockEvent =>
  event.type === 'ConnectorStateInvalidated' ||
  event.type === 'WitnessDistrusted' ||
  (event.type === 'ConnectorSynced' && event.data.basis === 'measured');

const placeOf = ({ data }: ClockEvent) => ({
  exchange: data.exchange,
  environment: data.environment,
  scope: scopeOf(data),
  referenceClock: data.referenceClock,
});

type Remembered = ClockMemory & { readonly rival?: { readonly ttlMs?: number } };

/**
 * A row that was folded here bears its clock, where neither a copy of the row nor the database finds it: parsing what
 * was just written as text would cost more than all the rest of the fold. The text itself is made when it is asked for,
 * since of a thousand measurements that are folded together only the last is stored.
 */
const CLOCK = Symbol('clock');

interface BearsClock {
  readonly [CLOCK]?: SharedClock;
}

const MEMORY: PropertyDescriptor = {
  enumerable: true,
  get(this: Required<BearsClock>) {
    return memoryText(this[CLOCK]);
  },
};

function withClock(columns: Omit<ExchangeClockRow, 'memory'>, clock: SharedClock): ExchangeClockRow {
  Object.defineProperty(columns, 'memory', MEMORY);
  Object.defineProperty(columns, CLOCK, { value: clock });
  return columns as ExchangeClockRow;
}

function clockOf(row: ExchangeClockRow): SharedClock {
  const known = (row as BearsClock)[CLOCK];
  if (known) return known;
  const { ratePpm, rateBoundPpm } = row;
  const { rival, ...memory } = parseMemory(row.memory) ?? {};
  const isRateKnown = ratePpm !== ASSUMED_RATE.ratePpm || rateBoundPpm !== ASSUMED_RATE.boundPpm;
  return {
    syncId: row.syncId,
    estimate: {
      offsetMs: row.timeOffset,
      uncertaintyMs: row.uncertaintyMs,
      atMs: row.measuredAt,
      ...(isRateKnown && { rate: { ratePpm, boundPpm: rateBoundPpm } }),
    },
    expiresAtMs: row.expiresAt,
    isValid: row.isValid,
    epoch: row.epoch,
    epochStartedAtMs: row.epochStartedAt,
    sampleCount: row.sampleCount,
    rival: rivalOf(row, rival?.ttlMs),
    memory: 'evidence' in memory ? memory : undefined,
  };
}

function rivalOf(row: ExchangeClockRow, ttlMs = 0): Rival | undefined {
  const { contestedSince, rivalHost, rivalSyncId } = row;
  const { rivalOffset, rivalUncertaintyMs, rivalMeasuredAt } = row;
  if (contestedSince === null || rivalHost === null || rivalSyncId === null) return undefined;
  const estimate =
    rivalOffset === null || rivalUncertaintyMs === null || rivalMeasuredAt === null
      ? undefined
      : { offsetMs: rivalOffset, uncertaintyMs: rivalUncertaintyMs, atMs: rivalMeasuredAt };
  return { host: rivalHost, syncId: rivalSyncId, sinceMs: contestedSince, ttlMs, estimate };
}

/** `undefined` for what no fold has written (promise 9): the clock then goes on from its estimate alone. */
function parseMemory(text: string): Remembered | undefined {
  let value: Partial<Remembered> | null;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { evidence, drift, supporters, former, distrusted } = value ?? {};
  const isWhole =
    [evidence?.lows, evidence?.highs].every(bounds => Array.isArray(bounds) && bounds.length > 0) &&
    [evidence?.atMs, ...Object.values(drift ?? {})].every(Number.isFinite) &&
    Array.isArray(supporters) &&
    Array.isArray(former ?? []) &&
    Array.isArray(distrusted);
  return isWhole ? (value as Remembered) : undefined;
}

/** One text for one memory, whichever part of it changed last, here or before it was read back. */
const inOrder = (memory: ClockMemory | undefined): { readonly [K in keyof ClockMemory]: unknown } => ({
  evidence: memory?.evidence,
  drift: memory?.drift,
  supporters: memory?.supporters,
  former: memory?.former,
  distrusted: memory?.distrusted,
  residuals: memory?.residuals,
  refused: memory?.refused,
});

/** Spelt out: a row is made for every measurement, and putting it together of several objects was a tenth of the projector's time (decision 63). */
function rowOf(
  clock: SharedClock,
  { data, recordedAt, position }: ClockEvent,
  createdAt: number,
): ExchangeClockRow {
  const { estimate, rival } = clock;
  const { ratePpm, boundPpm } = estimate.rate ?? ASSUMED_RATE;
  const columns = {
    exchange: data.exchange,
    environment: data.environment,
    scope: scopeOf(data),
    referenceClock: data.referenceClock,
    timeOffset: estimate.offsetMs,
    uncertaintyMs: estimate.uncertaintyMs,
    syncId: clock.syncId,
    measuredAt: estimate.atMs,
    expiresAt: clock.expiresAtMs,
    isValid: clock.isValid,
    epoch: clock.epoch,
    epochStartedAt: clock.epochStartedAtMs,
    sampleCount: clock.sampleCount,
    ratePpm,
    rateBoundPpm: boundPpm,
    contestedSince: rival?.sinceMs ?? null,
    rivalHost: rival?.host ?? null,
    rivalSyncId: rival?.syncId ?? null,
    rivalOffset: rival?.estimate?.offsetMs ?? null,
    rivalUncertaintyMs: rival?.estimate?.uncertaintyMs ?? null,
    rivalMeasuredAt: rival?.estimate?.atMs ?? null,
    createdAt,
    updatedAt: recordedAt,
    position,
  };
  return withClock(columns, clock);
}

const memoryText = ({ memory, rival }: SharedClock) =>
  JSON.stringify({
    ...inOrder(memory),
    ...(rival && { rival: { syncId: rival.syncId, ttlMs: rival.ttlMs } }),
  });

/** The measurement by itself where it is told: what its connector knew besides came from this very clock. */
const measurementOf = ({ data, host, login }: SyncedEvent): Measurement => ({
  syncId: uuid(data.syncId),
  estimate: {
    offsetMs: data.sampleOffsetMs ?? data.offsetMs,
    uncertaintyMs: data.sampleUncertaintyMs ?? data.uncertaintyMs,
    atMs: data.measuredAt,
  },
  isDerived: data.sampleOffsetMs === undefined,
  ttlMs: data.ttlMs,
  host,
  login,
});

/**
 * No event makes such a clock; somebody wrote into the table. Intersecting with nonsense would only spread it,
 * so the next measurement starts over (promise 9: the next sync heals).
 */
const isNonsense = ({ estimate, expiresAtMs, epochStartedAtMs }: SharedClock, recordedAt: number) =>
  !(
    [estimate.offsetMs, estimate.uncertaintyMs, estimate.atMs, expiresAtMs, epochStartedAtMs].every(
      Number.isFinite,
    ) &&
    estimate.uncertaintyMs >= 0 &&
    expiresAtMs > estimate.atMs &&
    expiresAtMs - estimate.atMs <= MAX_TTL_MS &&
    Math.abs(estimate.offsetMs) <= MAX_OFFSET_MS &&
    isRate(estimate.rate ?? ASSUMED_RATE) &&
    // A time in the future could never be displaced by a true one.
    Math.max(estimate.atMs, epochStartedAtMs) <= recordedAt + FUTURE_SLACK_MS
  );

const isRate = ({ ratePpm, boundPpm }: RateBound) =>
  Math.abs(ratePpm) <= MAX_RATE_PPM && boundPpm >= 0 && boundPpm <= MAX_RATE_PPM;

function afterMeasurement(clock: SharedClock | undefined, event: SyncedEvent): SharedClock {
  const measurement = measurementOf(event);
  if (!clock) return addMeasurement(undefined, measurement);
  if (isNonsense(clock, event.recordedAt)) {
    return { ...addMeasurement(undefined, measurement), epoch: clock.epoch + 1 };
  }
  // Several that met the nonsense heal it together, and agree. Who calls it nonsense and contradicts it has met none,
  // or cannot show it: it may not move the clock that others stand by.
  if (event.data.trigger === 'corrupt' && clock.isValid && !agrees(clock, measurement.estimate)) {
    throw new Error('trigger: `corrupt` of a clock that is not, and contradicts it');
  }
  return addMeasurement(clock, measurement);
}

const afterCondemnation = (clock: SharedClock, { data, host, login }: InvalidatedEvent): SharedClock =>
  condemn(clock, {
    syncId: uuid(data.condemnedSyncId),
    measuredAtMs: data.condemnedMeasuredAt,
    voidsOlder: data.reason === 'timestamp-refused',
    host,
    login,
  });

/** A clock that nobody has measured yet has nobody to distrust. */
function afterWord(clock: SharedClock, event: DistrustedEvent): SharedClock {
  const { host, login, since, undo } = event.data;
  return undo ? trust(clock, { host, login }) : distrust(clock, { host, login }, since);
}

function afterEvent(clock: SharedClock | undefined, event: ClockEvent): SharedClock | undefined {
  if (event.type === 'ConnectorSynced') return afterMeasurement(clock, event);
  if (!clock) return undefined;
  return event.type === 'WitnessDistrusted' ? afterWord(clock, event) : afterCondemnation(clock, event);
}

export const exchangeClock: Projection<ExchangeClockRow> = {
  name: 'exchange_clock',
  // 3: what cannot have come about is not folded (belief.ts). 4: who decides alone (quorum.ts), what sticks out (residuals.ts).
  version: 4,
  table: {
    name: 'exchange_clock',
    columns: {
      exchange: 'text',
      environment: 'text',
      referenceClock: 'text',
      timeOffset: 'double precision',
      uncertaintyMs: 'double precision',
      syncId: 'uuid',
      measuredAt: 'timestamptz',
      expiresAt: 'timestamptz',
      isValid: 'boolean',
      epoch: 'integer',
      epochStartedAt: 'timestamptz',
      sampleCount: 'bigint',
      createdAt: 'timestamptz',
      updatedAt: 'timestamptz',
      position: 'text',
      ratePpm: 'double precision',
      rateBoundPpm: 'double precision',
      contestedSince: 'timestamptz',
      rivalHost: 'text',
      rivalSyncId: 'uuid',
      rivalOffset: 'double precision',
      rivalUncertaintyMs: 'double precision',
      rivalMeasuredAt: 'timestamptz',
      memory: 'json',
      scope: 'text',
    },
    key: ['exchange', 'environment', 'scope', 'referenceClock'],
  },
  handles: ['ConnectorSynced', 'ConnectorStateInvalidated', 'WitnessDistrusted'],

  keyOf(event) {
    if (!isAboutClock(event)) return undefined;
    return placeOf(event);
  },

  evolve(row, event) {
    if (!isAboutClock(event)) return row;
    const before = row && clockOf(row);
    const after = afterEvent(before, event);
    if (!after || after === before) return row;
    return rowOf(after, event, row?.createdAt ?? event.recordedAt);
  },
};
