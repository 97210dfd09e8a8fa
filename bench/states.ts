/** A read model full of valid states, made by SQL: what the lookup finds after years of use. */
import type { Client } from 'pg';
import { type ConnectorRef, cacheKeyOf } from '../src/events/connector.js';
import { pg } from '../src/postgres/driver.js';
import { LOOKUP_SQL, lookupParameters } from '../src/read-model/lookup.js';

/** Ten credentials a user. */
export const connectorOf = (index: number): ConnectorRef => ({
  userId: `user-${Math.floor(index / 10)}`,
  credentialId: `credential-${index}`,
  exchange: index % 2 === 0 ? 'BYBIT' : 'BINGX',
  environment: 'MAINNET',
});

const FILL = `
INSERT INTO connector_state_cache (
  id, cache_key, user_id, credential_id, exchange, environment, time_offset, uncertainty_ms, round_trip_ms,
  sample_count, reference_clock, sync_id, basis, sync_trigger, last_sync_time, ttl_ms, expires_at,
  created_at, updated_at, stream_version, position)
SELECT gen_random_uuid(), 'user-' || i / 10 || '_credential-' || i, 'user-' || i / 10, 'credential-' || i,
       CASE i % 2 WHEN 0 THEN 'BYBIT' ELSE 'BINGX' END, 'MAINNET', random() * 400 - 200, random() * 100,
       random() * 200, 1, $1, gen_random_uuid(), 'measured', 'expired', now(), 86400000,
       now() + interval '1 day', now(), now(), 1, 'pg/' || i
  FROM generate_series(0, $2::integer - 1) AS i`;

/** @throws when the keys that SQL makes are not those the code looks up */
export async function fillStates(databaseUrl: string, rows: number, how?: 'instead'): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    // In place of what was projected.
    if (how === 'instead') await client.query('DELETE FROM connector_state_cache');
    await client.query(FILL, [await clockIdOf(client), rows]);
    await client.query('VACUUM (ANALYZE) connector_state_cache');
    // Else the writing of all this to disk falls into the first rounds.
    await client.query('CHECKPOINT');
    const cacheKey = cacheKeyOf(connectorOf(rows - 1));
    const { rowCount } = await client.query('SELECT FROM connector_state_cache WHERE cache_key = $1', [
      cacheKey,
    ]);
    if (rowCount !== 1) throw new Error(`no row for ${cacheKey}`);
  } finally {
    await client.end();
  }
}

/** The name under which offsets are kept, asked of the lookup itself. */
async function clockIdOf(client: Client): Promise<string> {
  const nobody = { cacheKey: 'nobody', exchange: 'BYBIT', environment: 'MAINNET' } as const;
  const { rows } = await client.query<string[]>({
    text: LOOKUP_SQL,
    values: lookupParameters([nobody]),
    rowMode: 'array',
  });
  return rows[0]?.[1] as string;
}

/** The shared clock of each exchange, as the states above suppose. */
export async function fillClocks(databaseUrl: string, how?: 'instead'): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    if (how === 'instead') await client.query('DELETE FROM exchange_clock');
    await client.query(
      `INSERT INTO exchange_clock (exchange, environment, scope, reference_clock, time_offset, uncertainty_ms, sync_id,
         measured_at, expires_at, is_valid, epoch, epoch_started_at, sample_count, rate_ppm, rate_bound_ppm, created_at,
         updated_at, position)
       SELECT e, 'MAINNET', 'default', $1, 0, 500, gen_random_uuid(), now(), now() + interval '1 day', true, 1,
              'epoch'::timestamptz, 1, 0, 50, now(), now(), 'pg/1'
         FROM unnest(ARRAY['BYBIT', 'BINGX']) AS e`,
      [await clockIdOf(client)],
    );
  } finally {
    await client.end();
  }
}
