/** Usage counted up: of everything, or of each span of time. */
import type { UsageBucket } from '../api/types.js';

export type UsageSum = Omit<
  UsageBucket,
  'startMs' | 'exchange' | 'environment' | 'scope' | 'host' | 'hitRate'
>;

const NOTHING: UsageSum = {
  hits: 0,
  staleHits: 0,
  misses: 0,
  hitsMemory: 0,
  hitsRedis: 0,
  hitsPostgres: 0,
  hitsExchangeClock: 0,
  syncs: 0,
  syncFailures: 0,
  timestampRefusals: 0,
  otherRefusals: 0,
  lateRequests: 0,
  unreachable: 0,
  invalidations: 0,
};
const FIGURES = Object.keys(NOTHING) as (keyof UsageSum)[];

export const sumOf = (buckets: readonly UsageSum[]): UsageSum => buckets.reduce(plus, NOTHING);

function plus(a: UsageSum, b: UsageSum): UsageSum {
  const sum: { -readonly [Figure in keyof UsageSum]: number } = { ...a };
  for (const figure of FIGURES) sum[figure] += b[figure];
  return sum;
}

/** One sum a span, in the order of time; spans in which nothing happened are there too. */
export function bySpan(
  buckets: readonly UsageBucket[],
  fromMs: number,
  untilMs: number,
  spanMs: number,
): { readonly startMs: number; readonly sum: UsageSum }[] {
  const sums = new Map<number, UsageSum>();
  for (let at = Math.floor(fromMs / spanMs) * spanMs; at < untilMs; at += spanMs) sums.set(at, NOTHING);
  for (const bucket of buckets) {
    const at = Math.floor(bucket.startMs / spanMs) * spanMs;
    sums.set(at, plus(sums.get(at) ?? NOTHING, bucket));
  }
  return [...sums].sort(([a], [b]) => a - b).map(([startMs, sum]) => ({ startMs, sum }));
}
