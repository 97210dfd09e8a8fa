/**
 * What the cache would have done in shadow mode, hourly; see projections/shadow-outcome.ts. `bigint` columns read as
 * strings.
 */
import { Column, Entity, PrimaryColumn } from './decorators.js';

@Entity({ name: 'shadow_outcome' })
export class ShadowOutcome {
  @PrimaryColumn({
    name: 'hour',
    type: 'timestamptz',
    primaryKeyConstraintName: 'shadow_outcome_pkey',
  })
  hour!: Date;

  @PrimaryColumn({
    name: 'exchange',
    type: 'text',
    primaryKeyConstraintName: 'shadow_outcome_pkey',
  })
  exchange!: string;

  @PrimaryColumn({
    name: 'environment',
    type: 'text',
    primaryKeyConstraintName: 'shadow_outcome_pkey',
  })
  environment!: string;

  @PrimaryColumn({
    name: 'contact',
    type: 'text',
    primaryKeyConstraintName: 'shadow_outcome_pkey',
  })
  contact!: string;

  @PrimaryColumn({
    name: 'tier',
    type: 'text',
    primaryKeyConstraintName: 'shadow_outcome_pkey',
  })
  tier!: string;

  @PrimaryColumn({
    name: 'miss_reason',
    type: 'text',
    primaryKeyConstraintName: 'shadow_outcome_pkey',
  })
  missReason!: string;

  @PrimaryColumn({
    name: 'error_up_to_ms',
    type: 'double precision',
    primaryKeyConstraintName: 'shadow_outcome_pkey',
  })
  errorUpToMs!: number;

  @Column({ name: 'inits', type: 'bigint' })
  inits!: string;

  @Column({ name: 'stale', type: 'bigint' })
  stale!: string;

  @Column({ name: 'unmeasured', type: 'bigint' })
  unmeasured!: string;

  @Column({ name: 'refused', type: 'bigint' })
  refused!: string;

  @Column({ name: 'possibly_refused', type: 'bigint' })
  possiblyRefused!: string;

  @Column({ name: 'beyond_bound', type: 'bigint' })
  beyondBound!: string;

  @Column({ name: 'max_error_ms', type: 'double precision' })
  maxErrorMs!: number;

  @Column({ name: 'max_measured_uncertainty_ms', type: 'double precision' })
  maxMeasuredUncertaintyMs!: number;

  @Column({ name: 'min_tolerance_ms', type: 'double precision' })
  minToleranceMs!: number;
}
