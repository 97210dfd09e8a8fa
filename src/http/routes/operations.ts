/** What operators look at and mend. Whatever changes something says in the log who did it. */
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { projections } from '../../../projections/index.js';
import { isConnectorStateError } from '../../base/errors.js';
import type { ConnectorState } from '../../composition/connector-state.js';
import { allow, notFound } from '../access/access.js';
import { Jobs } from '../jobs.js';
import { credentialParams } from '../schemas/connector.js';
import { moment, timeMs } from '../schemas/times.js';
import { shareAnswers } from '../shared-answers.js';

const operator = allow([], 'hidden');
const MAX_LETTERS = 1_000;

export const job = z.object({
  id: z.string(),
  kind: z.string(),
  by: z.string(),
  startedAtMs: timeMs,
  state: z.enum(['running', 'done', 'failed']),
  progress: z.object({ done: z.number(), total: z.number() }).nullable(),
  endedAtMs: timeMs.nullable(),
  result: z.unknown(),
  error: z.object({ code: z.string().nullable(), detail: z.string() }).nullable(),
});
const lag = {
  position: z.string().optional(),
  events: z.number().describe('Not applied yet; an estimate from above.'),
  seconds: z.number().describe('Age of the oldest of them.'),
};

export const projectionsAnswer = z.object({
  ...lag,
  deadLetters: z.number(),
  projections: z.array(z.object({ name: z.string(), ...lag, deadLetters: z.number() })),
});

export async function projectionsOf(upkeep: Pick<ConnectorState, 'projector'>) {
  const projector = await upkeep.projector();
  const [{ perProjection, ...furthest }, letters] = await Promise.all([
    projector.lag(),
    projector.deadLetters(),
  ]);
  const each = Object.entries(perProjection).map(([name, at]) => ({
    name,
    ...at,
    deadLetters: letters.filter(letter => letter.projection === name).length,
  }));
  return { ...furthest, deadLetters: letters.length, projections: each };
}

export const deadLetters = z.object({
  deadLetters: z.array(
    z.object({
      projection: z.string(),
      eventId: z.string(),
      stream: z.string(),
      eventType: z.string(),
      position: z.string(),
      error: z.string(),
      failedAt: timeMs,
      attempts: z.number(),
      host: z.string().nullable().describe('The process that recorded it.'),
      isForeign: z.boolean().describe('Another program wrote it.'),
    }),
  ),
  total: z.number(),
});

