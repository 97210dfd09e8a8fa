/** The table of keys: who has which. Whoever makes, rotates or revokes one owns the table; the service only reads. */
import type { Pool } from 'pg';
import { InvalidInputError } from '../../base/errors.js';
import { parseId } from '../../events/connector.js';
import { ROLES, type Role } from './access.js';
import { formatApiKey, hashOf, newApiKey } from './api-key.js';

export interface KeyRecord {
  readonly prefix: string;
  readonly name: string;
  readonly roles: readonly Role[];
  /** The only user it may know of. */
  readonly userId: string | null;
  /** Epoch milliseconds, as the following. */
  readonly createdAtMs: number;
  readonly expiresAtMs: number | null;
  readonly revokedAtMs: number | null;
  readonly lastUsedAtMs: number | null;
  /** The prefix of the key that it was made in place of. */
  readonly replaces: string | null;
}

export interface KeyWithHash extends KeyRecord {
  readonly hash: Buffer;
}

const ms = (column: string) => `(extract(epoch FROM ${column}) * 1000)::float8`;
const COLUMNS = `prefix, name, roles, user_id AS "userId", ${ms('created_at')} AS "createdAtMs", ${ms('expires_at')} AS "expiresAtMs",
  ${ms('revoked_at')} AS "revokedAtMs", ${ms('last_used_at')} AS "lastUsedAtMs", replaces`;

export interface NewKey {
  /** What it is for, 1 to 100 characters. */
  readonly name: string;
  readonly roles: readonly string[];
  readonly userId?: string | undefined;
  /** From now, milliseconds; left out: it does not expire. */
  readonly expiresInMs?: number | undefined;
}

export interface MadeKey {
  /** Shown once: it is kept nowhere. */
  readonly key: string;
  readonly record: KeyRecord;
}

/** @throws InvalidInputError; whatever `pg` throws */
export async function createKey(pool: Pool, given: NewKey, replaces?: string): Promise<MadeKey> {
  const { name, roles, userId, expiresInMs } = checked(given);
  const made = newApiKey();
  const { rows } = await pool.query<KeyRecord>(
    `INSERT INTO connector_api_key (prefix, hash, name, roles, user_id, expires_at, replaces)
     VALUES ($1, $2, $3, $4, $5, clock_timestamp() + $6::float8 * interval '1 millisecond', $7) RETURNING ${COLUMNS}`,
    [made.prefix, hashOf(made.secret), name, roles, userId ?? null, expiresInMs ?? null, replaces ?? null],
  );
  return { key: formatApiKey(made), record: rows[0] as KeyRecord };
}

function checked({ name, roles, userId, expiresInMs }: NewKey) {
  if (name.length < 1 || name.length > 100) {
    throw new InvalidInputError(`a key's name must have 1 to 100 characters, got ${name.length}`);
  }
  const unknown = roles.filter(role => !ROLES.includes(role as Role));
  if (unknown.length > 0 || roles.length === 0) {
    const got = unknown.map(role => JSON.stringify(role)).join(', ') || 'none';
    throw new InvalidInputError(`a key needs roles, of ${ROLES.join(', ')}; got ${got}`);
  }
  if (userId !== undefined) parseId('userId', userId);
  if (expiresInMs !== undefined && !(expiresInMs > 0)) {
    throw new InvalidInputError(`a key must not have expired when it is made, got ${expiresInMs} ms`);
  }
  return { name, roles: [...new Set(roles)], userId, expiresInMs };
}

/** The oldest first. */
export async function listKeys(pool: Pool): Promise<KeyRecord[]> {
  const { rows } = await pool.query<KeyRecord>(
    `SELECT ${COLUMNS} FROM connector_api_key ORDER BY created_at, prefix`,
  );
  return rows;
}

/** @returns whether it was there, and valid until now */
export async function revokeKey(pool: Pool, prefix: string): Promise<boolean> {
  const { rowCount } = await pool.query(
    'UPDATE connector_api_key SET revoked_at = clock_timestamp() WHERE prefix = $1 AND revoked_at IS NULL',
    [prefix],
  );
  return rowCount === 1;
}

/**
 * A new key with what the old one may, and an end to the old one after a while in which both are good.
 * @returns `undefined` when there is no such key, or it was revoked
 */
export async function rotateKey(pool: Pool, prefix: string, graceMs: number): Promise<MadeKey | undefined> {
  const { rows } = await pool.query<KeyRecord>(
    `UPDATE connector_api_key
        SET expires_at = least(expires_at, clock_timestamp() + $2::float8 * interval '1 millisecond')
      WHERE prefix = $1 AND revoked_at IS NULL RETURNING ${COLUMNS}`,
    [prefix, graceMs],
  );
  const [old] = rows;
  if (!old) return undefined;
  return createKey(pool, { name: old.name, roles: old.roles, userId: old.userId ?? undefined }, prefix);
}

export async function findKey(pool: Pool, prefix: string): Promise<KeyWithHash | undefined> {
  const { rows } = await pool.query<KeyWithHash>(
    `SELECT ${COLUMNS}, hash FROM connector_api_key WHERE prefix = $1`,
    [prefix],
  );
  return rows[0];
}

/** Whether anybody could come in by a key. */
export async function hasKeys(pool: Pool): Promise<boolean> {
  const { rowCount } = await pool.query(
    `SELECT FROM connector_api_key
      WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp()) LIMIT 1`,
  );
  return rowCount === 1;
}

export async function noteUse(pool: Pool, prefixes: readonly string[]): Promise<void> {
  await pool.query('UPDATE connector_api_key SET last_used_at = clock_timestamp() WHERE prefix = ANY($1)', [
    prefixes,
  ]);
}
