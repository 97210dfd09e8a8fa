/** Hourly counters; see projections/cache-usage.ts. `bigint` columns read as strings. */
import { Column, Entity, PrimaryColumn } from './decorators.js';

@Entity({ name: 'cache_usage' })
export class CacheUsage {
  @PrimaryColumn({ name: 'hour', type: 'timestamptz', primaryKeyConstraintName: 'cache_usage_pkey' })
  hour!: Date;

  @PrimaryColumn({ name: 'exchange', type: 'text', primaryKeyConstraintName: 'cache_usage_pkey' })
  exchange!: string;

  @PrimaryColumn({ name: 'environment', type: 'text', primaryKeyConstraintName: 'cache_usage_pkey' })
  environment!: string;

  @PrimaryColumn({
    name: 'scope',
    type: 'text',
    default: 'default',
    primaryKeyConstraintName: 'cache_usage_pkey',
  })
  scope!: string;

  @PrimaryColumn({ name: 'machine', type: 'text', default: '', primaryKeyConstraintName: 'cache_usage_pkey' })
  machine!: string;

  @PrimaryColumn({ name: 'tier', type: 'text', primaryKeyConstraintName: 'cache_usage_pkey' })
  tier!: string;

  @PrimaryColumn({ name: 'sync_trigger', type: 'text', primaryKeyConstraintName: 'cache_usage_pkey' })
  syncTrigger!: string;

  @PrimaryColumn({ name: 'failure_class', type: 'text', primaryKeyConstraintName: 'cache_usage_pkey' })
  failureClass!: string;

  @Column({ name: 'hits', type: 'bigint' })
  hits!: string;

  @Column({ name: 'misses', type: 'bigint' })
  misses!: string;

  @Column({ name: 'syncs', type: 'bigint' })
  syncs!: string;

  @Column({ name: 'sync_failures', type: 'bigint' })
  syncFailures!: string;

  @Column({ name: 'auth_failures', type: 'bigint' })
  authFailures!: string;

  @Column({ name: 'invalidations', type: 'bigint' })
  invalidations!: string;

  @Column({ name: 'stale_hits', type: 'bigint', default: 0 })
  staleHits!: string;

  @Column({ name: 'late_requests', type: 'bigint', default: 0 })
  lateRequests!: string;

  @Column({ name: 'unreachable', type: 'bigint', default: 0 })
  unreachable!: string;
}
