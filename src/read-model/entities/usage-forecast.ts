/** When a connector is used; see projections/usage-forecast.ts. */
import { Entity, PrimaryColumn } from './decorators.js';
import { UseHabit } from './use-habit.js';

@Entity({ name: 'usage_forecast' })
export class UsageForecast extends UseHabit {
  @PrimaryColumn({
    name: 'cache_key',
    type: 'text',
    collation: 'C',
    primaryKeyConstraintName: 'usage_forecast_pkey',
  })
  cacheKey!: string;

  @PrimaryColumn({ name: 'exchange', type: 'text', primaryKeyConstraintName: 'usage_forecast_pkey' })
  exchange!: string;

  @PrimaryColumn({ name: 'environment', type: 'text', primaryKeyConstraintName: 'usage_forecast_pkey' })
  environment!: string;

  @PrimaryColumn({ name: 'scope', type: 'text', primaryKeyConstraintName: 'usage_forecast_pkey' })
  scope!: string;
}
