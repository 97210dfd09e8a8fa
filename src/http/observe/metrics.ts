/** `/metrics` for Prometheus, with the requests of this server among what is counted. */
import type { FastifyInstance } from 'fastify';
import { loadOptional } from '../../base/optional-package.js';
import { addToRegistry } from '../../telemetry/metrics.js';
import { allow } from '../access/access.js';

/** From an answer out of memory to a statement that was given up. */
const REQUEST_BUCKETS = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

export async function exposeMetrics(app: FastifyInstance): Promise<void> {
  const { state, upkeep, analytics } = app.parts;
  const { Histogram, Registry } = await loadOptional('metrics', () => import('prom-client'));
  const registry = new Registry();
  // What a scrape asks the database, it asks over connections that no lookup waits for.
  await upkeep.expose(registry, 'upkeep');
  await state.expose(registry);
  const end = await addToRegistry(registry, { pools: { analytics } });
  app.addHook('onClose', async () => end());

  const requests = new Histogram({
    name: 'connector_state_http_request_duration_seconds',
    help: 'How long requests took, by their route and the status of the answer.',
    labelNames: ['method', 'route', 'status'],
    buckets: REQUEST_BUCKETS,
    registers: [registry],
  });
  app.addHook('onResponse', async (request, reply) => {
    const { method } = request;
    // Whatever matched no route is one: paths are what callers make up.
    const route = request.routeOptions.url ?? 'none';
    requests.observe({ method, route, status: reply.statusCode }, reply.elapsedTime / 1_000);
  });

  app.get(
    '/metrics',
    {
      config: allow(['reader', 'analyst'], 'hidden'),
      schema: { tags: ['operations'], summary: 'Metrics for Prometheus', hide: true },
    },
    async (_request, reply) => {
      const text = await registry.metrics();
      return reply.header('cache-control', 'no-store').type(registry.contentType).send(text);
    },
  );
}
