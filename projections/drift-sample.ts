/**
 * `drift_sample`: one row for every measurement that was made, kept for good.
 *
 * How an exchange's clock wanders against ours is read from here: offset and uncertainty over time, by
 * exchange, reference clock and host. States that were taken over from the exchange's shared clock measured
 * nothing and leave no row; connectors that waited for one measurement together leave one, told by the last.
 *
 * A row holds what the measurement showed by itself, not what the connector knew afterwards: that is tied to the
 * best sample there was and hides the clock's movement until something contradicts it. Events of version 1 say only
 * the latter, and are taken as they are.
 */

import type { EventData, SampleSource } from '../src/events/catalogue.js';
import { cacheKeyOf, scopeOf } from '../src/events/connector.js';
import type { KnownEvent } from '../src/events/event.js';
import { type Projection, uuid } from './projection.js';

export type DriftSampleRow = {
  readonly eventId: string;
  /** By the reference clock. The table is partitioned by its month. */
  readonly sampledAt: number;
  readonly cacheKey: string;
  readonly exchange: string;
  readonly environment: string;
  readonly scope: string;
  readonly referenceClock: string;
  /** The process that measured. */
  readonly host: string;
  readonly syncId: string;
  readonly syncTrigger: string;
  readonly offsetMs: number;
  readonly uncertaintyMs: number;
  readonly roundTripMs: number;
  readonly sampleCount: number;
  readonly position: string;
  /** What the stamp was read from; '' where the event does not say. */
  readonly source: SampleSource | '';
};

type SyncedEvent = Extract<KnownEvent, { type: 'ConnectorSynced' }>;

export const isMeasurement = (event: KnownEvent): event is SyncedEvent =>
  event.type === 'ConnectorSynced' && event.data.basis === 'measured';

/** What the measurement showed by itself; an interval is taken whole or not at all. */
export function measuredIn(data: EventData['ConnectorSynced']): { offsetMs: number; uncertaintyMs: number } {
  const { sampleOffsetMs, sampleUncertaintyMs } = data;
  return sampleOffsetMs === undefined || sampleUncertaintyMs === undefined
    ? { offsetMs: data.offsetMs, uncertaintyMs: data.uncertaintyMs }
    : { offsetMs: sampleOffsetMs, uncertaintyMs: sampleUncertaintyMs };
}

export const driftSample: Projection<DriftSampleRow> = {
  name: 'drift_sample',
  // 2: the measurement by itself, and its source.
  // 3: what cannot have come about is not folded (belief.ts).
  version: 3,
  table: {
    name: 'drift_sample',
    columns: {
      eventId: 'uuid',
      sampledAt: 'timestamptz',
      cacheKey: 'text',
      exchange: 'text',
      environment: 'text',
      referenceClock: 'text',
      host: 'text',
      syncId: 'uuid',
      syncTrigger: 'text',
      offsetMs: 'double precision',
      uncertaintyMs: 'double precision',
      roundTripMs: 'double precision',
      sampleCount: 'integer',
      position: 'text',
      source: 'text',
      scope: 'text',
    },
    key: ['sampledAt', 'syncId'],
    partitions: { by: 'sampledAt', ensure: 'connector_state_ensure_drift_partition' },
  },
  handles: ['ConnectorSynced'],
  isHistory: true,

  keyOf: event =>
    isMeasurement(event) ? { sampledAt: event.data.measuredAt, syncId: uuid(event.data.syncId) } : undefined,

  evolve(row, event) {
    if (!isMeasurement(event)) return row;
    const { data } = event;
    return {
      eventId: uuid(event.id),
      sampledAt: data.measuredAt,
      cacheKey: cacheKeyOf(data),
      exchange: data.exchange,
      environment: data.environment,
      scope: scopeOf(data),
      referenceClock: data.referenceClock,
      host: event.host,
      syncId: uuid(data.syncId),
      syncTrigger: data.trigger,
      ...measuredIn(data),
      roundTripMs: data.roundTripMs,
      sampleCount: data.samples,
      position: event.position,
      source: data.source ?? '',
    };
  },
};
