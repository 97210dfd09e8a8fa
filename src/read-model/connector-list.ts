/**
 * Connectors as a list, for people to look through: pages in the order of their cache keys, found by the beginnings of their
 * ids. A cache key is the encoded user, `_`, the encoded credential, each character for itself, under a unique index by
 * bytes. So a page is a range of that index, wherever it begins and however many rows there are (100 000: 1 ms), and so is a
 * search by the beginning of a user, or by a whole user and the beginning of a credential.
 */
import type { Pool } from 'pg';
import { cacheKeyOf, type Environment, type Exchange } from '../events/connector.js';
import { epochMs } from './lookup.js';

export const STATUSES = ['valid', 'expired', 'invalid'] as const;
export type ConnectorStatus = (typeof STATUSES)[number];

export interface ConnectorFilter {
  /** The beginning of a user's id; with {@link userId} nothing more. */
  readonly userPrefix?: string | undefined;
  /** One user. */
  readonly userId?: string | undefined;
  readonly credentialPrefix?: string | undefined;
  readonly exchange?: Exchange | undefined;
  readonly environment?: Environment | undefined;
  readonly scope?: string | undefined;
  readonly status?: ConnectorStatus | undefined;
  /** The cache key of the last of the page before. */
  readonly after?: string | undefined;
  /** 1–1 000. */
  readonly limit: number;
}

export interface ListedConnector {
  readonly cacheKey: string;
  readonly userId: string;
  readonly credentialId: string;
  readonly exchange: string;
  readonly environment: string;
  readonly scope: string;
  /** By the database's clock. */
  readonly status: ConnectorStatus;
  readonly invalidReason: string | null;
  readonly offsetMs: number;
  readonly uncertaintyMs: number;
  readonly ratePpm: number;
  readonly rateBoundPpm: number;
  readonly referenceClock: string;
  readonly syncId: string;
  readonly basis: string;
  readonly trigger: string;
  readonly measuredAtMs: number;
  readonly expiresAtMs: number;
  readonly hitCount: number;
  readonly lastHitAtMs: number | null;
  readonly updatedAtMs: number;
  readonly streamVersion: number;
}

/** A page, and one more when there is a next. */
export async function listConnectors(pool: Pool, filter: ConnectorFilter): Promise<ListedConnector[]> {
  const { exchange = null, environment = null, scope = null, status = null, after = null, limit } = filter;
  const [from, to] = rangeOf(filter);
  const credential = filter.userId === undefined ? (filter.credentialPrefix ?? null) : null;
  const { rows } = await pool.query<ListedConnector>(SQL, [
    from,
    to,
    after,
    exchange,
    environment,
    scope,
    status,
    credential,
    limit + 1,
  ]);
  return rows;
}

/** Behind every text that begins so, by bytes. */
const LAST = '\u{10ffff}';

/** The range of cache keys that the ids' beginnings leave. */
export function rangeOf({
  userId,
  userPrefix = '',
  credentialPrefix = '',
}: Pick<ConnectorFilter, 'userId' | 'userPrefix' | 'credentialPrefix'>): [from: string, to: string] {
  // `x` stands for the credential that a key must have: encoding is a character for itself.
  const begin =
    userId === undefined
      ? cacheKeyOf({ userId: userPrefix, credentialId: '' }).slice(0, -1)
      : cacheKeyOf({ userId, credentialId: credentialPrefix });
  return [begin, `${begin}${LAST}`];
}

const STATUS = `CASE WHEN NOT is_valid THEN 'invalid' WHEN expires_at <= clock_timestamp() THEN 'expired' ELSE 'valid' END`;

/** $1 ≤ key < $2, $3 key of the last before, $4 exchange, $5 environment, $6 scope, $7 status, $8 beginning of credentials, $9 rows. */
const SQL = `
  SELECT cache_key AS "cacheKey", user_id AS "userId", credential_id AS "credentialId", exchange, environment, scope,
         ${STATUS} AS status, invalid_reason AS "invalidReason",
         time_offset AS "offsetMs", uncertainty_ms AS "uncertaintyMs", rate_ppm AS "ratePpm", rate_bound_ppm AS "rateBoundPpm",
         reference_clock AS "referenceClock", sync_id AS "syncId", basis, sync_trigger AS trigger,
         ${epochMs('last_sync_time')} AS "measuredAtMs", ${epochMs('expires_at')} AS "expiresAtMs",
         hit_count::float8 AS "hitCount", ${epochMs('last_hit_at')} AS "lastHitAtMs", ${epochMs('updated_at')} AS "updatedAtMs",
         stream_version::float8 AS "streamVersion"
    FROM connector_state_cache
   WHERE cache_key >= $1 COLLATE "C" AND cache_key < $2 COLLATE "C"
     AND ($3::text IS NULL OR cache_key > $3 COLLATE "C")
     AND ($4::text IS NULL OR exchange = $4) AND ($5::text IS NULL OR environment = $5)
     AND ($6::text IS NULL OR scope = $6) AND ($7::text IS NULL OR ${STATUS} = $7)
     AND ($8::text IS NULL OR starts_with(credential_id, $8))
   ORDER BY cache_key
   LIMIT $9`;
