/** The service with the dashboard as it was built, over a database of its own, listening; closed by who opened it. */
import type { FastifyInstance } from 'fastify';
import { createConnectorState } from '../../src/composition/connector-state.js';
import '../../src/events/ids.js';
import { createHttpServer } from '../../src/http/http-server.js';
import { createPool } from '../../src/postgres/pool.js';
import { roleTokens } from '../http/support.js';
import { keptLog } from '../support/log.js';

export const BUILT = new URL('../../dist/dashboard/', import.meta.url);

export interface RunningService {
  readonly url: string;
  readonly port: number;
  readonly server: FastifyInstance;
  /** Stores what is pending, and brings the read tables up to it. */
  project(): Promise<void>;
  readonly state: Awaited<ReturnType<typeof createConnectorState>>;
  close(): Promise<void>;
}

export interface StartOptions {
  readonly port?: number;
  /** Whether the dashboard's pages are served. Default true. */
  readonly pages?: boolean;
  /** Where events are kept; default: in the database. */
  readonly eventStoreUrl?: string;
}

export async function startService(
  databaseUrl: string,
  { port = 0, pages = true, eventStoreUrl }: StartOptions = {},
): Promise<RunningService> {
  const log = keptLog();
  const settings = {
    databaseUrl,
    logger: log,
    lookupDeadlineMs: 10_000,
    flushIntervalMs: 600_000,
    projection: 'worker',
    ...(eventStoreUrl && { eventStoreUrl }),
  } as const;
  const state = await createConnectorState(settings);
  const upkeep = await createConnectorState(settings);
  const analytics = createPool({ connectionString: databaseUrl, max: 2, log, applicationName: 'analytics' });
  const server = await createHttpServer({
    state,
    upkeep,
    analytics,
    authenticator: roleTokens,
    log,
    version: '0.0.0-test',
    // The tests run in the service's own process, and a busy machine makes both late.
    limits: { eventLoopDelayMs: 0 },
    ...(pages && { dashboard: { folder: BUILT } }),
  });
  const url = await server.listen({ host: '127.0.0.1', port });
  return {
    url,
    port: Number(new URL(url).port),
    server,
    state,
    async project() {
      await state.flush();
      await (await upkeep.projector()).catchUp();
    },
    async close() {
      server.server.closeAllConnections();
      await server.close();
      await Promise.all([state.close(), upkeep.close(), analytics.end()]);
    },
  };
}
