/**
 * The habit of a connector, or of an exchange's clock: how long it lies idle between two uses, and in which hours of the
 * week it is used. It grows one fact at a time and stays small however long it grows.
 *
 *   uses   ├ 3 ┤                    ├──── 5 ────┤            ├ 1 …
 *          08:00                    16:00                    00:00
 *              └── idle, to the ms ─┘           └ to the ms ─┘
 *
 * **What one hour is told by is its first use, its last, and how many there were.** The log says no more: hits are counted
 * together before they are recorded, and those of an hour are summed up when they are forgotten. So the time between two
 * hours of use is known to the millisecond, and within an hour the uses are taken to lie evenly. Adding, minimum and
 * maximum do not care in which order, or how summed up, an hour's facts come: a rebuild from what is left of the log
 * makes the row that the facts made themselves. For the same reason the hour is the one in which facts were recorded, by
 * the store's clock.
 *
 * An hour is closed, that is counted into the histograms, when a fact of another hour comes ({@link addUses}); a reader
 * closes the last one for itself ({@link habitOf}).
 *
 * Idle times are counted in bins whose width grows with the time, a minute at first: what matters is whether a use comes
 * within the next TTL, and no TTL of a state that has lain for a day is a minute.
 *
 * Source of the idea: M. Shahrad et al., "Serverless in the Wild", USENIX ATC 2020, section 4.2 (idle-time histograms).
 */

/** Uses of one fact, or of many summed up; times in epoch milliseconds. */
export interface UsesOfFact {
  readonly count: number;
  readonly firstAt: number;
  readonly lastAt: number;
}

/** Of a row: plain values, as the database keeps them. (A type and no interface, so that it may be a table's row.) */
export type HabitRow = {
  /** Of all uses, the first: epoch milliseconds. */
  readonly since: number;
  readonly uses: number;
  /** Start of the last hour with uses, which is not in the histograms yet. */
  readonly hour: number;
  readonly hourUses: number;
  readonly firstAt: number;
  readonly lastAt: number;
  /** The last use of the hours before it; null while there are none. */
  readonly beforeAt: number | null;
  /** Idle times: `minutes:count` for each bin with any, by the bin's beginning. */
  readonly idle: string;
  /** In how many weeks each hour of the week was used: `hour:weeks`. */
  readonly weekHours: string;
  /** Uses in each hour of the week: `hour:uses`. */
  readonly weekUses: string;
};

/** By bin, shortest first, those with anything in them. Three lists and not one of objects: see {@link idleTimesIn}. */
export interface IdleTimes {
  /** Where each bin begins, milliseconds; how long it is, {@link binWidthMs} says. */
  readonly fromMs: readonly number[];
  readonly counts: readonly number[];
  /** Of all shorter ones. */
  readonly before: readonly number[];
}

/** The same for who looks: the last hour counted in. Each histogram is taken apart when it is asked for. */
export interface Habit {
  readonly since: number;
  readonly uses: number;
  readonly lastAt: number;
  /** Their counts' sum is `uses` − 1. */
  readonly idle: IdleTimes;
  /** By hour of the week, 0 = Monday 00:00 UTC: the weeks in which it was used, and its uses. */
  readonly weekHours: ReadonlyMap<number, number>;
  readonly weekUses: ReadonlyMap<number, number>;
}

const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
export const HOURS_A_WEEK = 168;
/** 1970 began on a Thursday; a week here begins on Monday, 00:00 UTC. */
const MONDAY_MS = 4 * DAY_MS;

/** Up to here, milliseconds, in bins of this width. */
const SCALES = [
  { upToMs: 4 * HOUR_MS, widthMs: MINUTE_MS },
  { upToMs: DAY_MS, widthMs: 5 * MINUTE_MS },
  { upToMs: 14 * DAY_MS, widthMs: HOUR_MS },
] as const;

