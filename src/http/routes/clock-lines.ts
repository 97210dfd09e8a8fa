/**
 * What is known of the exchanges' clocks over time. Beside `/v1/analytics/drift`, whose buckets sum samples up, this puts the
 * cells together (clock/drift-history.ts): an offset is what all its samples allow, with the bound of its error.
 */
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { type DriftLine, driftLines } from '../../clock/drift-history.js';
import { toDatabaseError } from '../../postgres/pool.js';
import { readDrift } from '../../read-model/drift-queries.js';
import { allow } from '../access/access.js';
import { machine, placeQuery, rangeOf, rangeQuery } from '../schemas/range.js';
import { offsetMs, timeMs, uncertaintyMs } from '../schemas/times.js';
import { questionOf, shareAnswers } from '../shared-answers.js';

const point = z.object({
  startMs: timeMs,
  atMs: timeMs,
  offsetMs,
  uncertaintyMs,
  samples: z.number(),
  minOffsetMs: z.number(),
  maxOffsetMs: z.number(),
  meanOffsetMs: z.number(),
  tightestUncertaintyMs: z.number(),
  roundTripMinMs: z.number(),
  roundTripMedianMs: z.number(),
  steps: z.number().describe('That ended within it.'),
});

const line = z.object({
  exchange: z.string(),
  environment: z.string(),
  scope: z.string(),
  referenceClock: z.string().nullable().describe("Null: each process's own."),
  host: z.string().nullable().describe('Null: all machines together.'),
  hosts: z.number(),
  samples: z.number(),
  drift: z.object({
    rate: z.object({ ratePpm: z.number(), boundPpm: z.number() }),
    isMeasured: z.boolean(),
    samples: z.number().describe('Effective: old and imprecise ones count less.'),
    spanMs: z.number(),
  }),
  steps: z.array(
    z.object({
      afterMs: timeMs,
      atMs: timeMs,
      byMs: z.number().nullable().describe('Null: one of several within a cell.'),
      hosts: z.number().describe('How many machines saw it.'),
    }),
  ),
  roundTripMinMs: z.number(),
  roundTripMedianMs: z.number(),
  points: z.array(point),
});

export const clockLines = z.object({
  fromMs: timeMs,
  untilMs: timeMs,
  cellMs: z.number(),
  source: z.enum(['samples', 'hours', 'days']),
  lines: z.array(line),
});

const asked = z.object({
  ...rangeQuery,
  ...placeQuery,
  host: machine.optional(),
  by: z.enum(['exchange', 'host']).default('exchange'),
});
type Asked = z.infer<typeof asked>;

export const clockLineRoutes: FastifyPluginAsyncZod = async app => {
  shareAnswers(app);
  const { analytics, upkeep } = app.parts;
  const { clock } = upkeep.cache;

  app.get(
    '/v1/analytics/clocks',
    {
      config: allow(['analyst'], 'shared'),
      schema: {
        tags: ['analytics'],
        summary: 'What is known of the exchanges’ clocks over time: offsets with bounds, steps, rates',
        description:
          'Up to six hours in cells of seconds or minutes, up to 100 days by the hour, longer ranges by the day: but for days in which a clock stepped, of which the hours are told. Offsets are exchange minus reference clock.',
        querystring: asked,
        response: {
          200: clockLines,
        },
      },
    },
    request => app.analyses.take(questionOf(request), () => linesOf(request.query)),
  );

  async function linesOf(query: Asked) {
    const { exchange, environment, scope, host, by } = query;
    const { fromMs, untilMs } = rangeOf(query, clock.now());
    try {
      const found = await readDrift(analytics, {
        since: { atMs: fromMs },
        untilMs,
        exchange,
        environment,
        scope,
        host,
      });
      const { cellMs, source } = found;
      const lines = driftLines(found.cells, host === undefined ? by : 'host').map(toAnswer);
      return { fromMs: found.fromMs, untilMs, cellMs, source, lines };
    } catch (error) {
      throw toDatabaseError(error);
    }
  }
};

function toAnswer({ drift, ...line }: DriftLine) {
  const { rate, isMeasured, samples, spanMs } = drift;
  return {
    ...line,
    referenceClock: line.referenceClock ?? null,
    host: line.host ?? null,
    drift: { rate, isMeasured, samples, spanMs },
    steps: [...line.steps],
    points: [...line.points],
  };
}
