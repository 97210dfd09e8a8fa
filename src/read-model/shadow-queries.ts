/**
 * What shadow mode found, summed up from `shadow_outcome`.
 *
 * The table is a histogram by hour, so the database adds up a few rows an hour however many inits there were, and
 * what is asked for is exact but for two things: spans begin at a full hour, and a percentile is the upper end of its
 * bucket (at most 28 % too high, never too low). The maximum is exact.
 */
import type { Pool } from 'pg';
import type { Contact, MissReason, Tier } from '../events/catalogue.js';
import type { Environment, Exchange } from '../events/connector.js';

export interface ShadowQuery {
  /** A span that ends now, by the database's clock, or the moment it begins (epoch ms). */
  readonly since: { readonly agoMs: number } | { readonly atMs: number };
  readonly exchange?: Exchange | undefined;
}

/** Inits that would have gone the same way and whose errors fall into the same bucket. */
export interface ShadowOutcome {
  readonly exchange: Exchange;
  readonly environment: Environment;
  readonly contact: Contact;
  readonly tier: Tier | '';
  readonly missReason: MissReason | '';
  /** Upper end of the bucket of |error|, ms; 0: nothing was compared. */
  readonly errorUpToMs: number;
  readonly inits: number;
  readonly stale: number;
  readonly unmeasured: number;
  readonly refused: number;
  readonly possiblyRefused: number;
  readonly beyondBound: number;
  readonly maxErrorMs: number;
  readonly maxMeasuredUncertaintyMs: number;
  readonly minToleranceMs: number;
}

export interface ShadowOutcomes {
  /** Epoch ms: the full hour the counts begin with, and the database's time. */
  readonly fromMs: number;
  readonly untilMs: number;
  readonly outcomes: readonly ShadowOutcome[];
}

const COUNTS = ['inits', 'stale', 'unmeasured', 'refused', 'possiblyRefused', 'beyondBound'] as const;

// One statement, so that the span and the counts are of one moment.
const SELECT = `
  WITH span AS MATERIALIZED (
    SELECT now, date_trunc('hour', coalesce(to_timestamp($1::float8 / 1000), now - $2::float8 * interval '1 ms'),
                           'UTC') AS start
      FROM (SELECT clock_timestamp() AS now) clock)
  SELECT (extract(epoch FROM span.start) * 1000)::float8 AS "fromMs",
         (extract(epoch FROM span.now) * 1000)::float8 AS "untilMs", counted.*
    FROM span LEFT JOIN LATERAL (
      SELECT exchange, environment, contact, tier, miss_reason AS "missReason", error_up_to_ms AS "errorUpToMs",
             sum(inits) AS inits, sum(stale) AS stale, sum(unmeasured) AS unmeasured, sum(refused) AS refused,
             sum(possibly_refused) AS "possiblyRefused", sum(beyond_bound) AS "beyondBound",
             max(max_error_ms) AS "maxErrorMs", max(max_measured_uncertainty_ms) AS "maxMeasuredUncertaintyMs",
             min(min_tolerance_ms) AS "minToleranceMs"
        FROM shadow_outcome
       WHERE hour >= span.start AND ($3::text IS NULL OR exchange = $3)
       GROUP BY exchange, environment, contact, tier, miss_reason, error_up_to_ms
       ORDER BY exchange, environment, contact, tier, miss_reason, error_up_to_ms) counted ON true`;

/** @throws whatever `pg` throws */
export async function readShadowOutcomes(pool: Pool, query: ShadowQuery): Promise<ShadowOutcomes> {
  const { since, exchange } = query;
  type Row = ShadowOutcome & { readonly fromMs: number; readonly untilMs: number };
  const { rows } = await pool.query<Row>(SELECT, [
    'atMs' in since ? since.atMs : null,
    'agoMs' in since ? since.agoMs : null,
    exchange ?? null,
  ]);
  const [{ fromMs, untilMs }] = rows as [Row, ...Row[]];
  // Without any outcome there is one row, of nothing but the span.
  const found = rows.filter(row => row.exchange !== null);
  const outcomes = found.map(({ fromMs: _from, untilMs: _until, ...outcome }) => ({
    ...outcome,
    ...Object.fromEntries(COUNTS.map(name => [name, Number(outcome[name])])),
  }));
  return { fromMs: Math.round(fromMs), untilMs: Math.round(untilMs), outcomes };
}

