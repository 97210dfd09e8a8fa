/**
 * What is counted as it happens: lookups, inits, and the facts that are recorded of them.
 *
 * Labels are what there is a handful of: tiers, outcomes, exchanges, environments. Never an id, a scope or a host, of which
 * there are as many as users and machines.
 */
import type { Counter, Histogram, Registry } from 'prom-client';
import type { FactSeen, Watcher } from '../base/telemetry.js';

type Prometheus = typeof import('prom-client');

/** From a state in memory (some µs) to a deadline of a lookup. */
const LOOKUP_BUCKETS = [
  0.000_01, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1,
];
/** From a warm init in the exchange's own region to one that synced over a slow link. */
const INIT_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2.5, 5, 10];
/** An exchange refuses from the request's window on, 5 s by default. */
const LATENESS_BUCKETS = [0.5, 1, 2, 3, 4, 5, 6, 8, 10, 30];

type Place = 'exchange' | 'environment';

export interface EventMetrics {
  readonly lookups: Counter<'tier' | 'outcome'>;
  readonly lookupDuration: Histogram<'tier'>;
  readonly inits: Counter<Place | 'contact' | 'outcome'>;
  readonly initDuration: Histogram<Place | 'outcome'>;
  readonly refusals: Counter<Place | 'cause'>;
  readonly facts: Counter<'type'>;
  readonly syncs: Counter<Place | 'trigger' | 'outcome'>;
  readonly authFailures: Counter<Place | 'class'>;
  readonly unreachable: Counter<Place | 'class'>;
  readonly lateness: Histogram<Place>;
}

export function createEventMetrics({ Counter, Histogram }: Prometheus, registry: Registry): EventMetrics {
  const registers = [registry];
  const place: Place[] = ['exchange', 'environment'];
  return {
    lookups: new Counter({
      name: 'connector_state_lookups_total',
      help: 'Lookups by the tier that answered (none: a miss) and their outcome (hit, or the reason of the miss).',
      labelNames: ['tier', 'outcome'],
      registers,
    }),
    lookupDuration: new Histogram({
      name: 'connector_state_lookup_duration_seconds',
      help: 'How long lookups took, by the tier that answered (none: a miss).',
      labelNames: ['tier'],
      buckets: LOOKUP_BUCKETS,
      registers,
    }),
    inits: new Counter({
      name: 'connector_state_inits_total',
      help: 'Inits of connectors by how they came by their first offset (none: failed) and their outcome.',
      labelNames: [...place, 'contact', 'outcome'],
      registers,
    }),
    initDuration: new Histogram({
      name: 'connector_state_init_duration_seconds',
      help: 'How long inits of connectors took, the verifying call included.',
      labelNames: [...place, 'outcome'],
      buckets: INIT_BUCKETS,
      registers,
    }),
    refusals: new Counter({
      name: 'connector_state_init_refusals_total',
      help: 'Timestamps that the exchange refused during an init and that were healed, by their cause.',
      labelNames: [...place, 'cause'],
      registers,
    }),
    facts: new Counter({
      name: 'connector_state_facts_total',
      help: 'Facts recorded by this process, by their type. Hits are counted when they are stored.',
      labelNames: ['type'],
      registers,
    }),
    syncs: new Counter({
      name: 'connector_state_syncs_total',
      help: 'Measurements of an exchange clock by what led to them and their outcome (ok, or the class of the failure).',
      labelNames: [...place, 'trigger', 'outcome'],
      registers,
    }),
    authFailures: new Counter({
      name: 'connector_state_auth_failures_total',
      help: 'Signed requests that the exchange refused, except for lateness, by the class of the refusal.',
      labelNames: [...place, 'class'],
      registers,
    }),
    unreachable: new Counter({
      name: 'connector_state_unreachable_total',
      help: 'Signed requests that nobody, or not the exchange, answered.',
      labelNames: [...place, 'class'],
      registers,
    }),
    lateness: new Histogram({
      name: 'connector_state_request_lateness_seconds',
      help: 'How late refused requests were at least, from their signature to their judgement.',
      labelNames: place,
      buckets: LATENESS_BUCKETS,
      registers,
    }),
  };
}

export function watcherOf(metrics: EventMetrics): Watcher {
  return {
    lookup(tier, outcome, seconds) {
      metrics.lookups.inc({ tier, outcome });
      metrics.lookupDuration.observe({ tier }, seconds);
    },
    init({ exchange, environment, contact, outcome, refusals, seconds }) {
      const place = { exchange, environment };
      metrics.inits.inc({ ...place, contact, outcome });
      metrics.initDuration.observe({ ...place, outcome }, seconds);
      for (const cause of refusals) metrics.refusals.inc({ ...place, cause });
    },
    fact: seen => countFact(metrics, seen),
  };
}

/** What the facts that are counted have in common. */
interface Fields {
  readonly exchange: string;
  readonly environment: string;
  readonly trigger: string;
  readonly failureClass: string;
  readonly lateAtLeastMs: number;
  readonly basis: string;
}

function countFact(metrics: EventMetrics, { type, data }: FactSeen): void {
  const { exchange, environment, trigger, failureClass, lateAtLeastMs, basis } = data as Fields;
  const place = { exchange, environment };
  metrics.facts.inc({ type });
  switch (type) {
    case 'ConnectorSynced':
      // What was taken over from others was not measured.
      if (basis === 'measured') metrics.syncs.inc({ ...place, trigger, outcome: 'ok' });
      return;
    case 'ConnectorSyncFailed':
      metrics.syncs.inc({ ...place, trigger, outcome: failureClass });
      return;
    case 'ConnectorAuthFailed':
      metrics.authFailures.inc({ ...place, class: failureClass });
      return;
    case 'ExchangeUnreachable':
      metrics.unreachable.inc({ ...place, class: failureClass });
      return;
    case 'ConnectorRequestLate':
      metrics.lateness.observe(place, lateAtLeastMs / 1_000);
  }
}
