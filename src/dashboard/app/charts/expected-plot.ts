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
