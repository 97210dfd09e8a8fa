/** What the routes stand on, given to them by whoever makes the server. */
import type { Pool } from 'pg';
import type { Logger } from '../base/logging.js';
import type { ConnectorState } from '../composition/connector-state.js';
import type { WarmUpOptions } from '../services/warm-up.service.js';
import type { Authenticator } from './access/authentication.js';

export interface HttpParts {
  /** Answers lookups and takes writes. */
  readonly state: ConnectorState;
  /** Over the same database with connections of its own, for all that looks back or mends. */
  readonly upkeep: ConnectorState;
  /** For queries of the API's own: few connections, whose statements are ended after a while. */
  readonly analytics: Pool;
  readonly authenticator: Authenticator;
  /** Whom a warm-up asks, and how it waits. Default: the exchanges' own hosts. */
  readonly warmUp?: Pick<WarmUpOptions, 'hosts' | 'pause'> | undefined;
  readonly log: Logger;
  /** Of connector-state, as in the description of the API. */
  readonly version: string;
}
