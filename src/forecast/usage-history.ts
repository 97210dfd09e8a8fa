/**
 * What is remembered of when a connector (or a clock) is used, grown one use at a time by the back-test, or taken from a row
 * of the read tables (src/clock/use-habit.ts, which says what is counted, and how).
 */
import { binOf, type Habit, HOUR_MS, HOURS_A_WEEK, hourOfWeek } from '../clock/use-habit.js';

/** The last bin has no end; what is in it is taken to lie within so much. */
const OPEN_WIDTH_MS = 14 * 24 * HOUR_MS;

export interface IdleBin {
  /** Idle times from `fromMs` on and below `untilMs`; the last bin has no end. */
  readonly fromMs: number;
  readonly untilMs: number;
  readonly count: number;
  /** Of all shorter ones. */
  readonly before: number;
}

export class UsageHistory {
  readonly #idle = new Map<number, number>();
  readonly #weeksUsed = new Array<number>(HOURS_A_WEEK).fill(0);
  #bins: readonly IdleBin[] | undefined;
  #lastHour = Number.NEGATIVE_INFINITY;
  firstMs: number | undefined;
  lastMs: number | undefined;
  uses = 0;

  static of(habit: Habit): UsageHistory {
    const history = new UsageHistory();
    for (const [fromMs, count] of habit.idle) history.#idle.set(fromMs, count);
    for (const [hour, weeks] of habit.weekHours) if (hour < HOURS_A_WEEK) history.#weeksUsed[hour] = weeks;
    history.firstMs = habit.since;
    history.lastMs = habit.lastAt;
    history.uses = habit.uses;
    return history;
  }

  /** @param atMs epoch milliseconds, not before the last */
  add(atMs: number): void {
    if (this.lastMs !== undefined) {
      const { fromMs } = binOf(Math.max(0, atMs - this.lastMs));
      this.#idle.set(fromMs, (this.#idle.get(fromMs) ?? 0) + 1);
      this.#bins = undefined;
    }
    // However often in an hour: what is asked is whether it was used in it.
    const hour = Math.floor(atMs / HOUR_MS);
    if (hour !== this.#lastHour) {
      const slot = hourOfWeek(atMs);
      this.#weeksUsed[slot] = (this.#weeksUsed[slot] ?? 0) + 1;
    }
    this.#lastHour = hour;
    this.firstMs ??= atMs;
    this.lastMs = atMs;
    this.uses += 1;
  }

  /** Those with anything in them, shortest first. */
  idleBins(): readonly IdleBin[] {
    if (this.#bins) return this.#bins;
    let before = 0;
    this.#bins = [...this.#idle]
      .sort(([a], [b]) => a - b)
      .map(([fromMs, count]) => {
        const bin = { ...binOf(fromMs), count, before };
        before += count;
        return bin;
      });
    return this.#bins;
  }

  /** How many idle times there are. */
  get idleTimes(): number {
    return Math.max(0, this.uses - 1);
  }

  /** How many of them were shorter, a bin's being taken to lie evenly in it. */
  shorterThan(idleMs: number): number {
    const bins = this.idleBins();
    let [low, high] = [0, bins.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((bins[middle] as IdleBin).fromMs < idleMs) low = middle + 1;
      else high = middle;
    }
    const bin = bins[low - 1];
    if (!bin) return 0;
    const width = Math.min(bin.untilMs - bin.fromMs, OPEN_WIDTH_MS);
    return bin.before + bin.count * Math.min(1, (idleMs - bin.fromMs) / width);
  }

  /** In what share of the weeks seen this hour of the week was used, 0–1; each is taken to have been seen half a time more. */
  shareOfWeeks(atMs: number): number {
    if (this.firstMs === undefined) return 0;
    const weeks = (atMs - this.firstMs) / (HOURS_A_WEEK * HOUR_MS);
    return Math.min(1, (this.#weeksUsed[hourOfWeek(atMs)] ?? 0) / (Math.ceil(Math.max(weeks, 1)) + 0.5));
  }
}
