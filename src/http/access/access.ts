/**
 * Who may do what: every route declares it beside its path, and a route that does not cannot be registered.
 *
 * A caller is a {@link Principal}: roles, and for a tenant's token the one user it is bound to. For a bound caller nothing
 * but that user exists: what is another's answers 404 exactly as what is nobody's, so that it learns nothing by asking.
 *
 *   onRequest    no or a bad token → 401              authentication.ts
 *                none of the route's roles → 403      here
 *                another tenant's by its path → 404   here, before anything of the request is looked at
 *   preHandler   another tenant's by its body → 404   here, once it has been validated
 */
import type { FastifyRequest } from 'fastify';
import { HttpProblem } from '../problem.js';

export const ROLES = ['reader', 'writer', 'analyst', 'operator'] as const;
/**
 * - `reader` asks for states and clocks.
 * - `writer` also tells what happened: syncs, refusals, hits, invalidations.
 * - `analyst` looks back: statistics, history, drift.
 * - `operator` may do everything.
 */
export type Role = (typeof ROLES)[number];

export interface Principal {
  /** Tells callers apart, in events, logs and limits: `key:<prefix>`, `jwt:<subject>` or `local`. */
  readonly id: string;
  readonly roles: ReadonlySet<Role>;
  /** The only user that exists for it; `undefined`: all do. */
  readonly userId: string | undefined;
}

/**
 * What a route shows of users:
 *  - `path`: the user that `:userId` in its path names
 *  - `body`: those that {@link RouteAccess.usersOf} finds in the request
 *  - `filtered`: many users', of which its handler leaves out what is not the caller's ({@link isVisible})
 *  - `shared`: nobody's in particular, such as an exchange's clock
 *  - `hidden`: everybody's together, such as statistics: for a bound caller there is no such route
 */
export type Tenancy = 'path' | 'body' | 'filtered' | 'shared' | 'hidden';

export interface RouteAccess {
  /** Besides `operator`. `public`: without authentication. */
  readonly roles: readonly Role[] | 'public';
  readonly tenancy: Tenancy;
  readonly usersOf?: (request: FastifyRequest) => Iterable<string>;
}

/** Declares a route's access. */
export const allow = (
  roles: RouteAccess['roles'],
  tenancy: Tenancy,
  usersOf?: RouteAccess['usersOf'],
): { readonly access: RouteAccess } => ({ access: { roles, tenancy, ...(usersOf && { usersOf }) } });

export const isVisible = ({ userId }: Principal, of: string): boolean =>
  userId === undefined || userId === of;

/** @throws HttpProblem 403 */
export function requireRole(principal: Principal, { roles }: RouteAccess): void {
  if (roles === 'public' || principal.roles.has('operator')) return;
  if (roles.some(role => principal.roles.has(role))) return;
  const needed = [...roles, 'operator'].join(' or ');
  const has = [...principal.roles].join(', ') || 'none';
  throw new HttpProblem(403, 'FORBIDDEN', `this needs the role ${needed}; the caller has ${has}`);
}

/**
 * What the path alone can tell, before a body is read.
 * @throws HttpProblem 404, as for what does not exist
 */
export function requireTenant({ principal, params }: FastifyRequest, { tenancy }: RouteAccess): void {
  if (principal.userId === undefined) return;
  if (tenancy === 'hidden') throw notFound();
  if (tenancy === 'path' && !isVisible(principal, (params as { userId: string }).userId)) throw notFound();
}

/**
 * The same for what a validated body names.
 * @throws HttpProblem 404
 */
export function requireOwnUsers(request: FastifyRequest, { tenancy, usersOf }: RouteAccess): void {
  const { principal } = request;
  if (principal.userId === undefined || tenancy !== 'body') return;
  if (!usersOf) throw new Error(`${request.routeOptions.url} does not say whom its body is about`);
  for (const user of usersOf(request)) if (!isVisible(principal, user)) throw notFound();
}

export const notFound = (): HttpProblem => new HttpProblem(404, 'NOT_FOUND', 'there is nothing here');
