/** Single measurements of the exchanges' clocks, as many as can be drawn. */
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { toDatabaseError } from '../../postgres/pool.js';
import { drawnSamples } from '../../read-model/sample-queries.js';
import { allow } from '../access/access.js';
import { sendJson } from '../formats.js';
import { longAnswer } from '../long-answer.js';
import { machine, placeQuery, rangeOf, rangeQuery } from '../schemas/range.js';
import { offsetMs, timeMs, uncertaintyMs } from '../schemas/times.js';
import { questionOf, shareAnswers } from '../shared-answers.js';

export const samplesAnswer = z.object({
  fromMs: timeMs.describe('What is listed begins here: later than asked for where there are too many.'),
  total: z.number().describe('How many there are; of more than `limit` every so manieth is listed.'),
  roundTripMedianMs: z
    .number()
    .nullable()
    .describe('Of all of them, not only those that are listed, milliseconds; null: there are none.'),
  roundTripP99Ms: z.number().nullable().describe('The same: 99 of 100 took no longer.'),
  samples: z.array(
    z.object({
      exchange: z.string(),
      environment: z.string(),
      scope: z.string(),
      atMs: timeMs,
      offsetMs,
      uncertaintyMs,
      roundTripMs: z.number(),
      machine: z.string(),
      source: z.string(),
      trigger: z.string(),
    }),
  ),
});

export const sampleRoutes: FastifyPluginAsyncZod = async app => {
  shareAnswers(app);
  const { analytics, upkeep } = app.parts;
  const { clock } = upkeep.cache;

  app.get(
    '/v1/analytics/samples',
    {
      config: allow(['analyst'], 'shared'),
      schema: {
        tags: ['analytics'],
        summary: 'Single measurements, thinned to as many as can be drawn',
        querystring: z.object({
          ...rangeQuery,
          ...placeQuery,
          machine: machine.optional(),
          limit: z.coerce.number().int().min(1).max(5_000).default(1_000),
        }),
        response: {
          200: samplesAnswer,
        },
      },
    },
    async (request, reply) => {
      const { query } = request;
      const { exchange, environment, scope, machine, limit } = query;
      try {
        const text = await app.analyses.take(questionOf(request), async () => {
          const asked = { ...rangeOf(query, clock.now()), exchange, environment, scope, machine, limit };
          const { samples, ...found } = await drawnSamples(analytics, asked);
          return longAnswer(found, 'samples', samples);
        });
        return sendJson(reply, text);
      } catch (error) {
        throw toDatabaseError(error);
      }
    },
  );
};
