import { createBingxAdapter } from '../exchanges/bingx/index.js';
import { ConnectorWithCache } from './connector-with-cache.js';
import type { ConnectorOptions } from './options.js';

/** A BingX swap V2 connector that starts from remembered state. See connector-with-cache.ts for how. */
export class BingxConnectorWithCache extends ConnectorWithCache {
  /** @throws InvalidInputError for anything malformed, before any network call */
  constructor(options: ConnectorOptions) {
    super('BINGX', createBingxAdapter, options);
  }
}
