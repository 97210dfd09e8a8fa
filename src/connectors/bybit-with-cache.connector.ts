import { createBybitAdapter, rehearseBybit } from '../exchanges/bybit/index.js';
import { rehearseAtStart } from '../rehearsals.js';
import { ConnectorWithCache } from './connector-with-cache.js';
import type { ConnectorOptions } from './options.js';

rehearseAtStart(rehearseBybit);

/** A Bybit V5 connector that starts from remembered state. See init.ts for how. */
export class BybitConnectorWithCache extends ConnectorWithCache {
  /** @throws InvalidInputError for anything malformed, before any network call */
  constructor(options: ConnectorOptions) {
    super('BYBIT', createBybitAdapter, options);
  }
}
