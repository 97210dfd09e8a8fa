/**
 * Keys of the HTTP API (src/http/access/). A row has no key in it: `hash` is SHA-256 of the secret half, which has 256 random
 * bits, so that there is nothing to try out and no slow hash is needed. `prefix` is the half that is shown and looked up by.
 *
 * Only whoever owns the tables makes and revokes keys; a worker role, as which `serve` runs, reads them and notes when one
 * was last used; a functions role may not even read them.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class ApiKeys1764000000030 implements MigrationInterface {
  readonly name = 'ApiKeys1764000000030';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE connector_api_key (
        prefix text COLLATE "C" NOT NULL CONSTRAINT connector_api_key_pkey PRIMARY KEY,
        hash bytea NOT NULL CHECK (length(hash) = 32),
        name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
        roles text[] NOT NULL CHECK (cardinality(roles) > 0 AND roles <@ ARRAY['reader', 'writer', 'analyst', 'operator']),
        user_id text,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        expires_at timestamptz,
        revoked_at timestamptz,
        last_used_at timestamptz,
        replaces text
      )`);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only: restore a backup to go back');
  }
}
