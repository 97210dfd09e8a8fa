/** What a deployment with `REDIS_URL` loads of the shared tier, at once. */
export { createConnections } from './connections.js';
export { createKeys } from './keys.js';
export { takeLease } from './lease.js';
export { listen } from './listener.js';
export { readCell } from './reader.js';
export { parseRedisUrl, placeName } from './redis-url.js';
export { SharedTier } from './shared-tier.js';
export { troubleOf } from './trouble.js';
