/** What happened, as connectors in any language tell it: one fact about one connector, or a batch of any. */
import type { FastifyReply } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { DEFAULT_RANGE, toleranceOf } from '../../clock/request-window.js';
import { MAX_TTL_MS } from '../../clock/ttl.js';
import type { AppendResult } from '../../event-store/event-store.js';
import { EVENT_SCHEMAS } from '../../events/catalogue.js';
import { allow } from '../access/access.js';
import { record } from '../recording.js';
import { connectorParams } from '../schemas/connector.js';
import { appendAnswer, appendBody, envelope, type GivenEvent } from '../schemas/events.js';

/** Of the facts: who it is about is in the path. */
const IN_PATH = { userId: true, credentialId: true, exchange: true, environment: true } as const;
const { ConnectorSynced, ConnectorAuthFailed, ConnectorStateHit, ConnectorStateInvalidated } = EVENT_SCHEMAS;

const syncBody = ConnectorSynced.omit({
  ...IN_PATH,
  syncId: true,
  basis: true,
  ttlMs: true,
  ttlPolicy: true,
  ttlInputs: true,
})
  .extend({
    ...envelope,
    syncId: z.uuid().optional().describe('Names the measurement. Default: the id of the event.'),
    basis: ConnectorSynced.shape.basis.default('measured'),
    ttlMs: ConnectorSynced.shape.ttlMs
      .max(MAX_TTL_MS)
      .optional()
      .describe('Default: as long as the offset is provably good enough for the default request window.'),
  })
  .describe(
    'An offset, exchange minus the reference clock, as `GET …/state` names and samples that clock in `reference`.',
  );
const authFailureBody = ConnectorAuthFailed.omit(IN_PATH).extend(envelope);
const hitsBody = ConnectorStateHit.omit(IN_PATH).extend(envelope);
const invalidationBody = ConnectorStateInvalidated.omit({ ...IN_PATH, by: true }).extend(envelope);

const CONNECTOR = '/v1/connectors/:exchange/:environment/:userId/:credentialId';
const ANSWERS = { 201: appendAnswer, 202: appendAnswer };
const writer = allow(['writer'], 'path');

export const recordingRoutes: FastifyPluginAsyncZod = async app => {
  const { cache } = app.parts.state;

  app.post(
    `${CONNECTOR}/syncs`,
    {
      config: writer,
      schema: {
        tags: ['recording'],
        summary: 'Record a measured offset',
        params: connectorParams,
        body: syncBody,
        response: ANSWERS,
      },
    },
    async (request, reply) => {
      const { id, occurredAt, host, correlationId, causationId, ttlMs, ...measured } = request.body;
      const { uncertaintyMs, ratePpm, rateBoundPpm, syncId = id } = measured;
      const rate =
        ratePpm !== undefined && rateBoundPpm !== undefined ? { ratePpm, boundPpm: rateBoundPpm } : undefined;
      const ttl =
        ttlMs === undefined
          ? cache.ttlOf({ toleranceMs: toleranceOf(DEFAULT_RANGE), uncertaintyMs, rate })
          : { ttlMs, policy: 'given', inputs: { ttlMs } };
      const data = {
        ...request.params,
        ...measured,
        syncId,
        ttlMs: ttl.ttlMs,
        ttlPolicy: ttl.policy,
        ttlInputs: { ...ttl.inputs },
      };
      const event = {
        id,
        occurredAt,
        host,
        correlationId,
        causationId,
        type: 'ConnectorSynced' as const,
        data,
      };
      return answer(reply, await record(app, request, [defined(event)]));
    },
  );

  app.post(
    `${CONNECTOR}/auth-failures`,
    {
      config: writer,
      schema: {
        tags: ['recording'],
        summary: 'Record a refused request',
        description: 'Condemns nothing by itself: see `…/invalidations`.',
        params: connectorParams,
        body: authFailureBody,
        response: ANSWERS,
      },
    },
    async (request, reply) => {
      const [rest, data] = split(request.body, request.params);
      return answer(
        reply,
        await record(app, request, [{ ...rest, type: 'ConnectorAuthFailed', data } as GivenEvent]),
      );
    },
  );

  app.post(
    `${CONNECTOR}/hits`,
    {
      config: writer,
      schema: {
        tags: ['recording'],
        summary: 'Count lookups that the caller answered from its own memory',
        params: connectorParams,
        body: hitsBody,
        response: ANSWERS,
      },
    },
    async (request, reply) => {
      const [rest, data] = split(request.body, request.params);
      return answer(
        reply,
        await record(app, request, [{ ...rest, type: 'ConnectorStateHit', data } as GivenEvent]),
      );
    },
  );

  app.post(
    `${CONNECTOR}/invalidations`,
    {
      config: writer,
      schema: {
        tags: ['recording'],
        summary: 'Condemn the measurement that a state rests on',
        description: 'Never touches a newer measurement than the one it names.',
        params: connectorParams,
        body: invalidationBody,
        response: ANSWERS,
      },
    },
    async (request, reply) => {
      const [rest, data] = split(request.body, request.params);
      const by = request.principal.id.slice(0, 200);
      const event = { ...rest, type: 'ConnectorStateInvalidated', data: { ...data, by } } as GivenEvent;
      return answer(reply, await record(app, request, [event]));
    },
  );

  app.post(
    '/v1/events',
    {
      config: allow(['writer'], 'body', request =>
        ((request.body as { events?: GivenEvent[] }).events ?? []).map(({ data }) => data.userId),
      ),
      schema: {
        tags: ['recording'],
        summary: 'Append a batch of facts',
        description:
          'All or none of them. Safe to repeat: an event whose stream has its id already is not stored again.',
        body: appendBody,
        response: ANSWERS,
      },
    },
    async (request, reply) =>
      answer(reply, await record(app, request, request.body.events, index => `/body/events/${index}`)),
  );
};

const ENVELOPE = Object.keys(envelope);

/** The envelope, and the fact's data with the connector that the path names. */
function split(body: object, params: object): [Record<string, unknown>, Record<string, unknown>] {
  const fields = Object.entries(body).filter(([, value]) => value !== undefined);
  const isEnvelope = ([name]: [string, unknown]) => ENVELOPE.includes(name);
  return [
    Object.fromEntries(fields.filter(isEnvelope)),
    { ...params, ...Object.fromEntries(fields.filter(field => !isEnvelope(field))) },
  ];
}

const defined = (event: object): GivenEvent =>
  Object.fromEntries(Object.entries(event).filter(([, value]) => value !== undefined)) as GivenEvent;

function answer(reply: FastifyReply, { events, position, waiting = 0 }: AppendResult) {
  void reply.code(waiting > 0 ? 202 : 201);
  return {
    events: events.map(event => ({ ...event })),
    ...(position !== undefined && { position }),
    ...(waiting > 0 && { waiting }),
  };
}
