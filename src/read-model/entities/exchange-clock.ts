/** The clock that all connectors of an exchange share; see projections/exchange-clock.ts. `bigint` columns read as strings. */
import { Column, Entity, PrimaryColumn } from './decorators.js';

@Entity({ name: 'exchange_clock' })
export class ExchangeClock {
  @PrimaryColumn({ name: 'exchange', type: 'text', primaryKeyConstraintName: 'exchange_clock_pkey' })
  exchange!: string;

  @PrimaryColumn({ name: 'environment', type: 'text', primaryKeyConstraintName: 'exchange_clock_pkey' })
  environment!: string;

  @PrimaryColumn({
    name: 'scope',
    type: 'text',
    default: 'default',
    primaryKeyConstraintName: 'exchange_clock_pkey',
  })
  scope!: string;

  @PrimaryColumn({ name: 'reference_clock', type: 'text', primaryKeyConstraintName: 'exchange_clock_pkey' })
  referenceClock!: string;

  @Column({ name: 'time_offset', type: 'double precision' })
  timeOffset!: number;

  @Column({ name: 'uncertainty_ms', type: 'double precision' })
  uncertaintyMs!: number;

  @Column({ name: 'sync_id', type: 'uuid' })
  syncId!: string;

  @Column({ name: 'measured_at', type: 'timestamptz' })
  measuredAt!: Date;

  @Column({ name: 'expires_at', type: 'timestamptz' })
  expiresAt!: Date;

  @Column({ name: 'is_valid', type: 'boolean' })
  isValid!: boolean;

  @Column({ name: 'epoch', type: 'integer' })
  epoch!: number;

  @Column({ name: 'epoch_started_at', type: 'timestamptz' })
  epochStartedAt!: Date;

  @Column({ name: 'sample_count', type: 'bigint' })
  sampleCount!: string;

  @Column({ name: 'rate_ppm', type: 'double precision', default: 0 })
  ratePpm!: number;

  @Column({ name: 'rate_bound_ppm', type: 'double precision', default: 50 })
  rateBoundPpm!: number;

  @Column({ name: 'contested_since', type: 'timestamptz', nullable: true })
  contestedSince!: Date | null;

  @Column({ name: 'rival_host', type: 'text', nullable: true })
  rivalHost!: string | null;

  @Column({ name: 'rival_sync_id', type: 'uuid', nullable: true })
  rivalSyncId!: string | null;

  @Column({ name: 'rival_offset', type: 'double precision', nullable: true })
  rivalOffset!: number | null;

  @Column({ name: 'rival_uncertainty_ms', type: 'double precision', nullable: true })
  rivalUncertaintyMs!: number | null;

  @Column({ name: 'rival_measured_at', type: 'timestamptz', nullable: true })
  rivalMeasuredAt!: Date | null;

  @Column({ name: 'memory', type: 'text', default: '' })
  memory!: string;

  @Column({ name: 'created_at', type: 'timestamptz' })
  createdAt!: Date;

  @Column({ name: 'updated_at', type: 'timestamptz' })
  updatedAt!: Date;

  @Column({ name: 'position', type: 'text' })
  position!: string;
}
