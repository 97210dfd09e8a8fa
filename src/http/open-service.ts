/**
 * From a state that is open to a service that listens: who may reach it from where, and its second set of connections.
 *
 * Authentication is on as soon as there is a key or a token issuer, on loopback too, for a proxy on this machine may open it
 * to the world. Where there is neither, only loopback is listened on.
 */
import { InvalidInputError } from '../base/errors.js';
import { createLogger } from '../base/logging.js';
import { packageVersion } from '../base/package-version.js';
import type { TracerLike } from '../base/telemetry.js';
import { type ConnectorState, createConnectorState } from '../composition/connector-state.js';
import { createPool, toDatabaseError } from '../postgres/pool.js';
import { type Authenticator, anybody, bearerAuthenticator } from './access/authentication.js';
import { limitFailures } from './access/failure-limit.js';
import { JwtAuthenticator, type JwtSettings } from './access/jwt-authenticator.js';
import { KeyAuthenticator } from './access/key-authenticator.js';
import { hasKeys } from './access/key-table.js';
import { isLoopback } from './loopback.js';
import { type Service, type ServiceOptions, startService } from './service.js';

export interface OpenServiceOptions
  extends Pick<ServiceOptions, 'host' | 'port' | 'tls' | 'limits' | 'projector'> {
  /** Closed with the service. */
  readonly state: ConnectorState;
  /** For whom spans are made. */
  readonly tracer?: TracerLike | undefined;
  /** Tokens of an issuer that is trusted. */
  readonly jwt?: JwtSettings | undefined;
}

export interface OpenedService extends Service {
  /** False: whoever is on this machine may do everything. */
  readonly authenticates: boolean;
}

/** Connections for what is no lookup. */
const UPKEEP_CONNECTIONS = 4;
const ANALYTICS_CONNECTIONS = 3;
const ANALYTICS_TIMEOUT_MS = 10_000;

/** @throws InvalidInputError when anybody could reach it and nobody would be asked who he is */
export async function openService(options: OpenServiceOptions): Promise<OpenedService> {
  const { state, host, jwt, tracer } = options;
  const { settings, databaseUrl } = state;
  const log = await createLogger(settings.logLevel, settings.logFormat);
  const tokens = jwt && new JwtAuthenticator(jwt);
  const analytics = createPool({
    connectionString: databaseUrl,
    max: ANALYTICS_CONNECTIONS,
    queryTimeoutMs: ANALYTICS_TIMEOUT_MS,
    applicationName: 'connector-state analytics',
    log,
  });
  let upkeep: ConnectorState | undefined;
  try {
    const authenticates = tokens !== undefined || (await anyKeys(analytics, host));
    const keys = new KeyAuthenticator({
      pool: analytics,
      nowMs: () => performance.now(),
      wallMs: () => state.cache.clock.now(),
    });
    const authenticator: Authenticator = authenticates
      ? limitFailures(bearerAuthenticator([keys, ...(tokens ? [tokens] : [])]), {
          nowMs: () => performance.now(),
        })
      : anybody;
    upkeep = await createConnectorState({
      ...settings,
      databaseUrl,
      poolSize: UPKEEP_CONNECTIONS,
      logger: log,
      tracer,
    });
    const version = packageVersion();
    const service = await startService({
      ...options,
      upkeep,
      analytics,
      authenticator,
      log,
      version,
      dashboard: {},
    });
    return { ...service, authenticates };
  } catch (error) {
    await Promise.all([upkeep?.close(), analytics.end()]);
    throw error;
  }
}

async function anyKeys(pool: Parameters<typeof hasKeys>[0], host: string): Promise<boolean> {
  try {
    if (await hasKeys(pool)) return true;
  } catch (error) {
    // Who cannot be asked may have keys: better nobody gets in for now.
    if (isLoopback(host)) throw toDatabaseError(error);
    return true;
  }
  if (isLoopback(host)) return false;
  throw new InvalidInputError(
    `--host (or HOST) ${JSON.stringify(host)} is not this machine alone, and nobody would be asked who he is: make a key with \`connector-state keys create\`, name a token issuer with --auth-jwks, or leave --host (and HOST) out`,
  );
}
