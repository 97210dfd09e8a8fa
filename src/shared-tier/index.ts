/** What a deployment with `REDIS_URL` loads of the shared tier, at once. */
export { createConnections, problemOf } from './connections.js';
export { createKeys } from './keys.js';
export { readCell } from './reader.js';
export { parseRedisUrl, placeName } from './redis-url.js';
export { SharedTier } from './shared-tier.js';
