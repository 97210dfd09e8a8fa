/**
 * Clocks measured before anybody needs them: what `connector-state warm` does, for who has HTTP only.
 *
 * The service asks the exchanges' own hosts and no others. A scope may be any origin, and whoever could have the service ask
 * it would be in its network; who measures such a clock himself tells of it (`POST …/syncs`). Requests are made one after
 * the other, and no exchange is asked more often than a tenth of its limit allows, whoever calls (services/warm-up).
 */
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { DEFAULT_SCOPE, scopeOf } from '../../events/connector.js';
import { profileOf } from '../../exchanges/registry.js';
import { WarmUpService } from '../../services/warm-up.service.js';
import { allow } from '../access/access.js';
import { HttpProblem } from '../problem.js';
import { connectorRef } from '../schemas/connector.js';
import { createTurns } from '../turns.js';

const MAX_CONNECTORS = 1_000;
const DEFAULT_AHEAD_MS = 3_600_000;
const MAX_AHEAD_MS = 86_400_000;

export const warmedClock = z.object({
  exchange: z.string(),
  environment: z.string(),
  scope: z.string(),
  outcome: z
    .enum(['warm', 'measured', 'failed', 'skipped'])
    .describe(
      'It was good for long enough; it is now; see `problem`; the exchange said it was enough and is left alone.',
    ),
  problem: z.string().optional(),
  retryAfterMs: z.number().optional().describe('For so long is the exchange left alone, milliseconds.'),
});
export const warmUpAnswer = z.object({
  clocks: z.array(warmedClock),
  isStored: z.boolean().describe('Everything that was measured is stored.'),
});

export const warmUpRoutes: FastifyPluginAsyncZod = async app => {
  const { state, warmUp = {} } = app.parts;
  const { hosts = [] } = warmUp;
  const service = new WarmUpService({ ...warmUp, cache: state.cache });
  const turns = createTurns();

  app.post(
    '/v1/warm-ups',
    {
      config: allow(['writer'], 'body', request =>
        ((request.body as { connectors?: { userId: string }[] }).connectors ?? []).map(
          ({ userId }) => userId,
        ),
      ),
      schema: {
        tags: ['state'],
        summary:
          'Have the clocks of up to 1 000 connectors measured, where they are not good for long enough',
        description:
          'Connectors of one exchange and environment share its clock: two public requests warm them all, and none if it is warm. Only the exchanges’ own hosts are asked (scope `default`).',
        body: z.strictObject({
          connectors: z.array(connectorRef).min(1).max(MAX_CONNECTORS),
          aheadMs: z
            .int()
            .min(1)
            .max(MAX_AHEAD_MS)
            .default(DEFAULT_AHEAD_MS)
            .describe('How long the clocks are to be good from now on, milliseconds.'),
        }),
        response: { 200: warmUpAnswer },
      },
    },
    async request => {
      const { connectors, aheadMs } = request.body;
      const elsewhere = connectors.find(
        ref =>
          scopeOf(ref) !== DEFAULT_SCOPE &&
          !hosts.some(({ exchange, scope }) => exchange === ref.exchange && scope === ref.scope),
      );
      if (elsewhere) {
        throw new HttpProblem(
          400,
          'INVALID_INPUT',
          `the service asks the exchanges' own hosts only, and "${elsewhere.scope}" is a clock of another: measure it where you are and tell it by POST …/syncs, or use \`connector-state warm\``,
        );
      }
      // What is not known here is the caller's mistake, and no outcome.
      for (const { exchange } of connectors) profileOf(exchange);
      const byClock = new Map(
        connectors.map(ref => [JSON.stringify([ref.exchange, ref.environment, scopeOf(ref)]), ref]),
      );
      const question = JSON.stringify([aheadMs, ...[...byClock.keys()].sort()]);
      const { clocks, isStored } = await turns.take(question, () =>
        service.warm([...byClock.values()], { aheadMs }),
      );
      return { clocks: [...clocks], isStored };
    },
  );
};
