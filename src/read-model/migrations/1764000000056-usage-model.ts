/**
 * Trained forecasts (src/forecast/learned.ts), each with what it was trained on and how it did in the back-test. Versions
 * are never changed: what was judged is what is kept.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const TABLE = `
  CREATE TABLE usage_model (
    version integer GENERATED ALWAYS AS IDENTITY CONSTRAINT usage_model_pkey PRIMARY KEY,
    trained_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    trained_from timestamptz NOT NULL,
    trained_until timestamptz NOT NULL,
    ttl_ms bigint NOT NULL,
    winner text NOT NULL,
    model jsonb NOT NULL,
    backtest jsonb NOT NULL
  );
`;

export class UsageModel1764000000056 implements MigrationInterface {
  readonly name = 'UsageModel1764000000056';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(TABLE);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only: restore a backup to go back');
  }
}
