/**
 * The service as a whole: state, projector, relay and HTTP server of one process, from start to a shutdown that is over
 * within 3 s, also when the database stands still.
 *
 * Two sets of connections, so that nobody who looks back can hold up who is about to sign a request: `state` answers
 * lookups and takes writes, `upkeep` and `analytics` do all else.
 *
 *   shutdown:  stop accepting → requests under way end (or are cut) → projector and relay stop → a last flush → closed
 */
import type { FastifyInstance } from 'fastify';
import { withDeadline } from '../base/deadline.js';
import type { Logger } from '../base/logging.js';
import type { ConnectorState } from '../composition/connector-state.js';
import { type BoundedPool, destroyPool } from '../postgres/bounded-pool.js';
import type { Authenticator } from './access/authentication.js';
import { createHttpServer, type HttpServerOptions } from './http-server.js';

export interface ServiceOptions {
  /** Answers lookups and takes writes. */
  readonly state: ConnectorState;
  /** Over the same database, with connections of its own. */
  readonly upkeep: ConnectorState;
  /** The same, for queries of the API's own; closed with the service, as the two above are. */
  readonly analytics: BoundedPool;
  readonly authenticator: Authenticator;
  readonly log: Logger;
  readonly version: string;
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly tls?: HttpServerOptions['tls'];
  readonly dashboard?: HttpServerOptions['dashboard'];
  readonly limits?: HttpServerOptions['limits'];
  /** False: a `connector-state project` process projects. */
  readonly projector: boolean;
}

export interface Service {
  readonly server: FastifyInstance;
  /** `http://127.0.0.1:7077` */
  readonly url: string;
  /** Rejects when the projector ends by itself, which it only does when it cannot go on. */
  readonly failed: Promise<never>;
  close(): Promise<void>;
}

/** Requests under way may take this long to end. */
const DRAIN_MS = 800;
const PROJECTOR_STOP_MS = 500;
const ANALYTICS_END_MS = 500;
/** When keys were last used. */
const NOTE_USES_MS = 200;

export async function startService(options: ServiceOptions): Promise<Service> {
  const { state, upkeep, analytics, authenticator, log, version, host, port, tls, limits, dashboard } =
    options;
  const stop = new AbortController();
  const server = await createHttpServer({
    state,
    upkeep,
    analytics,
    authenticator,
    log,
    version,
    tls,
    dashboard,
    limits,
  });
  const url = await server.listen({ host, port });
  const projecting = options.projector ? project(upkeep, stop.signal, log) : undefined;
  const failed = new Promise<never>((_, reject) => projecting?.catch(reject));
  failed.catch(() => undefined);

  let closing: Promise<void> | undefined;
  async function shutDown(): Promise<void> {
    stop.abort();
    const drained = server.close().then(
      () => undefined,
      (error: Error) => log.warn({ error: error.message }, 'the HTTP server did not close well'),
    );
    // Side by side, for each of them waits in vain when the database stands still.
    await Promise.all([
      withDeadline(drained, DRAIN_MS, () => server.server.closeAllConnections()),
      withDeadline(
        projecting?.catch(() => undefined) ?? Promise.resolve(),
        PROJECTOR_STOP_MS,
        () => undefined,
      ),
      withDeadline(authenticator.close?.() ?? Promise.resolve(), NOTE_USES_MS, () => undefined),
    ]);
    await Promise.all([
      withDeadline(analytics.end(), ANALYTICS_END_MS, () => destroyPool(analytics)),
      upkeep.close(),
      state.close(),
    ]);
  }
  return {
    server,
    url,
    failed,
    close() {
      closing ??= shutDown();
      return closing;
    },
  };
}

/** As a worker does: with an event store of its own it is also who empties the outbox. */
async function project(upkeep: ConnectorState, signal: AbortSignal, log: Logger): Promise<void> {
  try {
    const projector = await upkeep.projector();
    (await upkeep.relay())?.start();
    await projector.run({ signal, hitsMaxAgeMs: upkeep.settings.hitsMaxAgeMs });
  } catch (error) {
    if (signal.aborted) return;
    log.error({ error: (error as Error).message }, 'projecting ended');
    throw error;
  }
}
