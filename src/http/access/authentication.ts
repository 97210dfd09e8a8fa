/**
 * Finds out who calls, by what the request carries: `Authorization: Bearer <API key or JWT>`.
 *
 * Without authentication there is loopback only, and even there the request must name this machine as its host: a page that a
 * browser shows could otherwise have its own name resolve to 127.0.0.1 and send what it likes (DNS rebinding).
 */
import type { FastifyRequest } from 'fastify';
import { isLoopback } from '../loopback.js';
import { HttpProblem } from '../problem.js';
import { type Principal, ROLES } from './access.js';

export interface Authenticator {
  /** @returns who it is; `undefined`: the request says nothing, or nothing that is known */
  authenticate(request: FastifyRequest): Promise<Principal | undefined>;
  close?(): Promise<void>;
}

/** One kind of token. */
export interface TokenAuthenticator {
  authenticate(token: string): Promise<Principal | undefined>;
  close?(): Promise<void>;
}

/** Whoever can reach a server on loopback without authentication may do everything. */
export const LOCAL: Principal = { id: 'local', roles: new Set(ROLES), userId: undefined };

export const anybody: Authenticator = {
  async authenticate({ headers, hostname }) {
    const { origin } = headers;
    if (!isLoopback(hostname)) {
      throw new HttpProblem(
        421,
        'FORBIDDEN',
        'without authentication only this machine is served, by the name localhost or 127.0.0.1: make a key with `connector-state keys create`',
      );
    }
    if (origin !== undefined && !isOwnOrigin(origin)) {
      throw new HttpProblem(403, 'FORBIDDEN', 'a page of another site may not ask without authentication');
    }
    return LOCAL;
  },
};

function isOwnOrigin(origin: string): boolean {
  const [, host] = /^https?:\/\/(\[[^\]]+\]|[^:/]+)(?::\d+)?$/i.exec(origin) ?? [];
  return host !== undefined && isLoopback(host);
}

const MAX_TOKEN_LENGTH = 8_192;

/** @param ways tried in turn */
export const bearerAuthenticator = (ways: readonly TokenAuthenticator[]): Authenticator => ({
  async authenticate({ headers: { authorization } }) {
    const [, token] = /^Bearer +([\w.~+/=-]+) *$/i.exec(authorization ?? '') ?? [];
    if (token === undefined || token.length > MAX_TOKEN_LENGTH) return undefined;
    for (const way of ways) {
      const principal = await way.authenticate(token);
      if (principal) return principal;
    }
    return undefined;
  },
  async close() {
    for (const way of ways) await way.close?.();
  },
});
