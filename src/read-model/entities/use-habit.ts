/** What both tables of habits hold of a habit (src/clock/use-habit.ts). `bigint` columns read as strings. */
import { Column } from './decorators.js';

export abstract class UseHabit {
  @Column({ name: 'since', type: 'timestamptz' })
  since!: Date;

  @Column({ name: 'uses', type: 'bigint' })
  uses!: string;

  @Column({ name: 'hour', type: 'timestamptz' })
  hour!: Date;

  @Column({ name: 'hour_uses', type: 'bigint' })
  hourUses!: string;

  @Column({ name: 'first_at', type: 'timestamptz' })
  firstAt!: Date;

  @Column({ name: 'last_at', type: 'timestamptz' })
  lastAt!: Date;

  @Column({ name: 'before_at', type: 'timestamptz', nullable: true })
  beforeAt!: Date | null;

  @Column({ name: 'idle', type: 'text' })
  idle!: string;

  @Column({ name: 'week_hours', type: 'text' })
  weekHours!: string;

  @Column({ name: 'week_uses', type: 'text' })
  weekUses!: string;
}
