/** Events that a projection could not take; see src/projector/dead-letters.ts. */
import { Column, Entity, PrimaryColumn } from './decorators.js';

@Entity({ name: 'projection_dead_letter' })
export class ProjectionDeadLetter {
  @PrimaryColumn({
    name: 'projection',
    type: 'text',
    primaryKeyConstraintName: 'projection_dead_letter_pkey',
  })
  projection!: string;

  @PrimaryColumn({ name: 'event_id', type: 'uuid', primaryKeyConstraintName: 'projection_dead_letter_pkey' })
  eventId!: string;

  @Column({ name: 'stream', type: 'text' })
  stream!: string;

  @Column({ name: 'event_type', type: 'text' })
  eventType!: string;

  @Column({ name: 'position', type: 'text' })
  position!: string;

  @Column({ name: 'error', type: 'text' })
  error!: string;

  @Column({ name: 'failed_at', type: 'timestamptz' })
  failedAt!: Date;

  @Column({ name: 'attempts', type: 'integer' })
  attempts!: number;

  @Column({ name: 'host', type: 'text', nullable: true })
  host!: string | null;

  @Column({ name: 'dismissed_at', type: 'timestamptz', nullable: true })
  dismissedAt!: Date | null;
}
