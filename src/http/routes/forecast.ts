/** When connectors and the exchanges' clocks are used, and are likely to be used next. */
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { clockForecasts, connectorForecasts } from '../../forecast/forecasts.js';
import { inUse } from '../../forecast/in-use.js';
import { toDatabaseError } from '../../postgres/pool.js';
import type { ConnectorPlace } from '../../read-model/usage-habits.js';
import { allow } from '../access/access.js';
import { createGate } from '../gate.js';
import { HttpProblem } from '../problem.js';
import { environment, exchange, scope, userId } from '../schemas/connector.js';
import { timeMs } from '../schemas/times.js';

const AT_ONCE = 6;
const UNITS_MS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

const within = z
  .string()
  .regex(/^[1-9]\d{0,3}[mhd]$/)
  .default('1h')
  .transform(text => Number(text.slice(0, -1)) * UNITS_MS[text.slice(-1) as keyof typeof UNITS_MS])
  .describe('How far ahead the probability looks: 15m, 4h, 2d.');

const place = { exchange: z.string(), environment: z.string(), scope: z.string() };
const forecast = {
  uses: z.number(),
  sinceMs: timeMs.describe('The first use known.'),
  lastUseMs: timeMs,
  basis: z
    .enum(['history', 'baseline'])
    .describe('`baseline`: too little is known of it; uses are taken to come at random, as often as so far.'),
  probability: z.number().describe('That it is used within the span asked for, 0–1.'),
  likelyAtMs: timeMs
    .nullable()
    .describe(
      'The next use is as likely before this as after it. null: it has lain longer than ever before.',
    ),
};
const figures = {
  idle: z
    .array(z.object({ fromMs: z.number(), untilMs: z.number().nullable(), count: z.number() }))
    .describe('How often it lay idle for so long, milliseconds.'),
  weekShares: z
    .array(z.number())
    .describe('For each of the 168 hours from Monday 00:00 UTC: the share of weeks in which it was used.'),
  weekUses: z.array(z.number()).describe('The same: uses in that hour, in the mean of the weeks.'),
};
const told = {
  policy: z
    .string()
    .describe('The policy in use: the one that won the latest back-test that was kept, or `none`.'),
  modelVersion: z
    .number()
    .nullable()
    .describe(
      'Of the trained model whose back-test says so; null: none is kept. Probabilities are its own where `policy` is `learned`, by the hours of the week where it is `seasonal`, else the histogram’s.',
    ),
};
const places = {
  exchange: exchange.optional(),
  environment: environment.optional(),
  scope: scope.optional(),
};

const inOurTerms = (error: unknown): never => {
  throw toDatabaseError(error);
};

/** Of a page's last, as its reader sends it back. */
const encode = ({ cacheKey, exchange, environment, scope }: ConnectorPlace): string =>
  Buffer.from(JSON.stringify([cacheKey, exchange, environment, scope])).toString('base64url');

function decode(cursor: string): ConnectorPlace {
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    const isPlace = Array.isArray(parts) && parts.length === 4;
    if (isPlace && parts.every(part => typeof part === 'string' && !part.includes('\u0000'))) {
      const [cacheKey = '', exchange = '', environment = '', scope = ''] = parts as string[];
      return { cacheKey, exchange, environment, scope };
    }
  } catch {
    // Told below.
  }
  throw new HttpProblem(400, 'INVALID_INPUT', 'cursor must be `next` of the page before, unchanged');
}

export const clockForecastsAnswer = z.object({
  nowMs: timeMs,
  withinMs: z.number(),
  ...told,
  clocks: z.array(z.object({ ...place, ...forecast, ...figures })),
});

export const forecastRoutes: FastifyPluginAsyncZod = async app => {
  const { analytics, upkeep } = app.parts;
  const { clock } = upkeep.cache;
  const gate = createGate(AT_ONCE, 'forecasts');
  const byWhat = async () => {
    const { policy, modelVersion = null, probability } = await inUse(analytics).catch(inOurTerms);
    return { policy, modelVersion, probability };
  };

  app.get(
    '/v1/analytics/forecast/clocks',
    {
      config: allow(['analyst'], 'shared'),
      schema: {
        tags: ['analytics'],
        summary: "When each exchange's clock is used, and will be next",
        description: 'Whether it pays to refresh ahead of that is another question: docs/forecast.md.',
        querystring: z.object({ ...places, within }),
        response: {
          200: clockForecastsAnswer,
        },
      },
    },
    async ({ query: { within: withinMs, ...filter } }) => {
      const nowMs = Math.round(clock.now());
      const { found, policy, modelVersion } = await gate.pass(async () => {
        const { probability, ...by } = await byWhat();
        const query = { ...filter, nowMs, withinMs, probability };
        return { ...by, found: await clockForecasts(analytics, query).catch(inOurTerms) };
      });
      const clocks = found.map(clock => ({
        ...clock,
        idle: [...clock.idle],
        weekShares: [...clock.weekShares],
        weekUses: [...clock.weekUses],
      }));
      return { nowMs, withinMs, policy, modelVersion, clocks };
    },
  );

  app.get(
    '/v1/analytics/forecast/connectors',
    {
      config: allow(['analyst'], 'filtered'),
      schema: {
        tags: ['analytics'],
        summary: 'When each connector is used, and will be next',
        querystring: z.object({
          ...places,
          userId: userId.optional().describe('One user.'),
          within,
          limit: z.coerce.number().int().min(1).max(1_000).default(100),
          cursor: z.string().max(2_000).optional().describe('`next` of the page before.'),
        }),
        response: {
          200: z.object({
            nowMs: timeMs,
            withinMs: z.number(),
            ...told,
            connectors: z.array(
              z.object({ userId: z.string(), credentialId: z.string(), ...place, ...forecast }),
            ),
            next: z.string().optional(),
          }),
        },
      },
    },
    async ({ query: { within: withinMs, cursor, limit, ...filter }, principal: { userId: own } }) => {
      const nowMs = Math.round(clock.now());
      const after = cursor === undefined ? undefined : decode(cursor);
      const { found, policy, modelVersion } = await gate.pass(async () => {
        const { probability, ...by } = await byWhat();
        // For a bound caller there is nobody else to look for.
        if (own !== undefined && (filter.userId ?? own) !== own) return { ...by, found: [] };
        const whose = { ...filter, userId: own ?? filter.userId, after, limit: limit + 1 };
        const wanted = { ...whose, nowMs, withinMs, probability };
        return { ...by, found: await connectorForecasts(analytics, wanted).catch(inOurTerms) };
      });
      const page = found.slice(0, limit);
      const last = found.length > limit ? page.at(-1) : undefined;
      const connectors = page.map(({ cacheKey, ...connector }) => connector);
      return { nowMs, withinMs, policy, modelVersion, connectors, ...(last && { next: encode(last) }) };
    },
  );
};
