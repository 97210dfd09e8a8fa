/**
 * How much one caller, and all of them together, may ask of a process. What is too much is refused early, with the time after
 * which it is worth asking again; whoever waits in a queue for an answer that comes too late has waited for nothing.
 *
 *   one caller                more requests a second than his share          429
 *   all together              more requests under way than there is room for 503
 *   the process               its event loop is late: it has too much to do  503
 */
import { fastifyRateLimit } from '@fastify/rate-limit';
import { fastifyUnderPressure } from '@fastify/under-pressure';
import type { FastifyInstance } from 'fastify';
import { HttpProblem } from './problem.js';

export interface Limits {
  /** Requests a second of one caller: a key, a token's subject, or an address where nobody is asked who he is. */
  readonly requestsPerSecond: number;
  /** Requests under way at once. */
  readonly inFlight: number;
  /** A process whose event loop is later than this refuses, milliseconds; 0: never. */
  readonly eventLoopDelayMs: number;
}

export const DEFAULT_LIMITS: Limits = { requestsPerSecond: 5_000, inFlight: 2_000, eventLoopDelayMs: 1_000 };

const SECOND_MS = 1_000;
/** Callers that are counted at once; the least recent is forgotten first. */
const CALLERS = 20_000;

/** The first of all hooks: what is refused has cost nothing yet. */
export function countUnderWay(app: FastifyInstance, { inFlight }: Limits): void {
  let underWay = 0;
  app.addHook('onRequest', async request => {
    underWay++;
    // Whether a process lives must be told just when it has much to do.
    if (underWay <= inFlight || isHealth(request.url)) return;
    throw new HttpProblem(503, 'OVERLOADED', `${inFlight} requests are under way`, { retryAfterSeconds: 1 });
  });
  app.addHook('onResponse', async () => {
    underWay--;
  });
}

/** To be called behind the hook that finds out who calls, and before any route is registered. */
export async function limit(app: FastifyInstance, limits: Limits): Promise<void> {
  const { requestsPerSecond, eventLoopDelayMs } = limits;
  if (eventLoopDelayMs > 0) {
    await app.register(fastifyUnderPressure, {
      maxEventLoopDelay: eventLoopDelayMs,
      pressureHandler(request, _reply, type, value) {
        if (isHealth(request.url)) return;
        throw new HttpProblem(503, 'OVERLOADED', `the process is late (${type} ${Math.round(value ?? 0)})`, {
          retryAfterSeconds: 1,
        });
      },
    });
  }
  await app.register(fastifyRateLimit, {
    hook: 'preValidation',
    max: requestsPerSecond,
    timeWindow: SECOND_MS,
    cache: CALLERS,
    keyGenerator: ({ principal, ip }) => (principal && principal.id !== 'local' ? principal.id : ip),
    allowList: request => isHealth(request.url),
    addHeadersOnExceeding: NO_HEADERS,
    addHeaders: { ...NO_HEADERS, 'retry-after': false },
    errorResponseBuilder: (_request, { ttl }) => {
      const retryAfterSeconds = Math.max(1, Math.ceil(ttl / SECOND_MS));
      return new HttpProblem(429, 'TOO_MANY_REQUESTS', `more than ${requestsPerSecond} requests a second`, {
        retryAfterSeconds,
      });
    },
  });
}

const isHealth = (url: string) => url.startsWith('/health/');

const NO_HEADERS = { 'x-ratelimit-limit': false, 'x-ratelimit-remaining': false, 'x-ratelimit-reset': false };
