/** What a week's habit lets expect of the next one. */
import type { PlotSpec } from './spec.js';

const HOUR_MS = 3_600_000;
const HOURS_OF_WEEK = 168;
/** 1970-01-01 was a Thursday; a week of habit begins on Monday, 00:00 UTC. */
const MONDAY_HOUR = 72;

/**
 * The next seven days, hour by hour, as that hour of the week was so far.
 * @param weekUses of each of the 168 hours from Monday 00:00 UTC
 */
export function expectedPlot(name: string, weekUses: readonly number[], nowMs: number): PlotSpec {
  const first = Math.floor(nowMs / HOUR_MS);
  const hours = Array.from({ length: HOURS_OF_WEEK }, (_, i) => first + i);
  const uses = hours.map(hour => weekUses[(hour + MONDAY_HOUR) % HOURS_OF_WEEK] ?? 0);
  const total = uses.reduce((sum, n) => sum + n, 0);
  return {
    title: `Uses to expect of ${name}`,
    summary: `The next seven days by the hour, as those hours of the week were so far: ${Math.round(total)} in all.`,
    xLabel: 'UTC',
    yLabel: 'uses an hour',
    xKind: 'time',
    yKind: 'linear',
    xs: hours.map(hour => (hour + 0.5) * HOUR_MS),
    series: [{ label: 'uses', kind: 'bars', colour: 'tier-1', values: uses }],
    yIncludes: [0],
  };
}

/** What is known of one clock, or of several of an exchange together. */
export interface PastUses {
  /** As above. */
  readonly weekUses: readonly number[];
  /** The first use known, epoch milliseconds. */
  readonly sinceMs: number;
}

/**
 * The last seven days, hour by hour: what came, and what the weeks before them let expect. A habit holds these days too, so
 * they are taken out of its mean: else it would be praised for what it has been told.
 * @param came uses by the start of their hour, epoch milliseconds; the hour under way does not count
 * @returns `undefined` where none came and none was to be expected
 */
export function pastPlot(
  name: string,
  clocks: readonly PastUses[],
  came: ReadonlyMap<number, number>,
  nowMs: number,
): PlotSpec | undefined {
  const end = Math.floor(nowMs / HOUR_MS);
  const hours = Array.from({ length: HOURS_OF_WEEK }, (_, i) => end - HOURS_OF_WEEK + i);
  const values = hours.map(hour => came.get(hour * HOUR_MS) ?? 0);
  const weeksOf = ({ sinceMs }: PastUses) =>
    Math.max(1, Math.ceil((nowMs - sinceMs) / (HOURS_OF_WEEK * HOUR_MS)));
  const weeks = Math.max(...clocks.map(weeksOf));
  const since = Math.min(...clocks.map(({ sinceMs }) => sinceMs));
  const expected =
    // Of a week that was seen in part only, the rest would be taken for none.
    nowMs - since < 2 * HOURS_OF_WEEK * HOUR_MS
      ? undefined
      : hours.map((hour, i) => {
          const slot = (hour + MONDAY_HOUR) % HOURS_OF_WEEK;
          const all = clocks.reduce((sum, clock) => sum + (clock.weekUses[slot] ?? 0) * weeksOf(clock), 0);
          return Math.max(0, all - (values[i] as number)) / (weeks - 1);
        });
  if (!expected && values.every(uses => uses === 0)) return undefined;
  const total = (counts: readonly number[]) => Math.round(counts.reduce((sum, n) => sum + n, 0));
  const forecast = expected
    ? `${total(expected)} were to be expected by the weeks before`
    : 'there are no weeks before them to expect anything by';
  return {
    title: `Uses of ${name} that came${expected ? ', and what was to be expected' : ''}`,
    summary: `The last seven days by the hour: ${total(values)} came; ${forecast}.`,
    xLabel: 'UTC',
    yLabel: 'uses an hour',
    xKind: 'time',
    yKind: 'linear',
    xs: hours.map(hour => (hour + 0.5) * HOUR_MS),
    series: [
      { label: 'came', kind: 'bars', colour: 'tier-1', values },
      ...(expected
        ? [{ label: 'expected', kind: 'line', colour: 'miss', values: expected, isDashed: true } as const]
        : []),
    ],
    yIncludes: [0],
  };
}
