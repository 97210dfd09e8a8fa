/**
 * The service's HTTP server: everything that holds for every route.
 *
 * A request passes, in this order: who it is and whether it may (access/), its schema, whose it is about, the handler, the
 * answer's schema. The same zod schemas validate and make the OpenAPI description, so that what is described is what is
 * taken. The routes are in routes/, one folder-mate a subject, each a Fastify plugin.
 *
 * A route is added by writing `routes/<subject>.ts` and naming it in routes/index.ts; `config: allow(…)` is not optional.
 */
import fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
} from 'fastify';
import { serializerCompiler } from 'fastify-type-provider-zod';
import helmet from 'helmet';
import { type DashboardOptions, dashboard } from '../dashboard/plugin.js';
import {
  allow,
  type Principal,
  type RouteAccess,
  requireOwnUsers,
  requireRole,
  requireTenant,
} from './access/access.js';
import { LOCAL } from './access/authentication.js';
import { describeApi } from './api-description.js';
import { takeJson } from './bodies.js';
import { countUnderWay, DEFAULT_LIMITS, type Limits, limit } from './limits.js';
import { answerMalformed, refuseUnfit } from './malformed-requests.js';
import { exposeMetrics } from './observe/metrics.js';
import type { HttpParts } from './parts.js';
import { answerProblems, BODY_LIMIT, HttpProblem, sendProblem, toHttpProblem } from './problem.js';
import { routes } from './routes/index.js';
import { beStrict } from './strict-requests.js';
import { createTurns, type Turns } from './turns.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: RouteAccess;
  }
  interface FastifyRequest {
    /** Who calls; known from `onRequest` on. */
    principal: Principal;
    /** When the request's head had arrived, by this process's clock (epoch milliseconds). */
    receivedAtMs: number;
  }
  interface FastifyInstance {
    readonly parts: HttpParts;
    /** For all that looks back over what many recorded. */
    readonly analyses: Turns;
    /** Every route, with who may use it: what tests of access are made from. */
    readonly routeTable: readonly RouteEntry[];
  }
}

export interface RouteEntry {
  readonly method: string;
  readonly url: string;
  readonly access: RouteAccess;
}

export interface HttpServerOptions extends HttpParts {
  /** TLS of its own: certificate chain and key, PEM. */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer } | undefined;
  /** The dashboard's pages under `/`; left out: none. */
  readonly dashboard?: Pick<DashboardOptions, 'folder'> | undefined;
  readonly limits?: Partial<Limits> | undefined;
}

/** Of one path segment: 128 characters of four bytes, percent-encoded. */
const MAX_PARAM_LENGTH = 1_600;
/** Who takes longer to send the head of a request, or all of it, is not waited for (slow-loris). */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 15_000;
/** How often Node looks for those. */
const CHECK_CONNECTIONS_MS = 2_000;
/** Longer than load balancers keep theirs, so that it is they who close, and no request meets a closed connection. */
const KEEP_ALIVE_MS = 65_000;
/** A connection on which nothing moves, be it that nobody reads the answer, is cut. */
const STALLED_MS = 90_000;
const MAX_CONNECTIONS = 20_000;

/**
 * Not listening yet: `await server.listen({ host, port })`, or `server.inject()`.
 * @example
 * const server = await createHttpServer({ state, analytics, authenticator: anybody, log, version });
 */
export async function createHttpServer(options: HttpServerOptions): Promise<FastifyInstance> {
  const { tls, limits, dashboard: pages, ...parts } = options;
  const { clock } = parts.state.cache;
  const settings = {
    bodyLimit: BODY_LIMIT,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    // Monitors and proxies ask by HEAD. What a GET would count, a HEAD does not; the feed has none, for it would never end.
    exposeHeadRoutes: true,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionTimeout: STALLED_MS,
    // Ids from outside would be written into the log.
    requestIdHeader: false,
    return503OnClosing: true,
    forceCloseConnections: 'idle' as const,
    clientErrorHandler: answerMalformed(parts.log),
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) => {
      sendProblem(reply, toHttpProblem(error), request.id);
    },
    ...(tls ? { https: { ...tls, ...CONNECTIONS } } : { http: CONNECTIONS }),
  };
  const app = fastify(settings as FastifyServerOptions);
  app.server.maxConnections = MAX_CONNECTIONS;
  const routeTable: RouteEntry[] = [];
  beStrict(app, routeTable);
  takeJson(app);
  refuseUnfit(app);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler(answerProblems(parts.log));
  app.decorate('parts', parts);
  app.decorate('analyses', createTurns());
  app.decorate('routeTable', routeTable);
  app.decorateRequest('principal');
  app.decorateRequest('receivedAtMs', 0);

  countUnderWay(app, { ...DEFAULT_LIMITS, ...limits });
  app.addHook('onRequest', async request => {
    request.receivedAtMs = clock.now();
    const { access } = request.routeOptions.config;
    // What matches no route tells nobody more than that.
    if (!access) return;
    if (access.roles === 'public') {
      request.principal = LOCAL;
      return;
    }
    const principal = await parts.authenticator.authenticate(request);
    if (!principal)
      throw new HttpProblem(401, 'UNAUTHENTICATED', 'send Authorization: Bearer <API key or JWT>');
    request.principal = principal;
    requireRole(principal, access);
    requireTenant(request, access);
  });
  await limit(app, { ...DEFAULT_LIMITS, ...limits });
  app.addHook('preHandler', async request => {
    const { access } = request.routeOptions.config;
    if (access) requireOwnUsers(request, access);
  });
  app.addHook('onRequest', (request, reply, next) => setHeaders(request.raw, reply.raw, () => next()));
  await describeApi(app, parts.version);
  // After the pages of the description, whose routes are their plugin's.
  app.addHook('onRoute', ({ method, url, config }) => {
    const access = config?.access;
    if (access) {
      for (const each of [method].flat()) routeTable.push({ method: each, url, access });
      return;
    }
    throw new Error(`${method} ${url} does not say who may use it: give it config: allow(…)`);
  });
  // Before the routes, so that their requests are counted.
  await exposeMetrics(app);
  for (const route of routes) await app.register(route);
  // Pages say nothing of anybody: what they show they ask the API, with the visitor's own key.
  if (pages) await app.register(dashboard, { ...pages, config: allow('public', 'shared') });
  return app;
}

const CONNECTIONS = {
  headersTimeout: HEADERS_TIMEOUT_MS,
  connectionsCheckingInterval: CHECK_CONNECTIONS_MS,
  // Node would refuse it in words of its own; see malformed-requests.ts.
  requireHostHeader: false,
};

/**
 * No page but those of the service itself may show or script it, and nothing is guessed from content. Not by @fastify/helmet,
 * which puts all of them together anew for every request: a twelfth of what a lookup leaves for the garbage collector.
 */
const setHeaders = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'self'"],
      imgSrc: ["'self'", 'data:'],
      styleSrc: ["'self'", "'unsafe-inline'"],
      objectSrc: ["'none'"],
      baseUri: ["'none'"],
      formAction: ["'self'"],
      frameAncestors: ["'none'"],
    },
  },
  // Whether a name is to be reached by TLS only is for whoever owns the name to say.
  strictTransportSecurity: false,
  referrerPolicy: { policy: 'no-referrer' },
  // As the policy's frame-ancestors, for browsers that know only this.
  xFrameOptions: { action: 'deny' },
});
