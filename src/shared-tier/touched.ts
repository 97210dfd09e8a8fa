/** Which rows the projector has changed, by the facts it applied (pure). */

import { cacheKeyOf } from '../events/connector.js';
import type { StoredEvent } from '../events/event.js';
import type { LookupKey } from '../read-model/lookup.js';
import { connectorNameOf } from './keys.js';

/** No connector has it: for a fact about a shared clock alone. */
const NO_CACHE_KEY = '';

/** Hits and refused requests change nothing that a lookup answers. */
export function keysTouchedBy(events: readonly StoredEvent[]): LookupKey[] {
  const keys = new Map<string, LookupKey>();
  for (const event of events) {
    if (event.decoded !== 'known') continue;
    if (event.type === 'ConnectorSynced' || event.type === 'ConnectorStateInvalidated') {
      const { exchange, environment, scope } = event.data;
      const key = { cacheKey: cacheKeyOf(event.data), exchange, environment, scope };
      keys.set(connectorNameOf(key), key);
    } else if (event.type === 'WitnessDistrusted') {
      const { exchange, environment, scope } = event.data;
      const key = { cacheKey: NO_CACHE_KEY, exchange, environment, scope };
      keys.set(connectorNameOf(key), key);
    }
  }
  return [...keys.values()];
}
