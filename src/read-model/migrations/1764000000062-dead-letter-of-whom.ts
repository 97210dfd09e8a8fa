/**
 * Whose event a dead letter is, and who has done with it. `host`: the process that recorded the event; empty for an event
 * without our envelope, which another program wrote into a stream of ours; null for letters from before this migration,
 * until they are replayed. `dismissed_at`: somebody has looked at it and wants to hear no more of it; a rebuild keeps that.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const COLUMNS = `ALTER TABLE projection_dead_letter ADD COLUMN host text, ADD COLUMN dismissed_at timestamptz`;

export class DeadLetterOfWhom1764000000062 implements MigrationInterface {
  readonly name = 'DeadLetterOfWhom1764000000062';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(COLUMNS);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only: restore a backup to go back');
  }
}
