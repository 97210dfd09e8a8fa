/** Keeps the link of a read replica's clock where replication takes it to the replica. */
import type { Pool } from 'pg';
import type { StoredLink } from '../clock/stored-link.js';

/** Of many processes that renew it at once one writes. A replica has another name each time it is started. */
const STORE = `
WITH gone AS (DELETE FROM connector_replica_link WHERE renewed_at < clock_timestamp() - interval '1 day')
INSERT INTO connector_replica_link AS l
  (replica, reference_clock, offset_ms, uncertainty_ms, replica_time_ms, wall_minus_replica_ms, renewed_at)
VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp())
ON CONFLICT (replica) DO UPDATE SET (reference_clock, offset_ms, uncertainty_ms, replica_time_ms, wall_minus_replica_ms,
    renewed_at) = (EXCLUDED.reference_clock, EXCLUDED.offset_ms, EXCLUDED.uncertainty_ms, EXCLUDED.replica_time_ms,
    EXCLUDED.wall_minus_replica_ms, EXCLUDED.renewed_at)
  WHERE l.renewed_at < EXCLUDED.renewed_at - interval '5 seconds' OR l.reference_clock <> EXCLUDED.reference_clock`;

/**
 * @param pool of the primary
 * @throws whatever `pg` throws
 */
export async function storeReplicaLink(pool: Pool, replica: string, link: StoredLink): Promise<void> {
  const { clockId, offsetMs, uncertaintyMs, atMs, wallMinusServerMs } = link;
  await pool.query(STORE, [replica, clockId, offsetMs, uncertaintyMs, atMs, wallMinusServerMs]);
}
