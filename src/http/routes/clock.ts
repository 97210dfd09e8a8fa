/**
 * The exchange's time, for who has no connector: as an interval, and with what a caller needs to bound its own link.
 *
 * A caller that sent at t0 and received at t1 by its own clock knows that
 *
 *   exchange − own ∈ [ earliestMs − t1,  latestMs − (t0 + sentAtMs − receivedAtMs) ]
 *
 * An answer that any cache could have replayed is never a clock sample. So the caller must send a nonce, and compare.
 */
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { appliedOffset, type Lookup } from '../../cache/lookup.js';
import { referenceTimeMs } from '../../clock/reference.js';
import { DEFAULT_RANGE, toleranceOf } from '../../clock/request-window.js';
import type { ConnectorRef } from '../../events/connector.js';
import { allow } from '../access/access.js';
import { HttpProblem } from '../problem.js';
import { environment, exchange, scope } from '../schemas/connector.js';
import { nonce, timeMs } from '../schemas/times.js';

/** A connector that nobody has: its lookup misses, and brings the exchange's shared clock along. */
const NOBODY = { userId: 'connector-state.invalid', credentialId: 'clock' };

export const clockAnswer = z.object({
  nonce: z.string(),
  exchange,
  environment,
  scope,
  now: z.object({
    earliestMs: timeMs.describe("When the answer left, the exchange's clock showed at least this."),
    latestMs: timeMs.describe("When the answer left, the exchange's clock showed at most this."),
    status: z
      .enum(['synchronized', 'holdover', 'unknown'])
      .describe(
        '`holdover`: past its end, or contested, and still good enough for the default request window. `unknown`: not even that.',
      ),
  }),
  syncId: z.string().describe('The measurement it rests on.'),
  server: z.object({
    receivedAtMs: timeMs.describe("When the request came, by the service's own clock."),
    sentAtMs: timeMs.describe("When the answer left, by the service's own clock."),
  }),
});

export const clockRoutes: FastifyPluginAsyncZod = async app => {
  const { cache } = app.parts.state;

  app.get(
    '/v1/clock/:exchange/:environment',
    {
      config: allow(['reader', 'writer'], 'shared'),
      schema: {
        tags: ['state'],
        summary: "The exchange's time now, within bounds",
        params: z.object({ exchange, environment }),
        querystring: z.object({ nonce, scope: scope.optional() }),
        response: { 200: clockAnswer },
      },
    },
    async (request, reply) => {
      const { nonce, scope = 'default' } = request.query;
      const ref: ConnectorRef = { ...request.params, scope, ...NOBODY };
      const lookup = await cache.peek(ref);
      const known = clockIn(lookup);
      if (!known) {
        const { exchange, environment } = request.params;
        throw new HttpProblem(
          404,
          'NOT_FOUND',
          `nobody has measured the clock of ${exchange} ${environment} (${scope})`,
        );
      }
      void reply.header('cache-control', 'no-store');
      const sentAtMs = cache.clock.now();
      const { offsetMs, uncertaintyMs } = appliedOffset(known.state, sentAtMs);
      const hasEnded = known.state.expiresAtMs <= referenceTimeMs(known.state.link, sentAtMs);
      const isUseful = uncertaintyMs <= toleranceOf(DEFAULT_RANGE);
      return {
        nonce,
        ...request.params,
        scope,
        now: {
          earliestMs: sentAtMs + offsetMs - uncertaintyMs,
          latestMs: sentAtMs + offsetMs + uncertaintyMs,
          status: !isUseful
            ? ('unknown' as const)
            : hasEnded || known.isContested
              ? ('holdover' as const)
              : ('synchronized' as const),
        },
        syncId: known.state.syncId,
        server: { receivedAtMs: request.receivedAtMs, sentAtMs },
      };
    },
  );
};

function clockIn(lookup: Lookup) {
  if (lookup.hit) return { state: lookup.state, isContested: false };
  const state = lookup.exchangeClock ?? lookup.between ?? lookup.ended;
  return state && { state, isContested: lookup.reason === 'contested' };
}
