/** What a connector is built from. Everything is checked by the constructor, before anything is sent. */
import type { Agent } from 'node:http';
import { InvalidInputError } from '../base/errors.js';
import { refuseUnknownOptions } from '../base/unknown-options.js';
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
  /**
   * The exchange's host for customers of one region, by its name: of Bybit `bytick`, `NL`, `TK`, `KZ`, `HK`, `GE`, `UAE`,
   * `EU`, `ID`, `JP`. Each host has a clock of its own. Default: the exchange's own host. Not together with `baseUrl`.
   */
  readonly region?: string | undefined;
  /**
   * Names the clock that judges: 1 to 64 letters, digits, `.`, `_` and `-`, not `default`. What connectors of one exchange,
   * environment and scope measure, they share. Default: the exchange's own host has one, any other host another. Name one
   * for hosts that you know to keep one clock, or for a host whose address changes.
   */
  readonly clockScope?: string | undefined;
  /** Default 5000; Bybit 1–60 000, BingX 1–5000. */
  readonly recvWindowMs?: number | undefined;
  /**
   * The window of a request that is signed again because it came too late while the clock was right. Wider: it may be later
   * still. `recvWindowMs` (the default) to the exchange's limit; see `recvWindowMs`.
   */
  readonly lateRecvWindowMs?: number | undefined;
  /** For each HTTP request, 1–300 000. Default 10 000. */
  readonly timeoutMs?: number | undefined;
  /**
   * Hosts besides loopback that may be spoken to over plain `http:`, as they stand in `baseUrl`; default none. Without
   * TLS the API key and every signed request can be read on the way.
   */
  readonly plainHttpHosts?: readonly string[] | undefined;
  /**
   * A `node:http` or `node:https` agent through which the exchange is reached, by the protocol of `baseUrl`. Default: our
   * own, or the proxy that `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` name. It is not closed with the
   * connector.
   */
  readonly agent?: Agent | undefined;
}

/** Complete by its type: an option that is missing here does not compile. */
const KNOWN: Readonly<Record<keyof ConnectorOptions, true>> = {
  cache: true,
  userId: true,
  credentialId: true,
  environment: true,
  credentials: true,
  baseUrl: true,
  region: true,
  clockScope: true,
  recvWindowMs: true,
  lateRecvWindowMs: true,
  timeoutMs: true,
  plainHttpHosts: true,
  agent: true,
};

/**
 * @param of the connector's class, for the message
 * @throws InvalidInputError for options nobody reads, and for a `cache` that is none
 */
export function checkConnectorOptions(options: ConnectorOptions, of: string): void {
  refuseUnknownOptions(options, Object.keys(KNOWN), of);
  if (options.region !== undefined && options.baseUrl !== undefined) {
    throw new InvalidInputError(
      `${of} got both region and baseUrl, which each name a host: give one of them`,
    );
  }
  if (typeof options.cache?.get !== 'function') {
    throw new InvalidInputError(`${of} needs the option cache: the one of createConnectorState()`);
  }
}
