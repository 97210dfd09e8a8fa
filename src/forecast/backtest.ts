/**
 * What each policy would have done with the uses that were: replayed one connector at a time, in order, each policy seeing
 * only what was before.
 *
 * A use finds the state good, or is cold and measures. Either way the state is good for a TTL from then, if `usesRefresh`
 * (each answer of the exchange is a sample); else only a measurement makes it good. A refresh that nobody uses is a sync
 * spent for nothing, and counted as such.
 */
import {
  fixed,
  hazard,
  hazardOf,
  histogram,
  likely,
  none,
  oracle,
  type Policy,
  type Probability,
  seasonal,
  seasonalOf,
  trend,
  trendOf,
} from './policies.js';
import { UsageHistory } from './usage-history.js';

/** When a connector was used: epoch milliseconds, ascending. */
export type Uses = readonly number[];

export interface BacktestOptions {
  readonly ttlMs: number;
  /** Whether a use makes the state good for another TTL. */
  readonly usesRefresh: boolean;
  /** What a cold init costs more than a warm one, milliseconds. Default 1500, the document's. */
  readonly coldCostMs?: number | undefined;
  /** A trained model, to be judged beside the others. */
  readonly learned?: Probability | undefined;
  /** Uses before this teach and are not counted, epoch milliseconds. */
  readonly countFromMs?: number | undefined;
}

export interface PolicyResult {
  readonly policy: string;
  readonly uses: number;
  /** Uses that found nothing good. */
  readonly cold: number;
  /** Cold uses that there would have been without a policy, and were not. */
  readonly avoided: number;
  /** Measurements made ahead of a use. */
  readonly refreshes: number;
  /** Those and the cold uses. */
  readonly syncs: number;
  readonly savedMs: number;
  /** Of the oracle's avoided, 0–1; and its syncs as a multiple of the oracle's. */
  readonly shareOfOracle: number;
  readonly syncsOfOracle: number;
}

export interface Backtest {
  readonly connectors: number;
  readonly results: readonly PolicyResult[];
  /** Of the probabilities by which `hazard`, `trend`, `seasonal` (and `learned`) go. */
  readonly calibration: readonly Calibration[];
  /** Who won: `none` where nobody is better than that by the margin. */
  readonly winner: string;
}

export interface Calibration {
  readonly policy: string;
  /** Mean squared error of the probabilities, 0 (perfect) to 1; of always saying the mean it is `baseline`. */
  readonly brier: number;
  readonly baseline: number;
  readonly buckets: readonly { readonly said: number; readonly came: number; readonly count: number }[];
}

const COLD_COST_MS = 1_500;
/** A refresh takes a request that nobody waits for: a tenth of a cold init's cost. */
const REFRESH_COST_SHARE = 0.1;
const WINNING_MARGIN = 0.05;
/** A policy that refreshes without end is stopped. */
const MOST_REFRESHES = 100_000;

export function backtest(all: readonly Uses[], options: BacktestOptions): Backtest {
  const { learned, coldCostMs = COLD_COST_MS } = options;
  const policies = [
    none,
    fixed,
    histogram,
    hazard,
    trend,
    seasonal,
    ...(learned ? [likely('learned', learned, 0.5)] : []),
  ];
  const counted = policies.map(policy => ({ policy, ...replayAll(all, () => policy, options) }));
  const best = { policy: { name: 'oracle' }, ...replayAll(all, uses => oracle(nextIn(uses)), options) };
  const without = counted[0]?.cold ?? 0;
  const results = [...counted, best].map(({ policy, uses, cold, refreshes }) => ({
    policy: policy.name,
    uses,
    cold,
    avoided: without - cold,
    refreshes,
    syncs: refreshes + cold,
    savedMs: (without - cold) * coldCostMs,
    shareOfOracle: without === best.cold ? 1 : (without - cold) / (without - best.cold),
    syncsOfOracle: (refreshes + cold) / Math.max(1, best.refreshes + best.cold),
  }));
  const calibration = [
    { name: 'hazard', probability: hazardOf },
    { name: 'trend', probability: trendOf },
    { name: 'seasonal', probability: seasonalOf },
    ...(learned ? [{ name: 'learned', probability: learned }] : []),
  ].map(({ name, probability }) => calibrate(name, all, probability, options));
  return { connectors: all.length, results, calibration, winner: winnerOf(results) };
}

interface Counts {
  uses: number;
  cold: number;
  refreshes: number;
}

function replayAll(
  all: readonly Uses[],
  policyFor: (uses: Uses) => Policy,
  options: BacktestOptions,
): Counts {
  const counts: Counts = { uses: 0, cold: 0, refreshes: 0 };
  for (const uses of all) replay(uses, policyFor(uses), options, counts);
  return counts;
}

