/**
 * What is remembered of when a connector (or a clock) is used, grown one use at a time by the back-test, or taken from a row
 * of the read tables (src/clock/use-habit.ts, which says what is counted, and how).
 */
import {
  binOf,
  binWidthMs,
  type Habit,
  HOUR_MS,
  HOURS_A_WEEK,
  hourOfWeek,
  type IdleTimes,
} from '../clock/use-habit.js';

/** The last bin has no end; what is in it is taken to lie within so much. */
const OPEN_WIDTH_MS = 14 * 24 * HOUR_MS;

/** So many changes of the idle time are remembered: what it does now, and not what it did a month ago. */
const CHANGES = 32;

export interface IdleBin {
  /** Idle times from `fromMs` on and below `untilMs`; the last bin has no end. */
  readonly fromMs: number;
  readonly untilMs: number;
  readonly count: number;
}

export class UsageHistory {
  /** What there was before the first use was added: taken apart only where it is needed. */
  #habit: Habit | undefined;
  #counts: Map<number, number> | undefined;
  #weeksUsed: number[] | undefined;
  #weekUses: number[] | undefined;
  #idle: IdleTimes | undefined;
  #lastHour = Number.NEGATIVE_INFINITY;
  firstMs: number | undefined;
  lastMs: number | undefined;
  uses = 0;
  /** The last idle time, and by how much each of the last ones was longer than the one before it, milliseconds. A row tells neither. */
  lastIdleMs: number | undefined;
  readonly changesMs: number[] = [];

  static of(habit: Habit): UsageHistory {
    const history = new UsageHistory();
    history.#habit = habit;
    history.firstMs = habit.since;
    history.lastMs = habit.lastAt;
    history.uses = habit.uses;
    return history;
  }

  /** @param atMs epoch milliseconds, not before the last */
  add(atMs: number): void {
    if (this.lastMs !== undefined) {
      const idleMs = Math.max(0, atMs - this.lastMs);
      if (this.lastIdleMs !== undefined) this.changesMs.push(idleMs - this.lastIdleMs);
      if (this.changesMs.length > CHANGES) this.changesMs.shift();
      this.lastIdleMs = idleMs;
      const { fromMs } = binOf(idleMs);
      const counts = this.#idleCounts();
      counts.set(fromMs, (counts.get(fromMs) ?? 0) + 1);
      this.#idle = undefined;
    }
    const hour = Math.floor(atMs / HOUR_MS);
    const slot = hourOfWeek(atMs);
    const weekUses = this.#usesByHour();
    weekUses[slot] = (weekUses[slot] ?? 0) + 1;
    if (hour !== this.#lastHour) {
      const weeks = this.#weeks();
      weeks[slot] = (weeks[slot] ?? 0) + 1;
    }
    this.#lastHour = hour;
    this.firstMs ??= atMs;
    this.lastMs = atMs;
    this.uses += 1;
  }

  /** Those with anything in them, shortest first. */
  idleBins(): readonly IdleBin[] {
    const { fromMs, counts } = this.idle;
    return fromMs.map((from, i) => ({
      fromMs: from,
      untilMs: from + binWidthMs(from),
      count: counts[i] as number,
    }));
  }

  get idle(): IdleTimes {
    this.#idle ??= !this.#counts && this.#habit ? this.#habit.idle : idleTimesOf(this.#idleCounts());
    return this.#idle;
  }

  /** How many idle times there are. */
  get idleTimes(): number {
    return Math.max(0, this.uses - 1);
  }

  /** How many of them were shorter, a bin's being taken to lie evenly in it. */
  shorterThan(idleMs: number): number {
    const { fromMs, counts, before } = this.idle;
    let low = 0;
    let high = fromMs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((fromMs[middle] as number) < idleMs) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return 0;
    const from = fromMs[low - 1] as number;
    const width = Math.min(binWidthMs(from), OPEN_WIDTH_MS);
    return (before[low - 1] as number) + (counts[low - 1] as number) * Math.min(1, (idleMs - from) / width);
  }

  /** In what share of the weeks seen this hour of the week was used, 0–1; each is taken to have been seen half a time more. */
  shareOfWeeks(atMs: number): number {
    return Math.min(1, (this.#weeks()[hourOfWeek(atMs)] ?? 0) / (this.#weeksSeen(atMs) + 0.5));
  }

  /** How many uses there were in this hour of the week, in the mean of the weeks seen; 0 before it came a second time. */
  usesAnHour(atMs: number): number {
    if (!this.knowsHour(atMs)) return 0;
    return (this.#usesByHour()[hourOfWeek(atMs)] ?? 0) / this.#weeksSeen(atMs);
  }

  /** Whether this hour of the week came before, since the first use. */
  knowsHour(atMs: number): boolean {
    return this.#weeksBefore(atMs) > 0;
  }

  #weeksBefore(atMs: number): number {
    const firstHour = Math.floor((this.firstMs ?? atMs) / HOUR_MS);
    return Math.max(0, Math.floor((Math.floor(atMs / HOUR_MS) - firstHour) / HOURS_A_WEEK));
  }

  /** Of this hour of the week: this one too if it has been used already. */
  #weeksSeen(atMs: number): number {
    const isUsed =
      this.lastMs !== undefined && Math.floor(atMs / HOUR_MS) === Math.floor(this.lastMs / HOUR_MS);
    return this.#weeksBefore(atMs) + (isUsed ? 1 : 0);
  }

  #idleCounts(): Map<number, number> {
    if (this.#counts) return this.#counts;
    const known = this.#habit?.idle;
    this.#counts = new Map(known?.fromMs.map((fromMs, i) => [fromMs, known.counts[i] as number]));
    return this.#counts;
  }

  #weeks(): number[] {
    this.#weeksUsed ??= byHour(this.#habit?.weekHours);
    return this.#weeksUsed;
  }

  #usesByHour(): number[] {
    this.#weekUses ??= byHour(this.#habit?.weekUses);
    return this.#weekUses;
  }
}

function byHour(counted: ReadonlyMap<number, number> = new Map()): number[] {
  const hours = new Array<number>(HOURS_A_WEEK).fill(0);
  for (const [hour, count] of counted) if (hour < HOURS_A_WEEK) hours[hour] = count;
  return hours;
}

function idleTimesOf(counted: ReadonlyMap<number, number>): IdleTimes {
  const sorted = [...counted].sort(([a], [b]) => a - b);
  let sum = 0;
  return {
    fromMs: sorted.map(([fromMs]) => fromMs),
    counts: sorted.map(([, count]) => count),
    before: sorted.map(([, count]) => {
      sum += count;
      return sum - count;
    }),
  };
}
