/**
 * Stream names. A connector has two streams: `connector_state-<key>` for what is kept for good (syncs,
 * failures, invalidations) and `connector_state_hits-<key>` for what its lookups answered, or in shadow mode would
 * have been worth, which may be forgotten after a while, as may what is known of an exchange's edge. Clean-ups concern every connector and have a stream of
 * their own, and so has what was forgotten. All share one prefix, by which a subscription to a store that others use too is filtered.
 */
import { type ConnectorRef, type CredentialRef, cacheKeyOf, scopeOf } from './connector.js';
import type { Fact } from './event.js';

export const STREAM_PREFIX = 'connector_state';
export const CLEANUP_STREAM = 'connector_state_cleanup-all';
/** Whom operators believe. */
export const WITNESS_STREAM = 'connector_state_witness-all';
/** What was forgotten of the hits, with what a rebuild needs of it. */
export const FORGOTTEN_STREAM = 'connector_state_forgotten-hits';

const HITS_PREFIX = 'connector_state_hits-';
/** Of the streams that are kept for good. */
export const KEPT_PREFIXES: readonly string[] = [
  'connector_state-',
  'connector_state_cleanup-',
  'connector_state_witness-',
  'connector_state_forgotten-',
];

export const stateStreamOf = (ref: CredentialRef): string => `connector_state-${cacheKeyOf(ref)}`;
export const hitsStreamOf = (ref: CredentialRef): string => `${HITS_PREFIX}${cacheKeyOf(ref)}`;

/** What is known of the edge in front of an exchange. No connector's: a cache key has an underscore. */
export const edgeStreamOf = (of: Pick<ConnectorRef, 'exchange' | 'environment' | 'scope'>): string =>
  `${HITS_PREFIX}edge:${of.exchange}:${of.environment}:${scopeOf(of).replaceAll('_', '%5F')}`;

/** Whether the stream's events may be dropped when they are old. */
export const isForgettable = (stream: string): boolean => stream.startsWith(HITS_PREFIX);

/** Where a fact belongs. */
export function streamOf(event: Fact): string {
  switch (event.type) {
    case 'ExpiredStatesCleaned':
      return CLEANUP_STREAM;
    case 'WitnessDistrusted':
      return WITNESS_STREAM;
    case 'HitsForgotten':
      return FORGOTTEN_STREAM;
    case 'ExchangeEdgeMeasured':
      return edgeStreamOf(event.data);
    case 'ConnectorStateHit':
    case 'ConnectorShadowed':
      return hitsStreamOf(event.data);
    default:
      return stateStreamOf(event.data);
  }
}
