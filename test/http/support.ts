/** A server over a real database, asked without a socket (`ask`) or over one (`listen`); closed after the test. */
import type { FastifyInstance, InjectOptions } from 'fastify';
import type { ConnectorStateOptions } from '../../src/composition/connector-state.js';
import { DEFAULT_SCOPE, EXCHANGES } from '../../src/events/connector.js';
import type { Principal, Role } from '../../src/http/access/access.js';
import type { Authenticator } from '../../src/http/access/authentication.js';
import { createHttpServer } from '../../src/http/http-server.js';
import type { Limits } from '../../src/http/limits.js';
import { createPool } from '../../src/postgres/pool.js';
import { type KeptLog, keptLog } from '../support/log.js';
import { closing, givenWorld, keepForFile, type Process, type World } from '../support/world.js';

export interface Asked {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The body as JSON, or as text where it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects to be there.
  readonly body: any;
}

export interface TestServer {
  readonly world: World;
  readonly state: Process;
  readonly server: FastifyInstance;
  readonly log: KeptLog;
  ask(request: InjectOptions | string, as?: string): Promise<Asked>;
}

/**
 * Tokens of the tests: `reader`, `writer`, … have that role, `reader@alice` is bound to the user alice as well, and
 * whatever else is no token.
 */
export const roleTokens: Authenticator = {
  async authenticate({ headers }) {
    const token = headers.authorization?.replace(/^Bearer /, '');
    return token === undefined ? undefined : principalOf(token);
  },
};

function principalOf(token: string): Principal | undefined {
  const [, role, userId] = /^(reader|writer|analyst|operator)(?:@(.+))?$/.exec(token) ?? [];
  if (role === undefined) return undefined;
  return { id: `test:${token}`, roles: new Set([role as Role]), userId };
}

export interface ServerOptions {
  readonly world?: World;
  /** For all tests of the file: closed when they are over, not after each. */
  readonly keep?: boolean;
  readonly authenticator?: Authenticator;
  readonly limits?: Partial<Limits>;
  readonly process?: ConnectorStateOptions;
  /** How a warm-up waits between its requests. Default: not at all. */
  readonly pause?: (ms: number) => Promise<void>;
}

export async function givenServer({
  world,
  keep = false,
  authenticator = roleTokens,
  limits,
  process: processOptions,
  pause = async () => undefined,
}: ServerOptions = {}): Promise<TestServer> {
  const inside = world ?? (await givenWorld());
  const log = keptLog();
  const state = await inside.process(processOptions);
  const databaseUrl = processOptions?.databaseUrl ?? inside.databaseUrl;
  const upkeep = await inside.process({ databaseUrl });
  const analytics = closing(
    poolClosing(createPool({ connectionString: databaseUrl, max: 2, log, applicationName: 'analytics' })),
  );
  const server = closing(
    await createHttpServer({
      state,
      upkeep,
      analytics: analytics.pool,
      authenticator,
      warmUp: { hosts: hostsOf(inside), pause },
      log,
      version: '0.0.0-test',
      // The machine that runs the tests is busy, and must not be refused for it.
      limits: { eventLoopDelayMs: 0, requestsPerSecond: 1_000_000, ...limits },
    }),
  );
  if (keep) keepForFile();
  return {
    world: inside,
    state,
    server,
    log,
    async ask(request, as = 'operator') {
      const given: InjectOptions = typeof request === 'string' ? { method: 'GET', url: request } : request;
      const answer = await server.inject({
        ...given,
        headers: { authorization: `Bearer ${as}`, ...given.headers },
      });
      const isJson = /[/+]json\b/.test(String(answer.headers['content-type']));
      return {
        status: answer.statusCode,
        headers: answer.headers as Record<string, string | undefined>,
        body: isJson && answer.body !== '' ? JSON.parse(answer.body) : answer.body,
      };
    },
  };
}

/** Nobody in a test asks a real exchange: each one's own host is the simulator, which some of them meet nobody at. */
const hostsOf = ({ simulator }: World) =>
  EXCHANGES.map(exchange => ({
    exchange,
    scope: DEFAULT_SCOPE,
    baseUrl: exchange === 'BINGX' ? simulator.bingxUrl : simulator.bybitUrl,
  }));

const poolClosing = (pool: ReturnType<typeof createPool>) => ({ pool, close: () => pool.end() });
