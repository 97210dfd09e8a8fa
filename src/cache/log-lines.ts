/** The lines about lookups that people who debug a connector look for. */

import type { Logger } from '../base/logging.js';
import { referenceTimeMs } from '../clock/reference.js';
import type { SyncTrigger, Tier } from '../events/catalogue.js';
import type { KnownConnector } from './known-connector.js';
import { appliedOffset, type UsableState } from './lookup.js';
import type { MissReason } from './offset-state.js';

export function logHit(
  log: Logger,
  { cacheKey }: KnownConnector,
  state: UsableState,
  tier: Tier,
  hostNowMs: () => number,
): void {
  // A line that nobody will see is not worth making: it costs more than the lookup in memory.
  if (log.isLevelEnabled?.('info') === false) return;
  const ageMs = referenceTimeMs(state.link, hostNowMs()) - state.estimate.atMs;
  log.info({ tier }, `[ConnectorStateCache] Cache HIT: ${cacheKey} (age: ${Math.round(ageMs / 1000)}s)`);
}

export function logStale(
  log: Logger,
  { cacheKey }: KnownConnector,
  state: UsableState,
  hostNowMs: number,
): void {
  const overdueMs = referenceTimeMs(state.link, hostNowMs) - state.expiresAtMs;
  const why = overdueMs > 0 ? `ended ${Math.round(overdueMs / 1000)}s ago` : 'contested';
  const { uncertaintyMs } = appliedOffset(state, hostNowMs);
  log.info(
    { stale: true, uncertaintyMs },
    `[ConnectorStateCache] Cache HIT (stale): ${cacheKey} (${why}, still ± ${Math.round(uncertaintyMs)} ms)`,
  );
}

export function logMiss(log: Logger, { cacheKey }: KnownConnector, reason: MissReason): void {
  log.info({ reason }, `[ConnectorStateCache] Cache MISS: ${cacheKey} (${reason})`);
}

export function logCached(
  log: Logger,
  { cacheKey }: KnownConnector,
  { basis, estimate, expiresAtMs }: UsableState,
  trigger: SyncTrigger,
): void {
  const { offsetMs, uncertaintyMs } = estimate;
  const expires = new Date(expiresAtMs).toISOString();
  const message = `[ConnectorStateCache] Cached state for ${cacheKey} (expires: ${expires})`;
  log.info({ trigger, basis, offsetMs, uncertaintyMs }, message);
}
