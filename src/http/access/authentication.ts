/** Finds out who calls: one of several ways, tried in turn. */
import type { FastifyRequest } from 'fastify';
import { type Principal, ROLES } from './access.js';

export interface Authenticator {
  /** @returns who it is; `undefined`: the request says nothing, or nothing that is known */
  authenticate(request: FastifyRequest): Promise<Principal | undefined>;
}

/** Whoever can reach a server on loopback without authentication may do everything. */
export const LOCAL: Principal = { id: 'local', roles: new Set(ROLES), userId: undefined };

export const anybody: Authenticator = { authenticate: async () => LOCAL };
