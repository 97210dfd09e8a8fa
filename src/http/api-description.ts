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
    transform: jsonSchemaTransform,
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
