/** The offset each connector signs with; see projections/connector-state-cache.ts. `bigint` columns read as strings. */
import { Column, Entity, Index, PrimaryColumn, Unique } from './decorators.js';

@Entity({ name: 'connector_state_cache' })
@Unique('connector_state_cache_cache_key_key', ['cacheKey'])
@Index('connector_state_cache_user_id_idx', ['userId'])
@Index('connector_state_cache_expires_at_idx', ['expiresAt'])
export class ConnectorStateCache {
  @PrimaryColumn({ name: 'id', type: 'uuid', primaryKeyConstraintName: 'connector_state_cache_pkey' })
  id!: string;

  @Column({ name: 'cache_key', type: 'text', collation: 'C' })
  cacheKey!: string;

  @Column({ name: 'user_id', type: 'text' })
  userId!: string;

  @Column({ name: 'credential_id', type: 'text' })
  credentialId!: string;

  @Column({ name: 'exchange', type: 'text' })
  exchange!: string;

  @Column({ name: 'environment', type: 'text' })
  environment!: string;

  @Column({ name: 'scope', type: 'text', default: 'default' })
  scope!: string;

  @Column({ name: 'time_offset', type: 'double precision', default: 0 })
  timeOffset!: number;

  @Column({ name: 'uncertainty_ms', type: 'double precision' })
  uncertaintyMs!: number;

  @Column({ name: 'rate_ppm', type: 'double precision', default: 0 })
  ratePpm!: number;

  @Column({ name: 'rate_bound_ppm', type: 'double precision', default: 50 })
  rateBoundPpm!: number;

  @Column({ name: 'round_trip_ms', type: 'double precision' })
  roundTripMs!: number;

  @Column({ name: 'sample_count', type: 'integer' })
  sampleCount!: number;

  @Column({ name: 'reference_clock', type: 'text' })
  referenceClock!: string;

  @Column({ name: 'sync_id', type: 'uuid' })
  syncId!: string;

  @Column({ name: 'basis', type: 'text' })
  basis!: string;

  @Column({ name: 'sync_trigger', type: 'text' })
  syncTrigger!: string;

  @Column({ name: 'last_sync_time', type: 'timestamptz' })
  lastSyncTime!: Date;

  @Column({ name: 'is_valid', type: 'boolean', default: true })
  isValid!: boolean;

  @Column({ name: 'invalid_reason', type: 'text', nullable: true })
  invalidReason!: string | null;

  @Column({ name: 'condemned_sync_id', type: 'uuid', nullable: true })
  condemnedSyncId!: string | null;

  @Column({ name: 'condemned_measured_at', type: 'timestamptz', nullable: true })
  condemnedMeasuredAt!: Date | null;

  @Column({ name: 'condemned_reference_clock', type: 'text', nullable: true })
  condemnedReferenceClock!: string | null;

  @Column({ name: 'ttl_ms', type: 'bigint' })
  ttlMs!: string;

  @Column({ name: 'expires_at', type: 'timestamptz' })
  expiresAt!: Date;

  @Column({ name: 'hit_count', type: 'bigint', default: 0 })
  hitCount!: string;

  @Column({ name: 'last_hit_at', type: 'timestamptz', nullable: true })
  lastHitAt!: Date | null;

  @Column({ name: 'created_at', type: 'timestamptz' })
  createdAt!: Date;

  @Column({ name: 'updated_at', type: 'timestamptz' })
  updatedAt!: Date;

  @Column({ name: 'stream_version', type: 'bigint' })
  streamVersion!: string;

  @Column({ name: 'position', type: 'text' })
  position!: string;
}
