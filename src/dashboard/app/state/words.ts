/** Figures as people read them. Times are UTC everywhere, as in the command line, so that two people see the same. */

/** `2026-11-27 18:40:05` */
export const utc = (ms: number): string =>
  Number.isFinite(ms) ? new Date(ms).toISOString().replace('T', ' ').slice(0, 19) : '–';

/** `3 h 20 min`: the two largest units. */
export function span(ms: number): string {
  if (!Number.isFinite(ms)) return '–';
  const sign = ms < 0 ? '−' : '';
  const seconds = Math.abs(ms) / 1_000;
  if (seconds < 1) return `${sign}${Math.abs(ms).toFixed(0)} ms`;
  if (seconds < 10) return `${sign}${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const units: [string, number][] = [
    ['d', Math.floor(whole / 86_400)],
    ['h', Math.floor(whole / 3_600) % 24],
    ['min', Math.floor(whole / 60) % 60],
    ['s', whole % 60],
  ];
  const first = units.findIndex(([, n]) => n > 0);
  const shown = units.slice(first, first + 2).filter(([, n]) => n > 0);
  return sign + shown.map(([unit, n]) => `${n} ${unit}`).join(' ');
}

export const ago = (ms: number, nowMs: number): string =>
  ms > nowMs ? `in ${span(ms - nowMs)}` : `${span(nowMs - ms)} ago`;

/** Milliseconds, with as many digits as they deserve. */
export function millis(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  const digits = Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0;
  return `${minus(value.toFixed(digits))} ms`;
}

export const plusMinus = (value: number, bound: number): string =>
  `${minus(value.toFixed(1))} ± ${bound.toFixed(1)} ms`;

export const ppm = (rate: number, bound: number): string =>
  `${minus(rate.toFixed(2))} ± ${bound.toFixed(2)} ppm`;

export const count = (value: number): string => Math.round(value).toLocaleString('en').replaceAll(',', ' ');

/** 0…1 as per cent; never `100 %` for what is less. */
export function share(value: number): string {
  const percent = value * 100;
  if (percent > 99.995 && percent < 100) return '> 99.99 %';
  return `${percent.toFixed(percent > 99 ? 2 : 1)} %`;
}

const minus = (text: string) => text.replace('-', '−');
