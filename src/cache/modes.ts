/** How a deployment uses the cache; see docs/operations.md, "Rolling out". */

/** `off`: as without it. `shadow`: as without it, but what it would have done is recorded. `on`: it is used. */
export const CACHE_MODES = ['off', 'shadow', 'on'] as const;
export type CacheMode = (typeof CACHE_MODES)[number];

/**
 * For a connector that nothing is known about. `verify-first`: sign by the best clock at hand and learn from the
 * exchange's answer. `sync-first`: measure the exchange's clock, then sign.
 */
export const FIRST_CONTACTS = ['verify-first', 'sync-first'] as const;
export type FirstContact = (typeof FIRST_CONTACTS)[number];
