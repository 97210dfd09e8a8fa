/** What a deployment with `REDIS_URL` loads of the shared tier, at once. */
export { createConnections } from './connections.js';
export { createKeys } from './keys.js';
export { parseRedisUrl } from './redis-url.js';
export { SharedTier } from './shared-tier.js';
