/** Where an axis has its numbers: all of the exported picture's, and the times on the screen. */

const MINUTE = 60_000;
const DAY = 86_400_000;
const TIME_STEPS = [
  1_000,
  5_000,
  15_000,
  30_000,
  MINUTE,
  5 * MINUTE,
  15 * MINUTE,
  30 * MINUTE,
  60 * MINUTE,
  180 * MINUTE,
  360 * MINUTE,
  720 * MINUTE,
  DAY,
  2 * DAY,
  7 * DAY,
  14 * DAY,
];
const MONTH_STEPS = [1, 2, 3, 6, 12];
const MOST_TICKS = 50;

/** At most `most` values within, at round distances. */
export function linearTicks(low: number, high: number, most: number): number[] {
  const raw = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5, 10].find(n => n * power >= raw) ?? 10) * power;
  return multiples(low, high, step);
}

export const timeTicks = (low: number, high: number, most: number): number[] =>
  timesApart(low, high, (high - low) / most);

/** Round times in UTC, at least so many milliseconds apart (months are taken for 30 days): first days of months, if far. */
export function timesApart(low: number, high: number, leastMs: number): number[] {
  const step = TIME_STEPS.find(each => each >= leastMs);
  if (step !== undefined) return multiples(low, high, step);
  const months = MONTH_STEPS.find(each => each * 30 * DAY >= leastMs) ?? 12;
  const date = new Date(low);
  const begun = date.getUTCFullYear() * 12 + date.getUTCMonth();
  const times: number[] = [];
  for (let month = Math.floor(begun / months) * months; times.length < MOST_TICKS; month += months) {
    const at = Date.UTC(Math.floor(month / 12), month % 12, 1);
    if (at > high) break;
    if (at >= low) times.push(at);
  }
  return times;
}

export function logTicks(low: number, high: number): number[] {
  const ticks: number[] = [];
  for (let n = Math.ceil(Math.log10(low) - 1e-9); n <= Math.log10(high) + 1e-9; n++) ticks.push(10 ** n);
  return ticks;
}

function multiples(low: number, high: number, step: number): number[] {
  const first = Math.ceil(low / step - 1e-9);
  const n = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: Math.max(0, Math.min(n, MOST_TICKS)) }, (_, i) => (first + i) * step);
}

/** As an axis has it: the hour, and the date where a day begins. */
export function axisTimeText(ms: number, stepMs: number): string {
  const iso = new Date(ms).toISOString();
  if (stepMs >= DAY) return iso.slice(stepMs >= 28 * DAY ? 0 : 5, 10);
  if (iso.slice(11, 19) === '00:00:00') return iso.slice(5, 10);
  return iso.slice(11, stepMs >= MINUTE ? 16 : 19);
}

export function numberText(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  const text = size >= 1e5 || size < 1e-3 ? value.toExponential(0) : String(Number(value.toPrecision(6)));
  return text.replace('-', '−');
}

/** uPlot scales whole pixels only: of 11.25px it would scale the 25, and on a phone's dense screen nothing could be read. */
export const axisFont = (rem: number): string => `${Math.round(0.75 * rem)}px system-ui, sans-serif`;
