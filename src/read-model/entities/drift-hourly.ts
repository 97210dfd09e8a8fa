/** The measurements by the hour; see projections/drift-hourly.ts. */
import { Column, Entity, PrimaryColumn } from './decorators.js';

@Entity({ name: 'drift_hourly' })
export class DriftHourly {
  @PrimaryColumn({ name: 'hour', type: 'timestamptz', primaryKeyConstraintName: 'drift_hourly_pkey' })
  hour!: Date;

  @PrimaryColumn({ name: 'exchange', type: 'text', primaryKeyConstraintName: 'drift_hourly_pkey' })
  exchange!: string;

  @PrimaryColumn({ name: 'environment', type: 'text', primaryKeyConstraintName: 'drift_hourly_pkey' })
  environment!: string;

  @PrimaryColumn({
    name: 'scope',
    type: 'text',
    default: 'default',
    primaryKeyConstraintName: 'drift_hourly_pkey',
  })
  scope!: string;

  @PrimaryColumn({ name: 'reference_clock', type: 'text', primaryKeyConstraintName: 'drift_hourly_pkey' })
  referenceClock!: string;

  @PrimaryColumn({ name: 'machine', type: 'text', primaryKeyConstraintName: 'drift_hourly_pkey' })
  machine!: string;

  @Column({ name: 'sync_id', type: 'uuid' })
  syncId!: string;

  @Column({ name: 'samples', type: 'integer' })
  samples!: number;

  @Column({ name: 'first_at', type: 'timestamptz' })
  firstAt!: Date;

  @Column({ name: 'last_at', type: 'timestamptz' })
  lastAt!: Date;

  @Column({ name: 'min_offset_ms', type: 'double precision' })
  minOffsetMs!: number;

  @Column({ name: 'max_offset_ms', type: 'double precision' })
  maxOffsetMs!: number;

  @Column({ name: 'mean_offset_ms', type: 'double precision' })
  meanOffsetMs!: number;

  @Column({ name: 'tightest_uncertainty_ms', type: 'double precision' })
  tightestUncertaintyMs!: number;

  @Column({ name: 'first_offset_ms', type: 'double precision' })
  firstOffsetMs!: number;

  @Column({ name: 'first_uncertainty_ms', type: 'double precision' })
  firstUncertaintyMs!: number;

  @Column({ name: 'first_known_at', type: 'timestamptz' })
  firstKnownAt!: Date;

  @Column({ name: 'offset_ms', type: 'double precision' })
  offsetMs!: number;

  @Column({ name: 'uncertainty_ms', type: 'double precision' })
  uncertaintyMs!: number;

  @Column({ name: 'known_at', type: 'timestamptz' })
  knownAt!: Date;

  @Column({ name: 'steps', type: 'integer' })
  steps!: number;

  @Column({ name: 'step_after', type: 'timestamptz', nullable: true })
  stepAfter!: Date | null;

  @Column({ name: 'stepped_at', type: 'timestamptz', nullable: true })
  steppedAt!: Date | null;

  @Column({ name: 'step_ms', type: 'double precision', nullable: true })
  stepMs!: number | null;

  @Column({ name: 'weight', type: 'double precision' })
  weight!: number;

  @Column({ name: 'weight_squares', type: 'double precision' })
  weightSquares!: number;

  @Column({ name: 'centre_ms', type: 'double precision' })
  centreMs!: number;

  @Column({ name: 'centre_offset_ms', type: 'double precision' })
  centreOffsetMs!: number;

  @Column({ name: 'time_squares', type: 'double precision' })
  timeSquares!: number;

  @Column({ name: 'time_offsets', type: 'double precision' })
  timeOffsets!: number;

  @Column({ name: 'offset_squares', type: 'double precision' })
  offsetSquares!: number;

  @Column({ name: 'round_trip_min_ms', type: 'double precision' })
  roundTripMinMs!: number;

  @Column({ name: 'round_trips_to5', type: 'integer' })
  roundTripsTo5!: number;

  @Column({ name: 'round_trips_to10', type: 'integer' })
  roundTripsTo10!: number;

  @Column({ name: 'round_trips_to25', type: 'integer' })
  roundTripsTo25!: number;

  @Column({ name: 'round_trips_to50', type: 'integer' })
  roundTripsTo50!: number;

  @Column({ name: 'round_trips_to100', type: 'integer' })
  roundTripsTo100!: number;

  @Column({ name: 'round_trips_to250', type: 'integer' })
  roundTripsTo250!: number;

  @Column({ name: 'round_trips_to500', type: 'integer' })
  roundTripsTo500!: number;

  @Column({ name: 'round_trips_to1000', type: 'integer' })
  roundTripsTo1000!: number;

  @Column({ name: 'round_trips_over', type: 'integer' })
  roundTripsOver!: number;

  @Column({ name: 'position', type: 'text' })
  position!: string;
}
