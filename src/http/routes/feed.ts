/** The live feed as Server-Sent Events. */
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { lazy } from '../../base/lazy.js';
import { allow, isVisible, notFound, type Principal } from '../access/access.js';
import { createGathering, LONGEST_MS } from '../feed/gathering.js';
import { sendFeed } from '../feed/send-feed.js';
import { systemTimers } from '../feed/timers.js';
import { HttpProblem } from '../problem.js';
import { credentialId, environment, exchange, userId } from '../schemas/connector.js';

/** Each costs a socket and little else; this many are a mistake of somebody's. */
const MAX_FOLLOWERS = 1_000;
const MAX_TOKEN_LENGTH = 200;

const place = z.string().min(1).max(MAX_TOKEN_LENGTH);
const query = z.object({
  from: place
    .optional()
    .describe(
      '`beginning`, `end` (default), the id of an event of the feed, or a position that a write returned.',
    ),
  exchange: exchange.optional(),
  environment: environment.optional(),
  userId: userId.optional(),
  credentialId: credentialId.optional(),
  types: z
    .string()
    .max(2_000)
    .optional()
    .describe('Only these types of events, separated by commas.')
    .meta({ example: 'ConnectorSynced,ConnectorAuthFailed' }),
  afterReset: z
    .enum(['beginning', 'end'])
    .optional()
    .describe('Where to go on after a reset. Default: beginning.'),
  hits: z
    .enum(['told', 'counted'])
    .optional()
    .describe(
      '`counted`: hits are not told one by one, but by the event `hits` with their `count`. Default: told.',
    ),
  gatherMs: z.coerce
    .number()
    .int()
    .min(0)
    .max(LONGEST_MS)
    .optional()
    .describe(
      `So long may an event wait for others, to be sent with them; up to ${LONGEST_MS} ms where many followers let them wait. Default 0: each at once.`,
    ),
});

const DESCRIPTION = `Every event in the log's order, as it comes. \`data\` of the default event is one event as JSON; \`id\` is the place
behind it, from which the feed goes on (\`Last-Event-ID\`, or \`from\`). Events of their own: \`caught-up\`, once the end of
the log is reached; \`reset\` (\`reason\`: \`other-log\`, \`older-log\`, \`other-past\`), when the log is not the one that was
read before and is told anew; \`cut-off\` (\`slow\`, \`closing\`), the last. Heartbeats every 15 s carry an \`id\` and no data.`;

export const feedRoutes: FastifyPluginAsyncZod = async app => {
  const { state, log } = app.parts;
  const feed = lazy(() => state.feed());
  const gathering = createGathering(systemTimers);
  // Who follows would otherwise be waited for.
  app.addHook('preClose', async () => {
    await (await feed.started())?.close();
  });

  app.get(
    '/v1/events/feed',
    {
      config: allow(['analyst'], 'filtered'),
      // It would never end.
      exposeHeadRoute: false,
      schema: {
        tags: ['events'],
        summary: 'The live feed (Server-Sent Events)',
        description: DESCRIPTION,
        querystring: query,
        headers: z.object({ 'last-event-id': place.optional() }),
        response: { 200: z.string().describe('text/event-stream') },
      },
    },
    async (request, reply) => {
      const { principal } = request;
      const { from, afterReset, types, gatherMs, hits, ...wanted } = request.query;
      if (wanted.userId !== undefined && !isVisible(principal, wanted.userId)) throw notFound();
      const gone = new AbortController();
      // Before the feed is opened, which may take a while: of who has left by then nobody would hear afterwards.
      reply.raw.once('close', () => gone.abort());
      const opened = await feed.get();
      if (opened.followers >= MAX_FOLLOWERS) {
        throw new HttpProblem(503, 'OVERLOADED', `${MAX_FOLLOWERS} follow already`, { retryAfterSeconds: 5 });
      }
      const page = gatherMs && !gone.signal.aborted ? gathering.join(gatherMs) : undefined;
      gone.signal.addEventListener('abort', () => page?.leave(), { once: true });
      const batches = opened
        .batches({
          from: request.headers['last-event-id'] ?? from,
          afterReset,
          filter: { ...wanted, ...ownOf(principal), types: types?.split(',') },
          signal: gone.signal,
          gather: page?.gather,
        })
        [Symbol.asyncIterator]();
      // What cannot be read at all is an answer with a status, not a stream that breaks off.
      const first = await batches.next();
      const { raw: response } = reply.hijack();
      response.writeHead(200, {
        ...(reply.getHeaders() as Record<string, string>),
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        // nginx would hold events back.
        'x-accel-buffering': 'no',
      });
      response.on('error', () => gone.abort());
      const audience = principal.userId === undefined ? 'operator' : 'tenant';
      await sendFeed(batches, first, {
        response,
        audience,
        hits,
        gone,
        timers: systemTimers,
      }).catch(error => {
        log.warn({ error: (error as Error).message }, 'a follower of the feed was cut off');
        response.destroy();
      });
    },
  );
};

/** Whoever is bound to a user follows that one alone. */
const ownOf = ({ userId: own }: Principal): { userId?: string } => (own === undefined ? {} : { userId: own });
