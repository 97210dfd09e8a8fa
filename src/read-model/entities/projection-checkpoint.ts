/** How far each projection has come; see src/projector/checkpoints.ts. `bigint` columns read as strings. */
import { Column, Entity, PrimaryColumn } from './decorators.js';

@Entity({ name: 'projection_checkpoint' })
export class ProjectionCheckpoint {
  @PrimaryColumn({ name: 'projection', type: 'text', primaryKeyConstraintName: 'projection_checkpoint_pkey' })
  projection!: string;

  @Column({ name: 'position', type: 'text', nullable: true })
  position!: string | null;

  @Column({ name: 'version', type: 'integer' })
  version!: number;

  @Column({ name: 'events', type: 'bigint' })
  events!: string;

  /** Of the log; see src/projector/log-mark.ts. */
  @Column({ name: 'log_mark', type: 'jsonb', nullable: true })
  logMark!: object | null;

  @Column({ name: 'updated_at', type: 'timestamptz' })
  updatedAt!: Date;
}
