/** When an exchange's clock is used; see projections/usage-forecast.ts. */
import { Entity, PrimaryColumn } from './decorators.js';
import { UseHabit } from './use-habit.js';

@Entity({ name: 'clock_usage_forecast' })
export class ClockUsageForecast extends UseHabit {
  @PrimaryColumn({ name: 'exchange', type: 'text', primaryKeyConstraintName: 'clock_usage_forecast_pkey' })
  exchange!: string;

  @PrimaryColumn({ name: 'environment', type: 'text', primaryKeyConstraintName: 'clock_usage_forecast_pkey' })
  environment!: string;

  @PrimaryColumn({ name: 'scope', type: 'text', primaryKeyConstraintName: 'clock_usage_forecast_pkey' })
  scope!: string;
}
