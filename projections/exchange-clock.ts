/**
 * `exchange_clock`: the clock of one exchange and environment as all its connectors together know it, against
 * one reference clock. A connector that starts without a state of its own takes this over and saves the sync.
 *
 * Every measurement of every connector tightens the estimate; a timestamp refusal ends its epoch. The
 * arithmetic is in src/clock/shared-clock.ts; here it only meets the row.
 */
import { addMeasurement, condemn, type Measurement, type SharedClock } from '../src/clock/shared-clock.js';
import type { KnownEvent } from '../src/events/event.js';
import { type Projection, uuid } from './projection.js';

export type ExchangeClockRow = {
  readonly exchange: string;
  readonly environment: string;
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
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Of the last event that changed the row. */
  readonly position: string;
};

type SyncedEvent = Extract<KnownEvent, { type: 'ConnectorSynced' }>;
type InvalidatedEvent = Extract<KnownEvent, { type: 'ConnectorStateInvalidated' }>;

/** A state that was taken over from this very clock measured nothing: it must not confirm itself. */
const isAboutClock = (event: KnownEvent): event is SyncedEvent | InvalidatedEvent =>
  event.type === 'ConnectorStateInvalidated' ||
  (event.type === 'ConnectorSynced' && event.data.basis === 'measured');

const clockOf = (row: ExchangeClockRow): SharedClock => ({
  syncId: row.syncId,
  estimate: { offsetMs: row.timeOffset, uncertaintyMs: row.uncertaintyMs, atMs: row.measuredAt },
  expiresAtMs: row.expiresAt,
  isValid: row.isValid,
  epoch: row.epoch,
  epochStartedAtMs: row.epochStartedAt,
  sampleCount: row.sampleCount,
});

const clockColumns = (clock: SharedClock) => ({
  timeOffset: clock.estimate.offsetMs,
  uncertaintyMs: clock.estimate.uncertaintyMs,
  syncId: clock.syncId,
  measuredAt: clock.estimate.atMs,
  expiresAt: clock.expiresAtMs,
  isValid: clock.isValid,
  epoch: clock.epoch,
  epochStartedAt: clock.epochStartedAtMs,
  sampleCount: clock.sampleCount,
});

const measurementOf = ({ data }: SyncedEvent): Measurement => ({
  syncId: uuid(data.syncId),
  estimate: { offsetMs: data.offsetMs, uncertaintyMs: data.uncertaintyMs, atMs: data.measuredAt },
  ttlMs: data.ttlMs,
});

/**
 * No event makes such a clock; somebody wrote into the table. Intersecting with nonsense would only spread it,
 * so the next measurement starts over (promise 9: the next sync heals).
 */
const isNonsense = ({ estimate, expiresAtMs, epochStartedAtMs }: SharedClock) =>
  !(
    [estimate.offsetMs, estimate.uncertaintyMs, estimate.atMs, expiresAtMs, epochStartedAtMs].every(
      Number.isFinite,
    ) && estimate.uncertaintyMs >= 0
  );

function afterMeasurement(clock: SharedClock | undefined, event: SyncedEvent): SharedClock {
  const measurement = measurementOf(event);
  if (!clock) return addMeasurement(undefined, measurement);
  // `corrupt`: a lookup found values it could not believe, such as a measurement from the future, which a
  // true one could never displace. What a refusal made void stays void all the same.
  const startsOver = isNonsense(clock) || (event.data.trigger === 'corrupt' && clock.isValid);
  if (!startsOver) return addMeasurement(clock, measurement);
  return { ...addMeasurement(undefined, measurement), epoch: clock.epoch + 1 };
}

const afterCondemnation = (clock: SharedClock, { data }: InvalidatedEvent): SharedClock =>
  condemn(clock, {
    syncId: uuid(data.condemnedSyncId),
    measuredAtMs: data.condemnedMeasuredAt,
    voidsOlder: data.reason === 'timestamp-refused',
  });

export const exchangeClock: Projection<ExchangeClockRow> = {
  name: 'exchange_clock',
  version: 1,
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
    },
    key: ['exchange', 'environment', 'referenceClock'],
  },
  handles: ['ConnectorSynced', 'ConnectorStateInvalidated'],

  keyOf(event) {
    if (!isAboutClock(event)) return undefined;
    const { exchange, environment, referenceClock } = event.data;
    return { exchange, environment, referenceClock };
  },

  evolve(row, event) {
    if (!isAboutClock(event)) return row;
    const before = row && clockOf(row);
    const after =
      event.type === 'ConnectorSynced'
        ? afterMeasurement(before, event)
        : before && afterCondemnation(before, event);
    if (!after || after === before) return row;
    const { exchange, environment, referenceClock } = event.data;
    return {
      exchange,
      environment,
      referenceClock,
      ...clockColumns(after),
      createdAt: row?.createdAt ?? event.recordedAt,
      updatedAt: event.recordedAt,
      position: event.position,
    };
  },
};
