/** Whether this process lives, and whether it can do its work. For whoever starts and stops it: without authentication. */
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { withDeadline } from '../../base/deadline.js';
import { isConnectorStateError } from '../../base/errors.js';
import { allow } from '../access/access.js';

const DEADLINE_MS = 1_000;

const check = z.enum(['ok', 'failing']);
const readiness = z.object({
  status: z.enum(['ready', 'not-ready']),
  checks: z.object({
    database: check.describe('It answers within a second, and its tables are of this release.'),
    projector: check.describe('The log is the one that the read tables were made from.'),
  }),
});

export const healthRoutes: FastifyPluginAsyncZod = async app => {
  const { upkeep } = app.parts;

  app.get(
    '/health/live',
    {
      config: allow('public', 'shared'),
      schema: {
        tags: ['operations'],
        summary: 'The process runs',
        response: { 200: z.object({ status: z.literal('live') }) },
      },
    },
    async () => ({ status: 'live' as const }),
  );

  app.get(
    '/health/ready',
    {
      config: allow('public', 'shared'),
      schema: {
        tags: ['operations'],
        summary: 'It can do its work',
        description:
          'Also tells, as 503, of a server that is about to end. Lookups go on from memory for a while.',
        response: { 200: readiness, 503: readiness },
      },
    },
    async (_request, reply) => {
      const checks = await withDeadline(look(), DEADLINE_MS, () => AWAY);
      const isReady = checks.database === 'ok' && checks.projector === 'ok';
      void reply.code(isReady ? 200 : 503).header('cache-control', 'no-store');
      return { status: isReady ? ('ready' as const) : ('not-ready' as const), checks };
    },
  );

  async function look(): Promise<Checks> {
    try {
      await (await upkeep.projector()).lag();
      return { database: 'ok', projector: 'ok' };
    } catch (error) {
      return isConnectorStateError(error, 'PROJECTION_FAILED') ? { ...AWAY, database: 'ok' } : AWAY;
    }
  }
};

type Checks = z.infer<typeof readiness>['checks'];

const AWAY: Checks = { database: 'failing', projector: 'failing' };
