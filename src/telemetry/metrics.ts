/**
 * Metrics for Prometheus in a registry that the user brings: `connector_state_…`, base units, counters `…_total`.
 *
 * prom-client is loaded here and nowhere else, by who has a registry of it. Several states of a process may share one
 * registry: they are counted together.
 */
import type { Registry as PromRegistry } from 'prom-client';
import { loadOptional } from '../base/optional-package.js';
import type { Telemetry } from '../base/telemetry.js';
import { createEventMetrics, watcherOf } from './event-metrics.js';
import { addScrapedMetrics, type Source } from './scraped-metrics.js';

/** A registry of prom-client, as much of it as is needed to name one. */
export interface Registry {
  metrics(): Promise<string>;
  readonly contentType: string;
  getSingleMetric(name: string): unknown;
}

interface Exposed {
  readonly sources: Set<Source>;
  readonly watcher: ReturnType<typeof watcherOf>;
}

const exposed = new WeakMap<Registry, Exposed>();

/**
 * @throws ConnectorStateError `PACKAGE_MISSING`
 * @returns what takes the source out of the registry again; what it has counted stays
 * @throws the error of a registry that has metrics of these names from somebody else
 */
export async function addToRegistry(
  registry: Registry,
  source: Source,
  telemetry?: Telemetry,
): Promise<() => void> {
  const shared = exposed.get(registry) ?? (await expose(registry));
  shared.sources.add(source);
  const unwatch = telemetry?.watch(shared.watcher);
  return () => {
    unwatch?.();
    shared.sources.delete(source);
  };
}

async function expose(registry: Registry): Promise<Exposed> {
  const prometheus = await loadOptional('metrics', () => import('prom-client'));
  const known = exposed.get(registry);
  if (known) return known;
  const sources = new Set<Source>();
  const watcher = watcherOf(createEventMetrics(prometheus, registry as PromRegistry));
  addScrapedMetrics(prometheus, registry as PromRegistry, sources);
  const made = { sources, watcher };
  exposed.set(registry, made);
  return made;
}