/** Idle times from `fromMs` on and below `untilMs`; the last bin has no end. */
export function binOf(idleMs: number): { readonly fromMs: number; readonly untilMs: number } {
  let startMs = 0;
  for (const { upToMs, widthMs } of SCALES) {
    if (idleMs < upToMs) {
      const fromMs = startMs + Math.floor((idleMs - startMs) / widthMs) * widthMs;
      return { fromMs, untilMs: fromMs + widthMs };
    }
    startMs = upToMs;
  }
  return { fromMs: startMs, untilMs: Number.POSITIVE_INFINITY };
}

export const hourOfWeek = (atMs: number): number =>
  Math.floor((atMs - MONDAY_MS + 52 * 7 * DAY_MS) / HOUR_MS) % HOURS_A_WEEK;

const hourOf = (atMs: number): number => Math.floor(atMs / HOUR_MS) * HOUR_MS;

/** @param recordedAt by the store's clock, epoch milliseconds */
export function startHabit(recordedAt: number, uses: UsesOfFact): HabitRow {
  const hour = hourOf(recordedAt);
  const { count } = uses;
  const firstAt = within(hour, uses.firstAt);
  const lastAt = within(hour, uses.lastAt);
  const counts = { uses: count, hourUses: count, beforeAt: null };
  return { since: firstAt, hour, firstAt, lastAt, ...counts, idle: '', weekHours: '', weekUses: '' };
}

/** Somebody may have written into the table: then the habit begins anew, and a rebuild brings back the rest. */
export function addUses(row: HabitRow, recordedAt: number, uses: UsesOfFact): HabitRow {
  if (!isSound(row)) return startHabit(recordedAt, uses);
  const hour = hourOf(recordedAt);
  const firstAt = within(hour, uses.firstAt);
  const lastAt = within(hour, uses.lastAt);
  const isSameHour = row.hour === hour;
  const closed = isSameHour ? row : packed(row);
  return {
    since: Math.min(row.since, firstAt),
    uses: row.uses + uses.count,
    hour,
    hourUses: isSameHour ? row.hourUses + uses.count : uses.count,
    firstAt: isSameHour ? Math.min(row.firstAt, firstAt) : firstAt,
    lastAt: isSameHour ? Math.max(row.lastAt, lastAt) : lastAt,
    beforeAt: isSameHour ? row.beforeAt : row.lastAt,
    idle: closed.idle,
    weekHours: closed.weekHours,
    weekUses: closed.weekUses,
  };
}

/** @returns undefined where the row holds what no fact makes */
export function habitOf(row: HabitRow): Habit | undefined {
  if (!isSound(row)) return undefined;
  const { since, uses, lastAt } = row;
  return {
    since,
    uses,
    lastAt,
    get idle() {
      return idleTimesIn(row);
    },
    get weekHours() {
      return weekHoursOf(row);
    },
    get weekUses() {
      return weekUsesOf(row);
    },
  };
}

// The histograms with the row's last hour in them.

function idleTimesOf(row: HabitRow): Map<number, number> {
  const idle = unpack(row.idle, MINUTE_MS);
  for (const [fromMs, count] of lastIdleTimes(row)) add(idle, fromMs, count);
  return idle;
}

/** By bin: the time before the last hour, and those within it. */
function lastIdleTimes({ hourUses, firstAt, lastAt, beforeAt }: HabitRow): (readonly [number, number])[] {
  const times: (readonly [number, number])[] = [];
  if (beforeAt !== null) times.push([binOf(Math.max(0, firstAt - beforeAt)).fromMs, 1]);
  if (hourUses > 1) times.push([binOf((lastAt - firstAt) / (hourUses - 1)).fromMs, hourUses - 1]);
  return times;
}

function weekHoursOf(row: HabitRow): Map<number, number> {
  const weekHours = unpack(row.weekHours, 1);
  add(weekHours, hourOfWeek(row.hour), 1);
  return weekHours;
}

function weekUsesOf(row: HabitRow): Map<number, number> {
  const weekUses = unpack(row.weekUses, 1);
  add(weekUses, hourOfWeek(row.hour), row.hourUses);
  return weekUses;
}

/**
 * Straight from the packed text, which is in order: a hundred thousand rows are read for one forecast, and by way of maps
 * and objects that took ten times as long. What is not as {@link pack} writes it goes that way all the same.
 */
