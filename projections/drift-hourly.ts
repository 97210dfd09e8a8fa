/**
 * `drift_hourly`: the measurements of `drift_sample`, summed up by the hour.
 *
 * A question about weeks reads a few thousand of these rows and not millions of samples: how far each exchange's clock
 * was off, how sure that was, how fast it drifted, when it stepped, and how long the exchange took to answer. What
 * the figures mean and how hours are put together again is told in src/clock/drift-cell.ts.
 *
 * One row per hour (by the reference clock), exchange, environment, scope, reference clock and machine. Machine, and not
 * process: see src/clock/machine.ts. The reference clock keeps its whole name even where it is a process's own, because
 * offsets against different clocks have nothing to do with each other; such rows exist only from outages of the
 * database, for while it can be read its clock is the reference.
 *
 * A step is seen within the row by the fold, and between rows by whoever reads them one after the other: no
 * event can touch two rows.
 */
import { addToCell, cellOf, type DriftCell } from '../src/clock/drift-cell.js';
import { machineOf } from '../src/clock/machine.js';
import { scopeOf } from '../src/events/connector.js';
import type { KnownEvent } from '../src/events/event.js';
import { isMeasurement, measuredIn } from './drift-sample.js';
import { type Projection, uuid } from './projection.js';

export type DriftHourlyRow = {
  /** Start of the hour. */
  readonly hour: number;
  readonly exchange: string;
  readonly environment: string;
  readonly scope: string;
  readonly referenceClock: string;
  readonly machine: string;
  /** The last measurement that went in: connectors that waited for one together report it one after the other. */
  readonly syncId: string;
} & DriftCell & {
    readonly position: string;
  };

const HOUR_MS = 3_600_000;

function keyOf(event: KnownEvent) {
  if (!isMeasurement(event)) return undefined;
  const { exchange, environment, referenceClock, measuredAt } = event.data;
  const hour = Math.floor(measuredAt / HOUR_MS) * HOUR_MS;
  const scope = scopeOf(event.data);
  return { hour, exchange, environment, scope, referenceClock, machine: machineOf(event.host) };
}

/**
 * No event makes a row with figures that are none; somebody wrote into the table. They would only spread, so the hour
 * begins anew with the next measurement (promise 9), and a rebuild brings back the rest.
 */
const isSound = (row: DriftHourlyRow) =>
  Number.isFinite(
    row.offsetMs +
      row.uncertaintyMs +
      row.knownAt +
      row.lastAt +
      row.meanOffsetMs +
      row.weight +
      row.timeSquares,
  );

export const driftHourly: Projection<DriftHourlyRow> = {
  name: 'drift_hourly',
  // 2: what cannot have come about is not folded (belief.ts).
  version: 2,
  table: {
    name: 'drift_hourly',
    columns: {
      hour: 'timestamptz',
      exchange: 'text',
      environment: 'text',
      referenceClock: 'text',
      machine: 'text',
      syncId: 'uuid',
      samples: 'integer',
      firstAt: 'timestamptz',
      lastAt: 'timestamptz',
      minOffsetMs: 'double precision',
      maxOffsetMs: 'double precision',
      meanOffsetMs: 'double precision',
      tightestUncertaintyMs: 'double precision',
      firstOffsetMs: 'double precision',
      firstUncertaintyMs: 'double precision',
      firstKnownAt: 'timestamptz',
      offsetMs: 'double precision',
      uncertaintyMs: 'double precision',
      knownAt: 'timestamptz',
      steps: 'integer',
      stepAfter: 'timestamptz',
      steppedAt: 'timestamptz',
      stepMs: 'double precision',
      weight: 'double precision',
      weightSquares: 'double precision',
      centreMs: 'double precision',
      centreOffsetMs: 'double precision',
      timeSquares: 'double precision',
      timeOffsets: 'double precision',
      offsetSquares: 'double precision',
      roundTripMinMs: 'double precision',
      roundTripsTo5: 'integer',
      roundTripsTo10: 'integer',
      roundTripsTo25: 'integer',
      roundTripsTo50: 'integer',
      roundTripsTo100: 'integer',
      roundTripsTo250: 'integer',
      roundTripsTo500: 'integer',
      roundTripsTo1000: 'integer',
      roundTripsOver: 'integer',
      position: 'text',
      scope: 'text',
    },
    key: ['hour', 'exchange', 'environment', 'scope', 'referenceClock', 'machine'],
  },
  handles: ['ConnectorSynced'],

  keyOf,

  evolve(row, event) {
    const key = keyOf(event);
    if (!key || !isMeasurement(event)) return row;
    const { data } = event;
    const syncId = uuid(data.syncId);
    if (row?.syncId === syncId) return row;
    const measurement = { atMs: data.measuredAt, ...measuredIn(data), roundTripMs: data.roundTripMs };
    if (!row || !isSound(row)) return { ...key, ...cellOf(measurement), syncId, position: event.position };
    const next = addToCell(row, measurement);
    next.syncId = syncId;
    next.position = event.position;
    return next;
  },
};
