import { createBingxAdapter, rehearseBingx } from '../exchanges/bingx/index.js';
import { rehearseAtStart } from '../rehearsals.js';
import { ConnectorWithCache } from './connector-with-cache.js';
import type { ConnectorOptions } from './options.js';

rehearseAtStart(rehearseBingx);

/** A BingX swap V2 connector that starts from remembered state. See init.ts for how. */
export class BingxConnectorWithCache extends ConnectorWithCache {
  /** @throws InvalidInputError for anything malformed, before any network call */
  constructor(options: ConnectorOptions) {
    super('BINGX', createBingxAdapter, options);
  }
}
