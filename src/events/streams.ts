/**
 * Stream names. A connector has two streams: `connector_state-<key>` for what is kept for good (syncs,
 * failures, invalidations) and `connector_state_hits-<key>` for what its lookups answered, or in shadow mode would
 * have been worth, which may be forgotten after a while. Clean-ups concern every connector and have a stream of
 * their own. All share one prefix, by which a subscription to a store that others use too is filtered.
 */
import { type CredentialRef, cacheKeyOf } from './connector.js';

export const STREAM_PREFIX = 'connector_state';
export const CLEANUP_STREAM = 'connector_state_cleanup-all';

const HITS_PREFIX = 'connector_state_hits-';
/** Of the streams that are kept for good. */
export const KEPT_PREFIXES: readonly string[] = ['connector_state-', 'connector_state_cleanup-'];

export const stateStreamOf = (ref: CredentialRef): string => `connector_state-${cacheKeyOf(ref)}`;
export const hitsStreamOf = (ref: CredentialRef): string => `${HITS_PREFIX}${cacheKeyOf(ref)}`;

/** Whether the stream's events may be dropped when they are old. */
export const isForgettable = (stream: string): boolean => stream.startsWith(HITS_PREFIX);
