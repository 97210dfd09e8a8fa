/** From a state that is open to a service that listens: who may reach it from where, and its second set of connections. */
import { readFileSync } from 'node:fs';
import { InvalidInputError } from '../base/errors.js';
import { createLogger } from '../base/logging.js';
import { type ConnectorState, createConnectorState } from '../composition/connector-state.js';
import { anybody } from './access/authentication.js';
import { isLoopback } from './loopback.js';
import { type Service, type ServiceOptions, startService } from './service.js';

export interface OpenServiceOptions extends Pick<ServiceOptions, 'host' | 'port' | 'tls' | 'projector'> {
  /** Closed with the service. */
  readonly state: ConnectorState;
}

/** Connections for what is no lookup. */
const UPKEEP_CONNECTIONS = 4;

/** @throws InvalidInputError when anybody could reach it and nobody would be asked who he is */
export async function openService(options: OpenServiceOptions): Promise<Service> {
  const { state, host } = options;
  if (!isLoopback(host)) {
    throw new InvalidInputError(
      `--host ${JSON.stringify(host)} is reachable from other machines, and no authentication is set up: leave --host out, or make a key first`,
    );
  }
  const { settings, databaseUrl } = state;
  const log = await createLogger(settings.logLevel, settings.logFormat);
  const upkeep = await createConnectorState({
    ...settings,
    databaseUrl,
    poolSize: UPKEEP_CONNECTIONS,
    logger: log,
  });
  try {
    return await startService({ ...options, upkeep, authenticator: anybody, log, version: packageVersion() });
  } catch (error) {
    await upkeep.close();
    throw error;
  }
}

export function packageVersion(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
