/**
 * What a habit lets expect: how likely the next use is within a span, and when.
 *
 * With four idle times or more by the histogram of them, given how long the connector has lain idle by now. With fewer
 * there is no habit to speak of, and the answer is the baseline, which says so: uses come at random, as often as so far.
 */
import { binWidthMs, type Habit, HOUR_MS, HOURS_A_WEEK } from '../clock/use-habit.js';
import { hazardOf, LEAST_IDLE_TIMES, type Probability } from './policies.js';
import { UsageHistory } from './usage-history.js';

export interface Forecast {
  readonly uses: number;
  /** The first use known, and the last; epoch milliseconds. */
  readonly sinceMs: number;
  readonly lastUseMs: number;
  /** `baseline`: there is too little history, and uses are taken to come at random, as often as so far. */
  readonly basis: 'history' | 'baseline';
  /** That it is used within the span asked for, 0–1. */
  readonly probability: number;
  /** Before this and after it the next use is equally likely; epoch milliseconds. null: it has lain longer than ever before. */
  readonly likelyAtMs: number | null;
}

/** What there is to be drawn. */
export interface HabitFigures {
  /** How often it lay idle for so long, milliseconds; the last has no end. */
  readonly idle: readonly {
    readonly fromMs: number;
    readonly untilMs: number | null;
    readonly count: number;
  }[];
  /** For each hour of the week from Monday 00:00 UTC: the share of the weeks in which it was used, 0–1. */
  readonly weekShares: readonly number[];
  /** The same: uses in that hour, in the mean of the weeks. */
  readonly weekUses: readonly number[];
}

const WEEK_MS = HOURS_A_WEEK * HOUR_MS;

/** @param probability of a trained model, in place of the histogram's own */
export function forecastOf(
  habit: Habit,
  {
    nowMs,
    withinMs,
    probability = hazardOf,
  }: {
    readonly nowMs: number;
    readonly withinMs: number;
    readonly probability?: Probability | undefined;
  },
): Forecast {
  const history = UsageHistory.of(habit);
  const { since, lastAt, uses } = habit;
  // A host's clock may be ahead of this one's.
  const atMs = Math.max(nowMs, lastAt);
  if (history.idleTimes < LEAST_IDLE_TIMES) {
    const perMs = uses / Math.max(HOUR_MS, atMs - since);
    const likelyAtMs = Math.round(atMs + Math.LN2 / perMs);
    const probability = -Math.expm1(-perMs * withinMs);
    return { uses, sinceMs: since, lastUseMs: lastAt, basis: 'baseline', probability, likelyAtMs };
  }
  return {
    uses,
    sinceMs: since,
    lastUseMs: lastAt,
    basis: 'history',
    probability: probability(history, atMs, withinMs),
    likelyAtMs: medianOf(history, lastAt, atMs - lastAt),
  };
}

/** Half of the idle times that were longer than this one is by now end before it. */
function medianOf(history: UsageHistory, lastMs: number, idleMs: number): number | null {
  const byNow = history.shorterThan(idleMs);
  const left = history.idleTimes - byNow;
  if (left < 0.5) return null;
  const half = byNow + left / 2;
  const { fromMs, counts, before } = history.idle;
  const i = before.findIndex((shorter, bin) => shorter + (counts[bin] as number) >= half);
  if (i < 0) return null;
  const from = fromMs[i] as number;
  const share = Math.max(0, half - (before[i] as number)) / (counts[i] as number);
  const width = binWidthMs(from);
  const withinMs = Number.isFinite(width) ? share * width : 0;
  return Math.round(lastMs + Math.max(idleMs, from + withinMs));
}

export function figuresOf(habit: Habit, nowMs: number): HabitFigures {
  const weeks = Math.max(1, Math.ceil((Math.max(nowMs, habit.lastAt) - habit.since) / WEEK_MS));
  const history = UsageHistory.of(habit);
  const perWeek = (counts: ReadonlyMap<number, number>) =>
    Array.from({ length: HOURS_A_WEEK }, (_, hour) => (counts.get(hour) ?? 0) / weeks);
  return {
    idle: history.idleBins().map(({ fromMs, untilMs, count }) => ({
      fromMs,
      untilMs: Number.isFinite(untilMs) ? untilMs : null,
      count,
    })),
    weekShares: perWeek(habit.weekHours).map(share => Math.min(1, share)),
    weekUses: perWeek(habit.weekUses),
  };
}
