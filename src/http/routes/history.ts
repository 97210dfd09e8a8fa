/** What happened to one credential, read from the events: its audit trail, its state at a time, why it is what it is. */
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { allow, notFound } from '../access/access.js';
import { credentialParams } from '../schemas/connector.js';
import { storedEvent, toEventAnswer } from '../schemas/events.js';
import { moment, offsetMs, timeMs, uncertaintyMs } from '../schemas/times.js';

const CREDENTIAL = '/v1/users/:userId/credentials/:credentialId';
const MAX_PAGE = 1_000;

export const stateAt = z.object({
  syncId: z.string(),
  exchange: z.string(),
  environment: z.string(),
  offsetMs,
  uncertaintyMs,
  referenceClock: z.string(),
  measuredAtMs: timeMs,
  expiresAtMs: timeMs,
  isValid: z.boolean(),
  invalidReason: z.string().nullable(),
  hitCount: z.number(),
  isUsable: z.boolean().describe('Valid and not expired at that time.'),
});

export const historyRoutes: FastifyPluginAsyncZod = async app => {
  const { cache } = app.parts.upkeep;

  app.get(
    `${CREDENTIAL}/history`,
    {
      config: allow(['reader', 'analyst'], 'path'),
      schema: {
        tags: ['history'],
        summary: 'Every fact about one credential',
        params: credentialParams,
        querystring: z.object({
          limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(100),
          order: z.enum(['newest', 'oldest']).default('newest'),
          since: moment
            .optional()
            .describe('Only what was recorded at or after this: ISO 8601 or epoch milliseconds.'),
          cursor: z
            .string()
            .max(64)
            .optional()
            .describe('`next` of the page before, asked for in the same order.'),
        }),
        response: { 200: z.object({ events: z.array(storedEvent), next: z.string().optional() }) },
      },
    },
    async request => {
      const { userId, credentialId } = request.params;
      const { limit, order, since, cursor } = request.query;
      const page = await cache.historyPage(userId, credentialId, {
        limit,
        since,
        cursor,
        newestFirst: order === 'newest',
      });
      return { events: page.events.map(toEventAnswer), ...(page.next !== undefined && { next: page.next }) };
    },
  );

  app.get(
    `${CREDENTIAL}/state-at`,
    {
      config: allow(['reader', 'analyst'], 'path'),
      schema: {
        tags: ['history'],
        summary: 'The state as it was at a time',
        params: credentialParams,
        querystring: z.object({
          time: moment.describe("By the store's clock: ISO 8601 or epoch milliseconds."),
        }),
        response: {
          200: stateAt,
        },
      },
    },
    async request => {
      const { userId, credentialId } = request.params;
      const found = await cache.stateAt(userId, credentialId, request.query.time);
      if (!found) throw notFound();
      const { timeOffset: offsetMs, lastSyncTime: measuredAtMs, expiresAt: expiresAtMs, ...rest } = found;
      return { ...rest, offsetMs, measuredAtMs, expiresAtMs };
    },
  );

  app.get(
    `${CREDENTIAL}/explanation`,
    {
      config: allow(['reader', 'analyst'], 'path'),
      schema: {
        tags: ['history'],
        summary: 'Why the credential has the offset it has, and when that ends',
        params: credentialParams,
        response: { 200: z.looseObject({ status: z.string(), nowMs: timeMs }) },
      },
    },
    async request => {
      const { userId, credentialId } = request.params;
      const found = await cache.explain(userId, credentialId);
      if (!found) throw notFound();
      return { ...found };
    },
  );
};
