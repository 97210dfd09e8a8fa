/**
 * How many of the hits were stale (projections/cache-usage.ts). Rows of before count none until a rebuild has counted
 * them anew. Adding a column with a constant default rewrites no table.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class StaleHits1764000000007 implements MigrationInterface {
  readonly name = 'StaleHits1764000000007';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('ALTER TABLE cache_usage ADD COLUMN stale_hits bigint NOT NULL DEFAULT 0');
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only: restore a backup to go back');
  }
}
