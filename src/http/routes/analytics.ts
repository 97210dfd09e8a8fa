/** What the past says: drift of the exchanges' clocks, and how the cache did. Figures of everybody together. */
import type { FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { DEFAULT_RANGE, toleranceOf } from '../../clock/request-window.js';
import type { ConnectorState } from '../../composition/connector-state.js';
import { toDatabaseError } from '../../postgres/pool.js';
import { type DriftBucket, driftSeries, HOUR_MS } from '../../read-model/drift-series.js';
import type { SeriesQuery } from '../../read-model/series-query.js';
import { usageSeries } from '../../read-model/usage-series.js';
import { allow } from '../access/access.js';
import {
  chronyOf,
  DRIFT_FORMATS,
  FORMATS,
  sendCsv,
  sendJson,
  sendNdjson,
  sendPlain,
  stable32Of,
} from '../formats.js';
import { longAnswer } from '../long-answer.js';
import { HttpProblem } from '../problem.js';
import { environment, exchange, scope } from '../schemas/connector.js';
import { machine } from '../schemas/range.js';
import { span, timeMs } from '../schemas/times.js';
import { questionOf, shareAnswers } from '../shared-answers.js';

const MAX_BUCKETS = 10_000;
const DAY_MS = 86_400_000;
const MIN_BUCKET_MS = 1_000;

const range = {
  from: span
    .default({ agoMs: 7 * DAY_MS })
    .describe('ISO 8601, epoch milliseconds, or a span that ends now: 90m, 24h, 7d.'),
  until: span.optional().describe('The same. Default: now.'),
};

const whose = {
  exchange: exchange.optional(),
  environment: environment.optional(),
  scope: scope.optional(),
  host: machine.optional(),
  by: z.enum(['exchange', 'host']).default('exchange'),
};

export const driftBucket = z.object({
  startMs: timeMs,
  exchange: z.string(),
  environment: z.string(),
  scope: z.string(),
  referenceClock: z.string(),
  host: z.string().nullable(),
  samples: z.number(),
  meanOffsetMs: z.number(),
  minOffsetMs: z.number(),
  maxOffsetMs: z.number(),
  uncertaintyMs: z.number().describe('Of the best single sample.'),
  ratePpm: z.number().nullable(),
  roundTripMinMs: z.number(),
  distanceToRefusalMs: z
    .number()
    .describe(
      'What the default request window would have forgiven beyond the best sample’s error, milliseconds: for a request that is as late as the window reserves room for (2 s). What refused requests were late by is in /v1/analytics/refusals.',
    ),
});
export const usageBucket = z.object({
  startMs: timeMs,
  exchange: z.string(),
  environment: z.string(),
  scope: z.string(),
  host: z.string().nullable(),
  hits: z.number(),
  staleHits: z.number(),
  misses: z.number().describe('Lookups that led to a sync.'),
  hitRate: z.number().nullable(),
  hitsMemory: z.number(),
  hitsRedis: z.number(),
  hitsPostgres: z.number(),
  hitsExchangeClock: z.number(),
  syncs: z.number(),
  syncFailures: z.number(),
  timestampRefusals: z.number(),
  otherRefusals: z.number(),
  lateRequests: z.number(),
  unreachable: z.number(),
  invalidations: z.number(),
});

const seriesOf = <T extends z.ZodType>(bucket: T) =>
  z.object({ fromMs: timeMs, untilMs: timeMs, bucketMs: z.number(), buckets: z.array(bucket) });

export const statsAnswer = z.looseObject({
  total: z.number(),
  valid: z.number(),
  expired: z.number(),
  hitRate: z.number(),
});

/** Without what is only of this process. */
export async function statsOf(cache: ConnectorState['cache']) {
  const toleranceMs = toleranceOf(DEFAULT_RANGE);
  const { recorder: _, badSamples: __, clocks, ...stats } = await cache.getStats();
  const distances = clocks.map(clock => ({
    ...clock,
    distanceToRefusalMs: toleranceMs - clock.uncertaintyMs,
  }));
  return { ...stats, clocks: distances, toleranceMs };
}

const inOurTerms = (error: unknown): never => {
  throw toDatabaseError(error);
};

export const analyticsRoutes: FastifyPluginAsyncZod = async app => {
  shareAnswers(app);
  const { analytics, upkeep } = app.parts;
  const toleranceMs = toleranceOf(DEFAULT_RANGE);
  const analyst = allow(['analyst'], 'hidden');

  /** `text`: the answer in JSON, which is written once for all who ask the same; false for other formats. */
  const series = <T extends object>(request: SeriesRequest, read: (query: SeriesQuery) => Promise<T[]>) =>
    app.analyses.take(questionOf(request), async () => {
      const { from, until, by, format, bucketMs, ...filter } = request.query;
      const times = timesOf(from, until, upkeep.cache.clock.now(), bucketMs);
      const query = { ...filter, ...times, bucketMs, byHost: by === 'host', limit: MAX_BUCKETS + 1 };
      const buckets = notTooMany(await read(query).catch(inOurTerms));
      return {
        buckets,
        text: format === 'json' && (await longAnswer({ ...times, bucketMs }, 'buckets', buckets)),
      };
    });

  app.get(
    '/v1/stats',
    {
      config: analyst,
      schema: {
        tags: ['analytics'],
        summary: 'States, hit rate, failures, shared clocks, and how far the read tables are behind',
        response: { 200: statsAnswer },
      },
    },
    request => app.analyses.take(questionOf(request), () => statsOf(upkeep.cache)),
  );

  app.get(
    '/v1/analytics/drift',
    {
      config: analyst,
      schema: {
        tags: ['analytics'],
        summary: 'Offset and rate of the exchanges’ clocks over time',
        querystring: z.object({
          ...range,
          bucketMs: z.coerce
            .number()
            .int()
            .min(MIN_BUCKET_MS)
            .max(366 * DAY_MS)
            .default(HOUR_MS),
          ...whose,
          format: z.enum(DRIFT_FORMATS).default('json'),
        }),
        response: { 200: seriesOf(driftBucket) },
      },
    },
    async (request, reply) => {
      const { format, bucketMs } = request.query;
      const { buckets, text } = await series(request, async query =>
        (await driftSeries(analytics, query)).map(row => ({
          ...row,
          distanceToRefusalMs: toleranceMs - row.uncertaintyMs,
        })),
      );
      if (text !== false) return sendJson(reply, text);
      if (format === 'csv') return sendCsv(reply, buckets, Object.keys(driftBucket.shape), 'drift');
      if (format === 'ndjson') return sendNdjson(reply, buckets, 'drift');
      const points = pointsOf(buckets, bucketMs);
      if (format === 'chrony') return sendPlain(reply, chronyOf(points), 'tracking.log');
      const clocks = new Set(points.map(({ name }) => name));
      if (clocks.size > 1) {
        throw new HttpProblem(
          400,
          'INVALID_INPUT',
          `stable32 files hold one clock, and these are ${clocks.size}: give exchange, environment, scope and host`,
        );
      }
      const [title = 'no samples'] = clocks;
      return sendPlain(reply, stable32Of(points, title), 'phase.dat');
    },
  );

  app.get(
    '/v1/analytics/usage',
    {
      config: analyst,
      schema: {
        tags: ['analytics'],
        summary: 'Hits, misses, syncs and failures over time',
        description:
          'By exchange, environment and scope; with `by=host` also by the machine that recorded it. Sandboxes of functions whose hostname is a link-local address are one machine, `169.254.*`; `forgotten` has the hits that a release before this one forgot.',
        querystring: z.object({
          ...range,
          bucketMs: z.coerce
            .number()
            .int()
            .min(HOUR_MS)
            .max(366 * DAY_MS)
            .multipleOf(HOUR_MS)
            .default(HOUR_MS),
          ...whose,
          format: z.enum(FORMATS).default('json'),
        }),
        response: { 200: seriesOf(usageBucket) },
      },
    },
    async (request, reply) => {
      const { format } = request.query;
      const { buckets, text } = await series(request, query => usageSeries(analytics, query));
      if (text !== false) return sendJson(reply, text);
      if (format === 'csv') return sendCsv(reply, buckets, Object.keys(usageBucket.shape), 'usage');
      return sendNdjson(reply, buckets, 'usage');
    },
  );
};

type Span = z.infer<typeof span>;
type SeriesRequest = FastifyRequest & {
  readonly query: z.infer<z.ZodObject<typeof range & typeof whose>> & {
    readonly bucketMs: number;
    readonly format: string;
  };
};

/** @throws HttpProblem for a range that is empty, or has more buckets than an answer may */
function timesOf(from: Span, until: Span | undefined, nowMs: number, bucketMs: number) {
  const at = (given: Span) => ('atMs' in given ? given.atMs : nowMs - given.agoMs);
  const [fromMs, untilMs] = [at(from), until ? at(until) : nowMs];
  const problem =
    fromMs > untilMs
      ? 'from lies behind until'
      : (untilMs - fromMs) / bucketMs > MAX_BUCKETS
        ? `so many buckets are more than ${MAX_BUCKETS}: take a shorter range, or a larger bucketMs`
        : undefined;
  if (problem) throw new HttpProblem(400, 'INVALID_INPUT', problem);
  return { fromMs, untilMs };
}

/** Several clocks, scopes and machines have each their own; what is left out in silence would be taken for nothing. */
function notTooMany<T>(rows: T[]): T[] {
  if (rows.length <= MAX_BUCKETS) return rows;
  throw new HttpProblem(
    400,
    'INVALID_INPUT',
    `the answer has more than ${MAX_BUCKETS} buckets: take a shorter range, a larger bucketMs, or name exchange, environment, scope or host`,
  );
}

const pointsOf = (rows: readonly DriftBucket[], bucketMs: number) =>
  rows.map(row => ({
    atMs: row.startMs + bucketMs / 2,
    name: [row.exchange, row.environment, row.scope, row.host ?? ''].filter(Boolean).join('/'),
    offsetMs: row.meanOffsetMs,
    uncertaintyMs: row.uncertaintyMs,
    ratePpm: row.ratePpm,
    roundTripMs: row.roundTripMinMs,
  }));
