/**
 * What a checkpoint remembers of the log (src/projector/log-mark.ts). Null in rows of before: they are given one the
 * first time that the log is found to hold what they stand at. Adding a column without a default rewrites no table.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class LogMark1764000000010 implements MigrationInterface {
  readonly name = 'LogMark1764000000010';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('ALTER TABLE projection_checkpoint ADD COLUMN log_mark jsonb');
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only: restore a backup to go back');
  }
}