/** Of |would-be minus measured offset|, milliseconds. */
export interface ErrorDistribution {
  readonly compared: number;
  /** Half, 95 % and 99 % of the errors are at most this large (nearest rank, upper ends of buckets). */
  readonly p50UpToMs: number;
  readonly p95UpToMs: number;
  readonly p99UpToMs: number;
  /** Exact. */
  readonly maxMs: number;
  /** The measurements themselves were at most this far off. */
  readonly measuredToMs: number;
  /** The least that the exchange's window forgave. */
  readonly toleranceMs: number;
}

export interface ShadowSummary {
  readonly inits: number;
  /** Would have started from a state or the exchange's shared clock. */
  readonly hits: number;
  /** hits / inits, 0 to 1. */
  readonly hitRate: number;
  readonly hitsByTier: Readonly<Record<string, number>>;
  /** Would have signed by the database's clock, with nothing known. */
  readonly firstContacts: number;
  /** Would have measured before they signed. */
  readonly syncs: number;
  /** Of those without a hit. */
  readonly missesByReason: Readonly<Record<string, number>>;
  readonly stale: number;
  readonly unmeasured: number;
  readonly refused: number;
  readonly possiblyRefused: number;
  readonly beyondBound: number;
  /** `undefined`: nothing was compared. */
  readonly error: ErrorDistribution | undefined;
}

export function summariseShadow(outcomes: readonly ShadowOutcome[]): ShadowSummary {
  const inits = count(outcomes);
  const hits = outcomes.filter(isHit);
  const misses = outcomes.filter(outcome => !isHit(outcome));
  return {
    inits,
    hits: count(hits),
    hitRate: inits === 0 ? 0 : count(hits) / inits,
    hitsByTier: countBy(hits, ({ tier }) => tier),
    firstContacts: count(misses.filter(({ contact }) => contact === 'verify-first')),
    syncs: count(misses.filter(({ contact }) => contact === 'sync')),
    missesByReason: countBy(misses, ({ missReason }) => missReason),
    stale: count(outcomes, 'stale'),
    unmeasured: count(outcomes, 'unmeasured'),
    refused: count(outcomes, 'refused'),
    possiblyRefused: count(outcomes, 'possiblyRefused'),
    beyondBound: count(outcomes, 'beyondBound'),
    error: distribution(outcomes.filter(({ errorUpToMs }) => errorUpToMs > 0)),
  };
}

/** Would have started from a state or the exchange's shared clock. */
export const isHit = ({ contact }: ShadowOutcome) => contact === 'state' || contact === 'exchange-clock';

const count = (outcomes: readonly ShadowOutcome[], of: (typeof COUNTS)[number] = 'inits') =>
  outcomes.reduce((sum, outcome) => sum + outcome[of], 0);

function countBy(outcomes: readonly ShadowOutcome[], nameOf: (outcome: ShadowOutcome) => string) {
  const counts: Record<string, number> = {};
  for (const outcome of outcomes) counts[nameOf(outcome)] = (counts[nameOf(outcome)] ?? 0) + outcome.inits;
  return counts;
}

function distribution(compared: readonly ShadowOutcome[]): ErrorDistribution | undefined {
  if (compared.length === 0) return undefined;
  const buckets = [...compared].sort((a, b) => a.errorUpToMs - b.errorUpToMs);
  const total = count(buckets);
  const maxMs = Math.max(...buckets.map(({ maxErrorMs }) => maxErrorMs));
  const quantile = (q: number) => {
    let seen = 0;
    const found = buckets.find(({ inits }) => {
      seen += inits;
      return seen >= q * total;
    });
    // Nothing was larger than the largest.
    return Math.min(found?.errorUpToMs ?? maxMs, maxMs);
  };
  return {
    compared: total,
    p50UpToMs: quantile(0.5),
    p95UpToMs: quantile(0.95),
    p99UpToMs: quantile(0.99),
    maxMs,
    measuredToMs: Math.max(...buckets.map(({ maxMeasuredUncertaintyMs }) => maxMeasuredUncertaintyMs)),
    toleranceMs: Math.min(...buckets.map(({ minToleranceMs }) => minToleranceMs)),
  };
}
