/**
 * The times of `warm --at`: a cron expression in a time zone, or one moment. What cannot be is named before anything is
 * opened; so is that a zone changes its clocks, for exchanges do not.
 */
import { loadOptional } from '../base/optional-package.js';
import { WrongSettingError } from './exit-codes.js';
import { iso } from './quantities.js';

export interface Schedule {
  /** When it fires next, epoch milliseconds; undefined: never again. */
  next(afterMs: number): number | undefined;
  /** Where the zone changes its clocks within the year: when, and what becomes of the times. */
  readonly warning: string | undefined;
}

const DAY_MS = 86_400_000;

/** @throws WrongSettingError for what is no schedule, lies in the past or never fires */
export async function scheduleOf(expression: string, timezone: string, nowMs: number): Promise<Schedule> {
  const { Cron } = await loadOptional('connector-state warm --at', () => import('croner'));
  let cron: InstanceType<typeof Cron>;
  const next = (afterMs: number) => cron.nextRun(new Date(afterMs))?.getTime();
  let first: number | undefined;
  try {
    cron = new Cron(expression, { timezone, paused: true });
    first = next(nowMs);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new WrongSettingError(`--at "${expression}" in ${timezone} is no schedule: ${problem}`);
  }
  const once = cron.getOnce();
  if (once) {
    if (once.getTime() > nowMs) return { next, warning: undefined };
    throw new WrongSettingError(
      `--at "${expression}" in ${timezone} lies in the past: it was ${iso(once.getTime())}`,
    );
  }
  if (first === undefined) throw new WrongSettingError(`--at "${expression}" never fires again`);
  return { next, warning: changeIn(timezone, nowMs) };
}

function changeIn(timezone: string, nowMs: number): string | undefined {
  const now = offsetIn(timezone, nowMs);
  for (let day = 1; day <= 366; day++) {
    const atMs = nowMs + day * DAY_MS;
    const then = offsetIn(timezone, atMs);
    if (then === now) continue;
    return `${timezone} changes its clocks by ${Math.abs(then - now)} min before ${iso(atMs).slice(0, 10)}: from then on --at fires ${Math.abs(then - now)} min ${then > now ? 'earlier' : 'later'} by UTC, which exchanges go by; a time that the change skips fires right after it, one that it repeats fires once`;
  }
  return undefined;
}

/** Minutes ahead of UTC. */
function offsetIn(timeZone: string, atMs: number): number {
  const parts = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' }).formatToParts(
    atMs,
  );
  const name = parts.find(({ type }) => type === 'timeZoneName')?.value ?? 'GMT';
  const [, sign, hours, minutes] = /GMT([+-])(\d\d):(\d\d)/.exec(name) ?? [];
  return (sign === '-' ? -1 : 1) * (Number(hours ?? 0) * 60 + Number(minutes ?? 0));
}
