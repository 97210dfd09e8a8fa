/** The log: append-only, for reading and analytics; see src/event-store/event-store.ts. `bigint` columns read as strings. */
import { Check, Column, Entity, Index, PrimaryColumn, Unique } from './decorators.js';

@Entity({ name: 'connector_event' })
@Check('connector_event_check', `forgettable = starts_with(stream, 'connector_state_hits-')`)
@Unique('connector_event_stream_version_forgettable_key', ['stream', 'version', 'forgettable'])
// With a hash of the stream's name, which TypeORM has no words for.
@Index('connector_event_id_key', { synchronize: false })
export class ConnectorEvent {
  @PrimaryColumn({ name: 'position', type: 'bigint', primaryKeyConstraintName: 'connector_event_pkey' })
  position!: string;

  @Column({ name: 'stream', type: 'text', collation: 'C' })
  stream!: string;

  @Column({ name: 'version', type: 'bigint' })
  version!: string;

  @Column({ name: 'event_id', type: 'uuid' })
  eventId!: string;

  @Column({ name: 'type', type: 'text' })
  type!: string;

  @Column({ name: 'schema_version', type: 'integer' })
  schemaVersion!: number;

  @Column({ name: 'data', type: 'jsonb' })
  data!: unknown;

  @Column({ name: 'occurred_at', type: 'timestamptz' })
  occurredAt!: Date;

  @Column({
    name: 'recorded_at',
    type: 'timestamptz',
    default: () => "date_trunc('milliseconds', clock_timestamp())",
  })
  recordedAt!: Date;

  @Column({ name: 'host', type: 'text' })
  host!: string;

  @Column({ name: 'correlation_id', type: 'text', nullable: true })
  correlationId!: string | null;

  @Column({ name: 'causation_id', type: 'text', nullable: true })
  causationId!: string | null;

  @PrimaryColumn({ name: 'forgettable', type: 'boolean', primaryKeyConstraintName: 'connector_event_pkey' })
  forgettable!: boolean;

  /** Who appended it; null in events of before. */
  @Column({ name: 'login', type: 'text', nullable: true, default: () => 'SESSION_USER' })
  login!: string | null;
}