export const operationRoutes: FastifyPluginAsyncZod = async app => {
  shareAnswers(app);
  const { state, upkeep, log } = app.parts;
  const jobs = new Jobs(() => upkeep.cache.clock.now(), log);
  app.addHook('onClose', () => jobs.close());
  const names = projections.map(({ name }) => name) as [string, ...string[]];

  app.get(
    '/v1/projections',
    {
      config: operator,
      schema: {
        tags: ['operations'],
        summary: 'How far the read tables have come',
        response: {
          200: projectionsAnswer,
        },
      },
    },
    () => projectionsOf(upkeep),
  );

  app.get(
    '/v1/dead-letters',
    {
      config: operator,
      schema: {
        tags: ['operations'],
        summary: 'Events that no fold could take, the oldest first',
        response: {
          200: deadLetters,
        },
      },
    },
    async () => {
      const letters = await (await upkeep.projector()).deadLetters();
      return {
        deadLetters: letters.slice(0, MAX_LETTERS).map(letter => ({ ...letter })),
        total: letters.length,
      };
    },
  );

  app.post(
    '/v1/dead-letters/replay',
    {
      config: operator,
      schema: {
        tags: ['operations'],
        summary: 'Fold anew the projections that have dead letters',
        response: { 202: job },
      },
    },
    async (request, reply) => {
      const projector = await upkeep.projector();
      void reply.code(202);
      return jobs.start('replay', request.principal.id, (onProgress, signal) =>
        projector.replayDeadLetters({ onProgress, signal }),
      );
    },
  );

  app.post(
    '/v1/dead-letters/dismiss',
    {
      config: operator,
      schema: {
        tags: ['operations'],
        summary: 'Tell no more of the dead letters of one event, or of every `foreign` one; or do so again',
        body: z.strictObject({
          event: z.union([z.uuid(), z.literal('foreign')]),
          undo: z.boolean().default(false),
        }),
        response: { 200: z.object({ changed: z.number() }) },
      },
    },
    async request => {
      const { event, undo } = request.body;
      const letters = event === 'foreign' ? event : { eventId: event };
      const changed = await (await upkeep.projector()).dismissDeadLetters(letters, { undo });
      log.info({ by: request.principal.id, event, undo, changed }, 'dead letters were dismissed');
      return { changed };
    },
  );

  app.post(
    '/v1/rebuilds',
    {
      config: operator,
      schema: {
        tags: ['operations'],
        summary: 'Fold all events anew beside the live tables, and switch',
        description: 'Lookups go on meanwhile. `check` compares, and changes nothing.',
        body: z.strictObject({
          projections: z.array(z.enum(names)).min(1).optional(),
          check: z.boolean().default(false),
          strict: z.boolean().default(false),
        }),
        response: { 202: job },
      },
    },
    async (request, reply) => {
      const { projections, check, strict } = request.body;
      const projector = await upkeep.projector();
      void reply.code(202);
      return jobs.start(check ? 'check' : 'rebuild', request.principal.id, (onProgress, signal) => {
        // Named twice it is still one table.
        const options = {
          onProgress,
          signal,
          ...(projections && { projections: [...new Set(projections)] }),
        };
        return check ? projector.verify(options) : projector.rebuild({ ...options, strict });
      });
    },
  );

  app.get(
    '/v1/jobs',
    {
      config: operator,
      schema: {
        tags: ['operations'],
        summary: 'Rebuilds and replays of this process, the newest first',
        response: { 200: z.object({ jobs: z.array(job) }) },
      },
    },
    async () => ({ jobs: jobs.list() }),
  );

  app.get(
    '/v1/jobs/:id',
    {
      config: operator,
      schema: {
        tags: ['operations'],
        summary: 'One of them, with its progress',
        params: z.object({ id: z.uuid() }),
        response: { 200: job },
      },
    },
    async request => {
      const found = jobs.get(request.params.id);
      if (!found) throw notFound();
      return found;
    },
  );

  app.post(
    '/v1/cleanup',
    {
      config: operator,
      schema: {
        tags: ['operations'],
        summary: 'Remove the states that have ended',
        response: { 200: z.object({ removed: z.number() }) },
      },
    },
    async request => {
      const removed = await upkeep.cache.cleanupExpired(request.principal.id);
      log.info({ by: request.principal.id, removed }, 'expired states were removed');
      return { removed };
    },
  );

  app.post(
    '/v1/distrust',
    {
      config: operator,
      schema: {
        tags: ['operations'],
        summary: "Believe no more what one machine says of the exchanges' clocks, or do so again",
        body: z.strictObject({
          host: z.string().regex(/^[^/\p{Cc}\p{Surrogate}]{1,200}$/u),
          login: z
            .string()
            .regex(/^[^\p{Cc}\p{Surrogate}]{1,200}$/u)
            .optional(),
          since: moment.optional(),
          undo: z.boolean().default(false),
        }),
        response: { 200: z.object({ clocks: z.number().describe('Shared clocks that it concerns.') }) },
      },
    },
    async request => {
      const { host, login, since: sinceMs, undo } = request.body;
      const clocks = await upkeep.cache.distrust({ host, login, sinceMs, undo }, request.principal.id);
      return { clocks };
    },
  );

  app.post(
    '/v1/users/:userId/credentials/:credentialId/invalidate',
    {
      config: allow([], 'path'),
      schema: {
        tags: ['operations'],
        summary: 'Condemn whatever measurement the state rests on now',
        params: credentialParams,
        response: { 200: z.object({ syncId: z.string() }) },
      },
    },
    async request => {
      const { userId, credentialId } = request.params;
      const found = await state.cache.invalidate(userId, credentialId, request.principal.id);
      if (!found) throw notFound();
      return found;
    },
  );

  app.post(
    '/v1/outbox/relay',
    {
      config: operator,
      schema: {
        tags: ['operations'],
        summary: 'Take what waits in the outbox to the event store now',
        body: z.strictObject({ retryDead: z.boolean().default(false) }),
        response: { 200: z.object({ waiting: z.number(), dead: z.number() }) },
      },
    },
    async request => {
      const relay = await upkeep.relay();
      if (!relay) return { waiting: 0, dead: 0 };
      if (request.body.retryDead) await relay.outbox.reviveDead();
      await relay.drain({ force: true }).catch(error => {
        if (!isConnectorStateError(error)) throw error;
      });
      const { waiting, dead } = await relay.outbox.status();
      return { waiting, dead };
    },
  );
};
