/** What a connector is built from. Everything is checked by the constructor, before anything is sent. */
import type { ConnectorStateCacheService } from '../cache/connector-state-cache-service.js';
import type { Environment } from '../events/connector.js';
import type { Credentials } from '../exchanges/exchange-adapter.js';

export interface ConnectorOptions {
  readonly cache: ConnectorStateCacheService;
  /** 1–128 characters, no control characters. */
  readonly userId: string;
  readonly credentialId: string;
  readonly environment: Environment;
  /** Stay in this process's memory; never cached, recorded or logged. */
  readonly credentials: Credentials;
  /** Default: the exchange's own host for the environment. */
  readonly baseUrl?: string | undefined;
  /** Default 5000; Bybit 1–60 000, BingX 1–5000. */
  readonly recvWindowMs?: number | undefined;
  /** For each HTTP request, 1–300 000. Default 10 000. */
  readonly timeoutMs?: number | undefined;
}
