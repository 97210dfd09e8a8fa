/** Events that wait for the event store; see src/event-store/outbox/. `bigint` columns read as strings. */
import { Column, Entity, Index, PrimaryGeneratedColumn, Unique } from './decorators.js';

@Entity({ name: 'connector_outbox' })
@Unique('connector_outbox_stream_event_id_key', ['stream', 'eventId'])
@Index('connector_outbox_waiting_idx', ['id'], { where: 'dead_at IS NULL' })
export class ConnectorOutbox {
  @PrimaryGeneratedColumn({ name: 'id', type: 'bigint', primaryKeyConstraintName: 'connector_outbox_pkey' })
  id!: string;

  @Column({ name: 'event_id', type: 'uuid' })
  eventId!: string;

  @Column({ name: 'stream', type: 'text', collation: 'C' })
  stream!: string;

  @Column({ name: 'envelope', type: 'jsonb' })
  envelope!: unknown;

  @Column({
    name: 'recorded_at',
    type: 'timestamptz',
    default: () => "date_trunc('milliseconds', clock_timestamp())",
  })
  recordedAt!: Date;

  @Column({ name: 'attempts', type: 'integer', default: 0 })
  attempts!: number;

  @Column({ name: 'last_error', type: 'text', nullable: true })
  lastError!: string | null;

  /** When the event store refused it, so that its stream waits behind it; `infinity`: it is invalid and waits no longer. */
  @Column({ name: 'dead_at', type: 'timestamptz', nullable: true })
  deadAt!: Date | null;
}
