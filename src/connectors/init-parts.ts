/** What an init works with; everything of one connector. */
import type { ConnectorStateCacheService } from '../cache/connector-state-cache-service.js';
import type { ConnectorRef } from '../events/connector.js';
import type { ExchangeAdapter } from '../exchanges/exchange-adapter.js';
import type { OffsetInUse } from './offset-in-use.js';
import type { OffsetLearner } from './offset-learner.js';

export interface InitParts {
  /** The connector's class, for the log and the record of who condemned. */
  readonly name: string;
  readonly ref: ConnectorRef;
  readonly cache: ConnectorStateCacheService;
  readonly adapter: ExchangeAdapter;
  readonly offset: OffsetInUse;
  readonly learner: OffsetLearner;
}
