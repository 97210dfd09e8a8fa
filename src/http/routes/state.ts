/** States: what a connector signs with. */
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { allow } from '../access/access.js';
import { connectorParams, connectorRef, scope } from '../schemas/connector.js';
import { manyAnswerText } from '../schemas/many-states.js';
import { plainJson } from '../schemas/serialising.js';
import { etagOf, isNoneMatch, lookupAnswer, manyAnswer, toLookupAnswer } from '../schemas/state.js';
import { nonce } from '../schemas/times.js';

const MAX_CONNECTORS = 1_000;

export const stateRoutes: FastifyPluginAsyncZod = async app => {
  const { cache } = app.parts.state;
  app.addHook('onRequest', (_request, _reply, next) => {
    app.analyses.giveWay();
    next();
  });

  app.get(
    '/v1/connectors/:exchange/:environment/:userId/:credentialId/state',
    {
      config: allow(['reader', 'writer'], 'path'),
      schema: {
        tags: ['state'],
        summary: 'The state of one connector',
        description:
          'A hit is counted unless `peek`; a HEAD counts none. A miss says why, and carries the clock that all connectors of the exchange share where that is known.',
        params: connectorParams,
        querystring: z.object({
          scope: scope.optional(),
          atLeast: z
            .string()
            .max(200)
            .optional()
            .describe('A position that a write returned: read your own writes.'),
          peek: z.stringbool().optional().describe('Do not count the hit.'),
          nonce: nonce.optional(),
        }),
        response: {
          200: lookupAnswer,
          304: z.undefined().describe('It is as `If-None-Match` has it. Its headers are no clock sample.'),
        },
      },
      serializerCompiler: plainJson,
    },
    async (request, reply) => {
      const { scope, atLeast, peek = request.method === 'HEAD', nonce } = request.query;
      const ref = { ...request.params, scope };
      const lookup = await (peek ? cache.peek(ref, { atLeast }) : cache.get(ref, { atLeast }));
      void reply.header('cache-control', 'no-store');
      const etag = etagOf(lookup);
      if (etag !== undefined) {
        void reply.header('etag', etag);
        if (isNoneMatch(request.headers['if-none-match'], etag)) return reply.code(304).send();
      }
      return toLookupAnswer(lookup, { receivedAtMs: request.receivedAtMs, clock: cache.clock, nonce });
    },
  );

  app.post(
    '/v1/states',
    {
      config: allow(['reader', 'writer'], 'body', request =>
        ((request.body as { connectors?: { userId: string }[] }).connectors ?? []).map(
          ({ userId }) => userId,
        ),
      ),
      schema: {
        tags: ['state'],
        summary: 'The states of up to 1 000 connectors, in one query',
        body: z.strictObject({
          connectors: z.array(connectorRef).min(1).max(MAX_CONNECTORS),
          atLeast: z.string().max(200).optional(),
          peek: z.boolean().default(false),
          nonce: nonce.optional(),
        }),
        response: { 200: manyAnswer },
      },
    },
    async (request, reply) => {
      const { connectors, atLeast, peek, nonce } = request.body;
      const lookups = peek
        ? await Promise.all(connectors.map(ref => cache.peek(ref, { atLeast })))
        : await cache.getMany(connectors, { atLeast });
      void reply.header('cache-control', 'no-store').type('application/json; charset=utf-8');
      // Text is sent as it is.
      return reply.send(
        manyAnswerText(lookups, { receivedAtMs: request.receivedAtMs, clock: cache.clock, nonce }) as never,
      );
    },
  );
};
