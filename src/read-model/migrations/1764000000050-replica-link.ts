/**
 * How far each read replica's clock is from the primary's, measured by processes that asked both (src/cache/replicas.ts).
 * Written on the primary, and read on the replica, where it arrives by replication: so `renewed_at`, by the primary's clock,
 * also says up to when at least the replica has come.
 *
 * No fact and no read table: what is lost is measured again.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class ReplicaLink1764000000050 implements MigrationInterface {
  readonly name = 'ReplicaLink1764000000050';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE connector_replica_link (
        replica text COLLATE "C" NOT NULL CONSTRAINT connector_replica_link_pkey PRIMARY KEY,
        reference_clock text NOT NULL,
        offset_ms double precision NOT NULL,
        uncertainty_ms double precision NOT NULL,
        replica_time_ms double precision NOT NULL,
        wall_minus_replica_ms double precision NOT NULL,
        renewed_at timestamptz NOT NULL
      ) WITH (fillfactor = 20)`);
    // Who could read the read tables before, and has not been granted anything anew, goes on reading them.
    await runner.query(`
      DO $rights$
      DECLARE role record;
      BEGIN
        FOR role IN SELECT DISTINCT grantee FROM information_schema.role_table_grants
          WHERE table_schema = current_schema() AND table_name = 'connector_state_cache' AND privilege_type = 'SELECT'
            AND grantee NOT IN ('PUBLIC', current_user)
        LOOP
          EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON connector_replica_link TO %I', role.grantee);
        END LOOP;
      END
      $rights$`);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only: restore a backup to go back');
  }
}
