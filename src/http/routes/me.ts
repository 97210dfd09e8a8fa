/** Who the caller is: what it may do, so that a page need not show what would be refused. */
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { allow, ROLES } from '../access/access.js';

export const me = z.object({
  id: z.string().describe('As in events and logs: `key:<prefix>`, `jwt:<subject>` or `local`.'),
  roles: z.array(z.enum(ROLES)),
  userId: z.string().nullable().describe('The only user that exists for the caller; null: all do.'),
});

export const meRoutes: FastifyPluginAsyncZod = async app => {
  app.get(
    '/v1/me',
    {
      config: allow([...ROLES], 'shared'),
      schema: {
        tags: ['access'],
        summary: 'Who the caller is',
        response: {
          200: me,
        },
      },
    },
    async ({ principal: { id, roles, userId } }, reply) => {
      void reply.header('cache-control', 'no-store');
      return { id, roles: [...roles], userId: userId ?? null };
    },
  );
};
