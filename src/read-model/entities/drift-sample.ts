/** Every measurement, partitioned by month; see projections/drift-sample.ts. */
import { Column, Entity, PrimaryColumn } from './decorators.js';

@Entity({ name: 'drift_sample' })
export class DriftSample {
  @Column({ name: 'event_id', type: 'uuid' })
  eventId!: string;

  @PrimaryColumn({ name: 'sampled_at', type: 'timestamptz', primaryKeyConstraintName: 'drift_sample_pkey' })
  sampledAt!: Date;

  @Column({ name: 'cache_key', type: 'text' })
  cacheKey!: string;

  @Column({ name: 'exchange', type: 'text' })
  exchange!: string;

  @Column({ name: 'environment', type: 'text' })
  environment!: string;

  @Column({ name: 'scope', type: 'text', default: 'default' })
  scope!: string;

  @Column({ name: 'reference_clock', type: 'text' })
  referenceClock!: string;

  @Column({ name: 'host', type: 'text' })
  host!: string;

  @PrimaryColumn({ name: 'sync_id', type: 'uuid', primaryKeyConstraintName: 'drift_sample_pkey' })
  syncId!: string;

  @Column({ name: 'sync_trigger', type: 'text' })
  syncTrigger!: string;

  @Column({ name: 'offset_ms', type: 'double precision' })
  offsetMs!: number;

  @Column({ name: 'uncertainty_ms', type: 'double precision' })
  uncertaintyMs!: number;

  @Column({ name: 'round_trip_ms', type: 'double precision' })
  roundTripMs!: number;

  @Column({ name: 'sample_count', type: 'integer' })
  sampleCount!: number;

  @Column({ name: 'position', type: 'text' })
  position!: string;

  @Column({ name: 'source', type: 'text', default: '' })
  source!: string;
}
