/** When an exchange's clock is used; see projections/usage-forecast.ts. `bigint` columns read as strings. */
import { Column, Entity, PrimaryColumn } from 'typeorm';

@Entity({ name: 'clock_usage_forecast' })
export class ClockUsageForecast {
  @PrimaryColumn({ name: 'exchange', type: 'text', primaryKeyConstraintName: 'clock_usage_forecast_pkey' })
  exchange!: string;

  @PrimaryColumn({ name: 'environment', type: 'text', primaryKeyConstraintName: 'clock_usage_forecast_pkey' })
  environment!: string;

  @PrimaryColumn({ name: 'scope', type: 'text', primaryKeyConstraintName: 'clock_usage_forecast_pkey' })
  scope!: string;

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
