/**
 * `shadow_outcome`: what the cache would have done in shadow mode, hour by hour, and how far off it would have been.
 *
 * A row counts what happened in one hour (by the store's clock) to the inits that would have gone the same way and
 * whose error falls into the same bucket: the rows of an hour are a histogram, and sums over rows answer for any
 * span and exchange. `errorUpToMs` is the upper end of the bucket, out of the R10 series of preferred numbers (1,
 * 1.25, 1.6, 2 … times a power of ten), so that a percentile read from it is at most 28 % too high and never too low;
 * 0 means that there was nothing to compare. '' means that there is no such thing.
 *
 * The extremes are kept as they are, out of no bucket, for they decide whether a team dares to switch over.
 */
import type { EventData } from '../src/events/catalogue.js';
import type { KnownEvent } from '../src/events/event.js';
import type { Projection } from './projection.js';

export type ShadowOutcomeRow = {
  /** Start of the hour. */
  readonly hour: number;
  readonly exchange: string;
  readonly environment: string;
  /** How the init would have got its first offset. */
  readonly contact: string;
  readonly tier: string;
  readonly missReason: string;
  readonly errorUpToMs: number;
  readonly inits: number;
  /** With a state past its end, but good enough for the window. */
  readonly stale: number;
  /** The sync failed, so that there was nothing to compare with. */
  readonly unmeasured: number;
  /** Would have been refused for the timestamp, whatever the measurement cannot tell. */
  readonly refused: number;
  readonly possiblyRefused: number;
  /** The error was larger than both uncertainties allow: a clock stepped, or drifts faster than assumed. */
  readonly beyondBound: number;
  readonly maxErrorMs: number;
  /** The worst of the measurements that the errors were measured with. */
  readonly maxMeasuredUncertaintyMs: number;
  /** The least that the exchange's window forgave. */
  readonly minToleranceMs: number;
};

type Shadowed = EventData['ConnectorShadowed'];

const HOUR_MS = 3_600_000;

// Read from decimals rather than computed: the same doubles on every machine, in every rebuild.
const MANTISSAS = ['1', '1.25', '1.6', '2', '2.5', '3.15', '4', '5', '6.3', '8'];
const EXPONENTS = [-2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
export const ERROR_BUCKETS: readonly number[] = EXPONENTS.flatMap(exponent =>
  MANTISSAS.map(mantissa => Number(`${mantissa}e${exponent}`)),
);

/** The upper end of the bucket an error falls into; the last one for anything beyond. */
export function errorBucketOf(errorMs: number): number {
  const size = Math.abs(errorMs);
  return ERROR_BUCKETS.find(upTo => size <= upTo) ?? (ERROR_BUCKETS.at(-1) as number);
}

function keyOf(event: KnownEvent) {
  if (event.type !== 'ConnectorShadowed') return undefined;
  const { exchange, environment, contact, tier, missReason, comparison } = event.data;
  return {
    hour: Math.floor(event.recordedAt / HOUR_MS) * HOUR_MS,
    exchange,
    environment,
    contact,
    tier: tier ?? '',
    missReason: missReason ?? '',
    errorUpToMs: comparison ? errorBucketOf(comparison.errorMs) : 0,
  };
}

function isBeyondBound({ used, measured, comparison }: Shadowed): boolean {
  // A first contact claims no bound.
  if (used?.uncertaintyMs === undefined || !measured || !comparison) return false;
  return Math.abs(comparison.errorMs) > used.uncertaintyMs + measured.uncertaintyMs;
}

const when = (condition: boolean): number => (condition ? 1 : 0);

export const shadowOutcome: Projection<ShadowOutcomeRow> = {
  name: 'shadow_outcome',
  // 2: what cannot have come about is not folded (belief.ts).
  version: 2,
  table: {
    name: 'shadow_outcome',
    columns: {
      hour: 'timestamptz',
      exchange: 'text',
      environment: 'text',
      contact: 'text',
      tier: 'text',
      missReason: 'text',
      errorUpToMs: 'double precision',
      inits: 'bigint',
      stale: 'bigint',
      unmeasured: 'bigint',
      refused: 'bigint',
      possiblyRefused: 'bigint',
      beyondBound: 'bigint',
      maxErrorMs: 'double precision',
      maxMeasuredUncertaintyMs: 'double precision',
      minToleranceMs: 'double precision',
    },
    key: ['hour', 'exchange', 'environment', 'contact', 'tier', 'missReason', 'errorUpToMs'],
  },
  handles: ['ConnectorShadowed'],

  keyOf,

  evolve(row, event) {
    const key = keyOf(event);
    if (!key || event.type !== 'ConnectorShadowed') return row;
    const { data } = event;
    const { stale, measured, comparison, toleranceMs } = data;
    return {
      ...key,
      inits: (row?.inits ?? 0) + 1,
      stale: (row?.stale ?? 0) + when(stale === true),
      unmeasured: (row?.unmeasured ?? 0) + when(!measured),
      refused: (row?.refused ?? 0) + when(comparison?.refusal === 'certain'),
      possiblyRefused: (row?.possiblyRefused ?? 0) + when(comparison?.refusal === 'possible'),
      beyondBound: (row?.beyondBound ?? 0) + when(isBeyondBound(data)),
      maxErrorMs: Math.max(row?.maxErrorMs ?? 0, Math.abs(comparison?.errorMs ?? 0)),
      maxMeasuredUncertaintyMs: Math.max(row?.maxMeasuredUncertaintyMs ?? 0, measured?.uncertaintyMs ?? 0),
      minToleranceMs: Math.min(row?.minToleranceMs ?? toleranceMs, toleranceMs),
    };
  },
};
