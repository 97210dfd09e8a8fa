/**
 * Callers with an API key.
 *
 * What is found of a key is kept for {@link KNOWN_MS}, so that a lookup does not cost a query more, and a key that is revoked
 * is good for no longer than that. What is no key is kept too, so that guessing does not cost the database anything twice.
 * While the database is away, who was known goes on being known for {@link KNOWN_WITHOUT_DATABASE_MS}: functions must get
 * their states from memory just then. A key's end holds in any case.
 *
 * When a key was last used is written once a minute, by nobody's request.
 */
import { LRUCache } from 'lru-cache';
import type { Pool } from 'pg';
import { toDatabaseError } from '../../postgres/pool.js';
import { HttpProblem } from '../problem.js';
import type { Principal } from './access.js';
import { isSecretOf, parseApiKey } from './api-key.js';
import { findKey, type KeyWithHash, noteUse } from './key-table.js';

export interface KeyAuthenticatorOptions {
  readonly pool: Pool;
  /** Milliseconds of a clock that does not step. */
  readonly nowMs: () => number;
  /** Wall clock, for the ends of keys. */
  readonly wallMs: () => number;
}

interface Known {
  /** `undefined`: there is no such key. */
  readonly key: KeyWithHash | undefined;
  readonly principal: Principal | undefined;
  readonly foundAtMs: number;
}

const KNOWN_MS = 5_000;
const KNOWN_WITHOUT_DATABASE_MS = 600_000;
const MAX_KNOWN = 10_000;
/** Keys looked for at once; more is somebody who guesses. */
const MAX_ASKING = 50;
const NOTE_EVERY_MS = 60_000;

export class KeyAuthenticator {
  readonly #options: KeyAuthenticatorOptions;
  readonly #known = new LRUCache<string, Known>({ max: MAX_KNOWN });
  readonly #asking = new Map<string, Promise<Known>>();
  readonly #used = new Set<string>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: KeyAuthenticatorOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#noteUses(), NOTE_EVERY_MS);
    this.#timer.unref();
  }

  /** @throws HttpProblem 503 when nobody can say who it is */
  async authenticate(token: string): Promise<Principal | undefined> {
    const given = parseApiKey(token);
    if (!given) return undefined;
    const { key, principal } = await this.#know(given.prefix);
    if (!key || !principal || !isSecretOf(given.secret, key.hash)) return undefined;
    if (key.revokedAtMs !== null) return undefined;
    if (key.expiresAtMs !== null && key.expiresAtMs <= this.#options.wallMs()) return undefined;
    this.#used.add(key.prefix);
    return principal;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#noteUses();
  }

  async #know(prefix: string): Promise<Known> {
    const known = this.#known.get(prefix);
    const ageMs = known ? this.#options.nowMs() - known.foundAtMs : Number.POSITIVE_INFINITY;
    if (known && ageMs < KNOWN_MS) return known;
    try {
      return await this.#ask(prefix);
    } catch (error) {
      if (known?.key && ageMs < KNOWN_WITHOUT_DATABASE_MS) return known;
      throw error instanceof HttpProblem ? error : toDatabaseError(error);
    }
  }

  #ask(prefix: string): Promise<Known> {
    const asking = this.#asking.get(prefix);
    if (asking) return asking;
    if (this.#asking.size >= MAX_ASKING) {
      throw new HttpProblem(503, 'OVERLOADED', 'too many unknown keys at once', { retryAfterSeconds: 1 });
    }
    const found = findKey(this.#options.pool, prefix)
      .then(key => {
        const known = { key, principal: key && principalOf(key), foundAtMs: this.#options.nowMs() };
        this.#known.set(prefix, known);
        return known;
      })
      .finally(() => this.#asking.delete(prefix));
    this.#asking.set(prefix, found);
    return found;
  }

  async #noteUses(): Promise<void> {
    if (this.#used.size === 0) return;
    const used = [...this.#used];
    this.#used.clear();
    // A statistic: nobody's request fails for it.
    await noteUse(this.#options.pool, used).catch(() => undefined);
  }
}

const principalOf = ({ prefix, roles, userId }: KeyWithHash): Principal => ({
  id: `key:${prefix}`,
  roles: new Set(roles),
  userId: userId ?? undefined,
});