function idleTimesIn(row: HabitRow): IdleTimes {
  const minutes: number[] = [];
  const counts: number[] = [];
  if (!scan(row.idle, minutes, counts)) {
    const sorted = [...idleTimesOf(row)].sort(([a], [b]) => a - b);
    return summed(
      sorted.map(([fromMs]) => fromMs),
      sorted.map(([, count]) => count),
    );
  }
  const fromMs = minutes.map(minute => minute * MINUTE_MS);
  for (const [binMs, count] of lastIdleTimes(row)) {
    let i = fromMs.length;
    while (i > 0 && (fromMs[i - 1] as number) >= binMs) i--;
    if (fromMs[i] === binMs) counts[i] = (counts[i] as number) + count;
    else {
      fromMs.splice(i, 0, binMs);
      counts.splice(i, 0, count);
    }
  }
  return summed(fromMs, counts);
}

function summed(fromMs: readonly number[], counts: readonly number[]): IdleTimes {
  let sum = 0;
  const before = counts.map(count => {
    sum += count;
    return sum - count;
  });
  return { fromMs, counts, before };
}

/** Of the bin that begins there; the last has no end. */
export function binWidthMs(fromMs: number): number {
  for (const { upToMs, widthMs } of SCALES) if (fromMs < upToMs) return widthMs;
  return Number.POSITIVE_INFINITY;
}

const COLON = 58;
const BLANK = 32;
const ZERO = 48;
const MOST_DIGITS = 15;

/** @returns whether the text is `key:count key:count …` with keys that rise and counts above 0 */
function scan(text: string, keys: number[], counts: number[]): boolean {
  let key = -1;
  let value = 0;
  let digits = 0;
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : BLANK;
    if (code >= ZERO && code <= ZERO + 9) {
      value = value * 10 + code - ZERO;
      if (++digits > MOST_DIGITS) return false;
      continue;
    }
    if (digits === 0) return text === '';
    if (code === COLON && key < 0) key = value;
    else if (code === BLANK && key >= 0 && value > 0 && key > (keys.at(-1) ?? -1)) {
      keys.push(key);
      counts.push(value);
      key = -1;
    } else return false;
    value = 0;
    digits = 0;
  }
  return true;
}

const add = (counts: Map<number, number>, key: number, n: number) =>
  counts.set(key, (counts.get(key) ?? 0) + n);

/**
 * A host's clock may be years off, and a fact may have waited: what it says is taken from a day before the hour it was
 * recorded in up to its end.
 */
const within = (hour: number, atMs: number): number =>
  Math.min(Math.max(atMs, hour - DAY_MS), hour + HOUR_MS);

const isSound = (row: HabitRow): boolean =>
  Number.isFinite(row.since + row.uses + row.hour + row.hourUses + row.firstAt + row.lastAt) &&
  row.hourUses >= 1 &&
  row.lastAt >= row.firstAt &&
  (row.beforeAt === null || Number.isFinite(row.beforeAt));

const pack = (counts: ReadonlyMap<number, number>, unit: number): string => {
  const parts: string[] = [];
  for (const key of [...counts.keys()].sort((a, b) => a - b)) parts.push(`${key / unit}:${counts.get(key)}`);
  return parts.join(' ');
};

const packed = (row: HabitRow) => ({
  idle: pack(idleTimesOf(row), MINUTE_MS),
  weekHours: pack(weekHoursOf(row), 1),
  weekUses: pack(weekUsesOf(row), 1),
});

/** What is no count is left out. */
function unpack(text: string, unit: number): Map<number, number> {
  const counts = new Map<number, number>();
  if (text === '') return counts;
  for (const part of text.split(' ')) {
    const colon = part.indexOf(':');
    const key = Number(part.slice(0, colon));
    const count = Number(part.slice(colon + 1));
    if (colon > 0 && Number.isSafeInteger(key) && key >= 0 && Number.isSafeInteger(count) && count > 0)
      counts.set(key * unit, count);
  }
  return counts;
}
