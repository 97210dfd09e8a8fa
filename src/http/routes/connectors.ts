/** Connectors as a list, for people and pages. */
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { InvalidInputError } from '../../base/errors.js';
import { MAX_ID_LENGTH } from '../../events/connector.js';
import { toDatabaseError } from '../../postgres/pool.js';
import { listConnectors, STATUSES } from '../../read-model/connector-list.js';
import { allow } from '../access/access.js';
import { createGate } from '../gate.js';
import { environment, exchange, scope, userId } from '../schemas/connector.js';
import { offsetMs, timeMs, uncertaintyMs } from '../schemas/times.js';

const MAX_PAGE = 1_000;
const LISTS_AT_ONCE = 6;

const prefix = z
  .string()
  .max(MAX_ID_LENGTH)
  .refine(text => !/[\p{Cc}\p{Surrogate}]/u.test(text), 'must be text that an id may begin with');

export const listed = z.object({
  userId: z.string(),
  credentialId: z.string(),
  exchange: z.string(),
  environment: z.string(),
  scope: z.string(),
  status: z.enum(STATUSES),
  invalidReason: z.string().nullable(),
  offsetMs,
  uncertaintyMs,
  ratePpm: z.number(),
  rateBoundPpm: z.number(),
  referenceClock: z.string(),
  syncId: z.string(),
  basis: z.string(),
  trigger: z.string(),
  measuredAtMs: timeMs,
  expiresAtMs: timeMs,
  hitCount: z.number(),
  lastHitAtMs: timeMs.nullable(),
  updatedAtMs: timeMs,
  streamVersion: z.number(),
});

/** Whatever is no cursor would begin somewhere, at the beginning mostly, and whoever turns pages would never end. */
function keyBehind(cursor: string): string {
  const bytes = Buffer.from(cursor, 'base64url');
  const key = bytes.toString('utf8');
  const isOurs = bytes.toString('base64url') === cursor && Buffer.from(key).equals(bytes);
  if (isOurs && /^[^\p{Cc}]+_[^\p{Cc}]+$/u.test(key)) return key;
  throw new InvalidInputError('cursor must be the `next` of a page of this list, as it was given');
}

export const connectorRoutes: FastifyPluginAsyncZod = async app => {
  const { analytics } = app.parts;
  const gate = createGate(LISTS_AT_ONCE, 'lists');

  app.get(
    '/v1/connectors',
    {
      config: allow(['reader', 'analyst'], 'filtered'),
      schema: {
        tags: ['connectors'],
        summary: 'Connectors that have a state, by the beginnings of their ids',
        querystring: z.object({
          user: prefix.optional().describe("The beginning of the user's id."),
          userId: userId.optional().describe('One user.'),
          credential: prefix.optional().describe("The beginning of the credential's id."),
          exchange: exchange.optional(),
          environment: environment.optional(),
          scope: scope.optional(),
          status: z.enum(STATUSES).optional(),
          limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(100),
          cursor: z.string().max(1_100).optional().describe('`next` of the page before.'),
        }),
        response: { 200: z.object({ connectors: z.array(listed), next: z.string().optional() }) },
      },
    },
    async request => {
      const { user, credential, cursor, limit, ...query } = request.query;
      const own = request.principal.userId;
      // For a bound caller there is nobody else to look for.
      const isOther =
        own !== undefined && ((query.userId ?? own) !== own || (user !== undefined && !own.startsWith(user)));
      if (isOther) return { connectors: [] };
      const after = cursor === undefined ? undefined : keyBehind(cursor);
      const found = await gate.pass(() =>
        listConnectors(analytics, {
          ...query,
          userId: own ?? query.userId,
          userPrefix: user,
          credentialPrefix: credential,
          after,
          limit,
        }).catch(error => {
          throw toDatabaseError(error);
        }),
      );
      const page = found.slice(0, limit);
      const last = found.length > limit ? page.at(-1) : undefined;
      return {
        connectors: page.map(({ cacheKey, ...connector }) => connector),
        ...(last && { next: Buffer.from(last.cacheKey).toString('base64url') }),
      };
    },
  );
};
