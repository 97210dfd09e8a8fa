/**
 * `cache_usage` counts requests that came too late, and those that nobody answered, in columns of their own: they were in
 * `auth_failures`, which is what the exchange refused. The next rebuild moves what was counted before.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class LateAndUnreachable1764000000022 implements MigrationInterface {
  readonly name = 'LateAndUnreachable1764000000022';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      ALTER TABLE cache_usage ADD COLUMN late_requests bigint NOT NULL DEFAULT 0,
                              ADD COLUMN unreachable bigint NOT NULL DEFAULT 0`);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only: restore a backup to go back');
  }
}
