/** The figures to reach, and whether a run reached them. */
import type { Figures } from './figures.js';

export interface Target {
  readonly name: string;
  readonly value: number;
  readonly kind: 'at most' | 'at least';
  readonly limit: number;
  readonly isMet: boolean;
}

export function targetsOf(figures: Figures): Target[] {
  const estimator = (wanted: string) => found(figures.estimators, wanted);
  const policy = (wanted: string) => found(figures.policies, wanted);
  const { longLived } = figures;
  const badBounds = figures.badDays.reduce((sum, { boundViolations }) => sum + boundViolations, 0);
  const ours = estimator('ours');
  const adaptive = policy('adaptive');
  const fixed = policy('fixed-15min');
  const atMost = (name: string, value: number, limit: number): Target => ({
    name,
    value,
    limit,
    kind: 'at most',
    isMet: value <= limit,
  });
  const atLeast = (name: string, value: number, limit: number): Target => ({
    name,
    value,
    limit,
    kind: 'at least',
    isMet: value >= limit,
  });
  return [
    atMost('inits with |error| > uncertainty', figures.boundViolations, 0),
    atMost('p99 error, ours / oracle', ours.p99Ms / estimator('oracle').p99Ms, 1.5),
    atLeast('p99 error, ccxt / ours', estimator('ccxt').p99Ms / ours.p99Ms, 50),
    atLeast('p99 error, hummingbot / ours', estimator('hummingbot').p99Ms / ours.p99Ms, 10),
    atMost('inits refused without a step', adaptive.refusedWithoutStep, 0),
    atMost('inits refused for each step', adaptive.refusedPerStep, 1),
    atLeast('syncs, fixed 15 min / ours', fixed.syncsPer1000 / adaptive.syncsPer1000, 20),
    atLeast('hit rate', adaptive.hitRate, 0.999),
    atLeast('first contacts in one round trip', adaptive.firstContactOneTrip, 0.999),
    atMost('decision at init, µs (p50)', figures.decisionUs.p50, 20),
    atMost('bad days: false condemnations', figures.falseCondemnations, 0),
    atMost('bad days: inits failed by lateness', figures.initsFailedByLateness, 0),
    atMost('bad days: inits refused because of an edge', figures.refusedByEdge, 0),
    atMost('bad days: |error| > uncertainty', badBounds, 0),
    atLeast('lateness accepted, known to ±10 ms, ms', figures.latenessAcceptedMs, 5_700),
    atMost('long-lived: refused without a step', longLived.refusedWithoutStep, 0),
    atMost('long-lived: most refusals a step and process', longLived.refusedPerStepAndProcess, 1),
    atMost('long-lived: now() without the truth', longLived.boundViolations, 0),
  ];
}

function found<T extends { readonly name: string }>(list: readonly T[], wanted: string): T {
  const item = list.find(({ name }) => name === wanted);
  if (!item) throw new Error(`no figures of ${wanted}`);
  return item;
}
