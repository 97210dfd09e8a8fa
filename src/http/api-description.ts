/**
 * The API's description (OpenAPI 3.1), made from the routes' own schemas, at `/v1/openapi.json`, and as pages to look
 * through at `/docs`, which load nothing from elsewhere.
 */
import { fastifySwagger } from '@fastify/swagger';
import { fastifySwaggerUi } from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';
import { allow } from './access/access.js';

const PAGES = '/docs';
const CSP =
  "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

type Transform = typeof jsonSchemaTransform;

/** With who may use the route, and what every refusal looks like. */
const describe: Transform = given => {
  const { schema, url } = jsonSchemaTransform(given);
  const access = given.route.config?.access;
  if (!access || schema.hide) return { schema, url };
  const roles = access.roles === 'public' ? ['public'] : [...access.roles, 'operator'];
  return {
    url,
    schema: {
      ...schema,
      'x-roles': roles,
      ...(access.roles === 'public' && { security: [] }),
      response: { ...(schema.response as object), '4xx': PROBLEM, '5xx': PROBLEM },
    },
  };
};

const PROBLEM = {
  description: 'A problem (RFC 9457); match its `code`.',
  content: {
    'application/problem+json': {
      schema: {
        type: 'object',
        required: ['type', 'title', 'status', 'code', 'detail', 'instance'],
        properties: {
          type: { type: 'string' },
          title: { type: 'string' },
          status: { type: 'integer' },
          code: { type: 'string' },
          detail: { type: 'string' },
          instance: { type: 'string', description: "The request's id, as in the log." },
          errors: {
            type: 'array',
            items: {
              type: 'object',
              properties: { pointer: { type: 'string' }, detail: { type: 'string' } },
            },
          },
        },
      },
    },
  },
};

/** To be called before the routes are registered. */
export async function describeApi(app: FastifyInstance, version: string): Promise<void> {
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'connector-state',
        version,
        description:
          'Clock offsets of crypto exchanges, so that the first request of a process is signed in one round trip. Times are epoch milliseconds, offsets and durations milliseconds.',
      },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
      security: [{ bearer: [] }],
    },
    transform: describe,
  });
  app.get('/v1/openapi.json', { schema: { hide: true }, config: allow('public', 'shared') }, () =>
    app.swagger(),
  );
  await app.register(async pages => {
    // They are the plugin's routes, and say nothing but what everybody may know.
    pages.addHook('onRoute', route => {
      route.config = { ...route.config, ...allow('public', 'shared') };
    });
    await pages.register(fastifySwaggerUi, {
      routePrefix: PAGES,
      staticCSP: CSP,
      logLevel: 'silent',
      // Its badge would ask a server on the internet.
      uiConfig: { validatorUrl: 'none' },
    });
  });
}