function replay(
  uses: Uses,
  policy: Policy,
  { ttlMs, usesRefresh, countFromMs = Number.NEGATIVE_INFINITY }: BacktestOptions,
  counts: Counts,
): void {
  const history = new UsageHistory();
  let expiresMs = Number.NEGATIVE_INFINITY;
  let nowMs = Number.NEGATIVE_INFINITY;
  for (const useMs of uses) {
    const isCounted = useMs >= countFromMs;
    for (let refreshes = 0; history.uses > 0 && refreshes < MOST_REFRESHES; refreshes++) {
      const atMs = policy.nextRefresh({ history, nowMs, expiresMs, ttlMs });
      if (atMs === undefined || atMs >= useMs) break;
      nowMs = atMs;
      expiresMs = atMs + ttlMs;
      if (isCounted) counts.refreshes += 1;
    }
    const isCold = expiresMs <= useMs;
    if (isCounted) counts.uses += 1;
    if (isCounted && isCold) counts.cold += 1;
    if (isCold || usesRefresh) expiresMs = useMs + ttlMs;
    nowMs = useMs;
    history.add(useMs);
  }
}

/** Each connector's next use after a time: asked in order, so one walk does. */
function nextIn(uses: Uses): (atMs: number) => number | undefined {
  let index = 0;
  return atMs => {
    while (index < uses.length && (uses[index] as number) <= atMs) index += 1;
    return uses[index];
  };
}

const BUCKETS = 10;

/** What was said at the end of each TTL while nobody used it, against what came. */
function calibrate(
  policy: string,
  all: readonly Uses[],
  probability: Probability,
  { ttlMs, countFromMs = Number.NEGATIVE_INFINITY }: BacktestOptions,
): Calibration {
  const buckets = Array.from({ length: BUCKETS }, () => ({ said: 0, came: 0, count: 0 }));
  let [squares, came, count] = [0, 0, 0];
  for (const { history, atMs, isUsed } of questions(all, ttlMs)) {
    if (atMs < countFromMs) continue;
    const said = probability(history, atMs, ttlMs);
    squares += (said - isUsed) ** 2;
    came += isUsed;
    count += 1;
    const bucket = buckets[Math.min(BUCKETS - 1, Math.floor(said * BUCKETS))];
    if (!bucket) continue;
    bucket.said += said;
    bucket.came += isUsed;
    bucket.count += 1;
  }
  const mean = count === 0 ? 0 : came / count;
  return {
    policy,
    brier: count === 0 ? 0 : squares / count,
    baseline: mean * (1 - mean),
    buckets: buckets
      .filter(bucket => bucket.count > 0)
      .map(bucket => ({
        said: bucket.said / bucket.count,
        came: bucket.came / bucket.count,
        count: bucket.count,
      })),
  };
}

/** One moment at which a state has ended, and whether a use came within the next TTL (1) or not (0). */
export interface Question {
  readonly history: UsageHistory;
  readonly atMs: number;
  readonly isUsed: 0 | 1;
}

/** The longest gap that is asked about, in TTLs: one connector that lies for a month would ask more than all others. */
const MOST_QUESTIONS_A_GAP = 100;

export function* questions(all: readonly Uses[], ttlMs: number): Generator<Question> {
  for (const uses of all) {
    const history = new UsageHistory();
    for (const [index, useMs] of uses.entries()) {
      history.add(useMs);
      const nextMs = uses[index + 1];
      if (nextMs === undefined) break;
      for (let k = 1; k <= MOST_QUESTIONS_A_GAP && useMs + k * ttlMs < nextMs; k++) {
        const atMs = useMs + k * ttlMs;
        yield { history, atMs, isUsed: nextMs < atMs + ttlMs ? 1 : 0 };
      }
    }
  }
}

/**
 * By what a policy saves, less what its refreshes cost: the best of those that need no training, where it is better than none by
 * the margin; the trained model, where it is better than that by the margin again.
 */
function winnerOf(results: readonly PolicyResult[]): string {
  const gain = ({ avoided, refreshes }: PolicyResult) => avoided - refreshes * REFRESH_COST_SHARE;
  const [without, ...others] = results.filter(({ policy }) => policy !== 'oracle') as [PolicyResult];
  const untrained = others.filter(({ policy }) => policy !== 'learned').sort((a, b) => gain(b) - gain(a));
  const learned = others.filter(({ policy }) => policy === 'learned');
  let winner = without;
  for (const each of [...untrained.slice(0, 1), ...learned])
    if (gain(each) > gain(winner) + WINNING_MARGIN * Math.max(1, without.cold)) winner = each;
  return winner.policy;
}
