/**
 * `cache_usage` counts by scope and machine too. What was counted before is taken to be of the default scope and of no
 * known machine, until a worker makes the table anew. It has a row an hour and combination, so that a new key takes moments.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class UsageByHost1764000000073 implements MigrationInterface {
  readonly name = 'UsageByHost1764000000073';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      ALTER TABLE cache_usage
        ADD COLUMN scope text NOT NULL DEFAULT 'default',
        ADD COLUMN machine text NOT NULL DEFAULT '',
        DROP CONSTRAINT cache_usage_pkey,
        ADD CONSTRAINT cache_usage_pkey
          PRIMARY KEY (hour, exchange, environment, scope, machine, tier, sync_trigger, failure_class)`);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only: restore a backup to go back');
  }
}
