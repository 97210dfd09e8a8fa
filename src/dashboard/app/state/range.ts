/** A range of time as it stands in an address: `range=24h`, or `from` and `until` as ISO 8601. */
import type { Filters } from './address.js';

export const RANGES = ['1h', '6h', '24h', '7d', '30d', '90d', '1y'] as const;
export type RangeName = (typeof RANGES)[number];

export interface TimeRange {
  readonly fromMs: number;
  readonly untilMs: number;
  /** A span that ends now, or `undefined`: fixed. */
  readonly name: RangeName | undefined;
}

const HOUR_MS = 3_600_000;
const SPAN_MS: Readonly<Record<RangeName, number>> = {
  '1h': HOUR_MS,
  '6h': 6 * HOUR_MS,
  '24h': 24 * HOUR_MS,
  '7d': 7 * 24 * HOUR_MS,
  '30d': 30 * 24 * HOUR_MS,
  '90d': 90 * 24 * HOUR_MS,
  '1y': 365 * 24 * HOUR_MS,
};

/** What makes no sense is the default: an address may come from anywhere. */
export function rangeIn(filters: Filters, nowMs: number, fallback: RangeName = '24h'): TimeRange {
  const from = Date.parse(filters['from'] ?? '');
  const until = Date.parse(filters['until'] ?? '');
  if (from < until) return { fromMs: from, untilMs: until, name: undefined };
  const name = RANGES.find(each => each === filters['range']) ?? fallback;
  return { fromMs: nowMs - SPAN_MS[name], untilMs: nowMs, name };
}

/** As the service is asked: a span that ends now by its name, so that all who look at it ask the same. */
export const asked = ({ name, fromMs, untilMs }: TimeRange) =>
  name === undefined
    ? { from: Math.round(fromMs), until: Math.round(untilMs) }
    : { from: name === '1y' ? '365d' : name };

export const fixedRange = (fromMs: number, untilMs: number): Filters => ({
  from: new Date(fromMs).toISOString(),
  until: new Date(untilMs).toISOString(),
  range: '',
});

export const namedRange = (name: RangeName): Filters => ({ range: name, from: '', until: '' });
