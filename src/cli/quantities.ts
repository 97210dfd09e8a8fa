/** Times, spans and offsets as people read them. */

export const iso = (epochMs: number): string => new Date(epochMs).toISOString();

/** `1.2 s`, `34 ms`. */
export function duration(ms: number): string {
  return ms >= 1_000 ? `${(ms / 1_000).toFixed(ms >= 10_000 ? 1 : 2)} s` : `${Math.round(ms)} ms`;
}

/** `145.8 ± 7.3 ms` */
export const plusMinus = (offsetMs: number, uncertaintyMs: number): string =>
  `${offsetMs.toFixed(1)} ± ${uncertaintyMs.toFixed(1)} ms`;

/** `2.0 ± 0.5 ms ahead of`, or behind: what is said of it follows. */
export const aheadOf = (offsetMs: number, uncertaintyMs: number): string =>
  `${plusMinus(Math.abs(offsetMs), uncertaintyMs)} ${offsetMs < 0 ? 'behind' : 'ahead of'}`;

/** `1 sample`, `2 samples` */
export const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

const UNITS: readonly [name: string, ms: number][] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
];

/** `1 d 2 h`, `14 min 3 s`: the two largest units. */
export function span(durationMs: number): string {
  let rest = Math.round(durationMs / 1_000) * 1_000;
  const parts: string[] = [];
  for (const [name, unit] of UNITS) {
    const count = Math.floor(rest / unit);
    rest -= count * unit;
    if (count > 0) parts.push(`${count} ${name}`);
  }
  return parts.slice(0, 2).join(' ') || '0 s';
}
