/** What went wrong, and what operators did: refusals for the plots, and the last notable facts for whoever looks. */
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { DEFAULT_RANGE, toleranceOf } from '../../clock/request-window.js';
import { toDatabaseError } from '../../postgres/pool.js';
import {
  NOTABLE_TYPES,
  type NotableEvent,
  type NotableQuery,
  notableEvents,
  REFUSAL_TYPES,
} from '../../read-model/notable-queries.js';
import { allow } from '../access/access.js';
import { placeQuery, rangeOf, rangeQuery } from '../schemas/range.js';
import { timeMs } from '../schemas/times.js';
import { shareAnswers } from '../shared-answers.js';

const limit = z.coerce.number().int().min(1).max(1_000).default(100);

const refusal = z.object({
  exchange: z.string(),
  environment: z.string(),
  scope: z.string(),
  atMs: timeMs,
  kind: z
    .enum(['late', 'wrong', 'other'])
    .describe('For the timestamp: it came too late, or its clock was wrong. Other: for key, rights or rate.'),
  exchangeCode: z.string(),
  failureClass: z.string(),
  lateAtLeastMs: z.number().nullable(),
  lateAtMostMs: z.number().nullable(),
  offsetMs: z.number().nullable(),
  uncertaintyMs: z.number().nullable(),
  userId: z.string(),
  credentialId: z.string(),
});

const notable = z.object({
  id: z.string(),
  type: z.enum(NOTABLE_TYPES),
  recordedAt: timeMs,
  host: z.string().optional().describe('Who recorded it. Not told to a caller that is bound to one user.'),
  data: z
    .record(z.string(), z.unknown())
    .describe('As it was stored; docs/architecture.md has the catalogue.'),
});

const elsewhere = z
  .boolean()
  .describe('The events lie in a store of their own: none is listed, however many there are.');

export const refusals = z.object({
  elsewhere,
  toleranceMs: z.number().describe('Of the default request window: what a timestamp may be off by.'),
  refusals: z.array(refusal),
});

export const activity = z.object({ elsewhere, events: z.array(notable) });

export const notableRoutes: FastifyPluginAsyncZod = async app => {
  shareAnswers(app);
  const { analytics, upkeep } = app.parts;
  const { clock } = upkeep.cache;
  const isElsewhere = app.parts.state.settings.eventStoreUrl !== undefined;
  const find = async (query: NotableQuery) => {
    try {
      return await notableEvents(analytics, query);
    } catch (error) {
      throw toDatabaseError(error);
    }
  };

  app.get(
    '/v1/analytics/refusals',
    {
      config: allow(['analyst'], 'filtered'),
      schema: {
        tags: ['analytics'],
        summary: 'Refused requests, the newest first',
        querystring: z.object({ ...rangeQuery, ...placeQuery, limit }),
        response: {
          200: refusals,
        },
      },
    },
    async ({ query, principal: { userId } }) => {
      const { exchange, environment, scope, limit } = query;
      const range = rangeOf(query, clock.now());
      const events = await find({
        ...range,
        types: REFUSAL_TYPES,
        exchange,
        environment,
        scope,
        userId,
        limit,
      });
      return {
        elsewhere: isElsewhere,
        toleranceMs: toleranceOf(DEFAULT_RANGE),
        refusals: events.map(toRefusal),
      };
    },
  );

  app.get(
    '/v1/activity',
    {
      config: allow(['analyst'], 'filtered'),
      schema: {
        tags: ['analytics'],
        summary: 'Refusals, condemnations, failures and what operators did, the newest first',
        description: 'Syncs and hits are not among them.',
        querystring: z.object({
          ...rangeQuery,
          ...placeQuery,
          type: z.enum(NOTABLE_TYPES).optional(),
          limit,
        }),
        response: { 200: activity },
      },
    },
    async ({ query, principal: { userId } }) => {
      const { exchange, environment, scope, type, limit } = query;
      const types = type && [type];
      const events = await find({
        ...rangeOf(query, clock.now()),
        types,
        exchange,
        environment,
        scope,
        userId,
        limit,
      });
      return { elsewhere: isElsewhere, events: events.map(event => shownTo(event, userId)) };
    },
  );
};

/** @param userId of a caller that is bound to one: who recorded it is nothing to him */
export const shownTo = ({ host, ...event }: NotableEvent, userId: string | undefined) => ({
  ...event,
  ...(userId === undefined && { host }),
  data: { ...event.data },
});

function toRefusal({ type, recordedAt, data }: NotableEvent): z.infer<typeof refusal> {
  const text = (name: string) => String(data[name] ?? '');
  const figure = (name: string) => (typeof data[name] === 'number' ? data[name] : null);
  const failureClass = type === 'ConnectorRequestLate' ? 'late' : text('failureClass');
  return {
    exchange: text('exchange'),
    environment: text('environment'),
    scope: text('scope') || 'default',
    atMs: recordedAt,
    kind: failureClass === 'late' ? 'late' : failureClass === 'timestamp' ? 'wrong' : 'other',
    exchangeCode: text('exchangeCode'),
    failureClass,
    lateAtLeastMs: figure('lateAtLeastMs'),
    lateAtMostMs: figure('lateAtMostMs'),
    offsetMs: figure('offsetMs'),
    uncertaintyMs: figure('uncertaintyMs'),
    userId: text('userId'),
    credentialId: text('credentialId'),
  };
}
