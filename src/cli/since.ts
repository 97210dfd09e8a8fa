/** `--since`: a span that ends now (`90m`, `24h`, `7d`, `2w`), or the moment it begins (ISO 8601). */
import { InvalidArgumentError } from 'commander';

export type Since = { readonly agoMs: number } | { readonly atMs: number };

const UNITS_MS = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;
/** PostgreSQL's intervals and JavaScript's dates both reach this far. */
const MAX_AGO_MS = 100 * 366 * UNITS_MS.d;

/** @throws InvalidArgumentError, which commander shows with the usage */
export function parseSince(value: string): Since {
  const [, amount, unit] = /^(\d{1,6})([mhdw])$/.exec(value) ?? [];
  if (amount !== undefined) {
    const agoMs = Number(amount) * UNITS_MS[unit as keyof typeof UNITS_MS];
    if (agoMs > 0 && agoMs <= MAX_AGO_MS) return { agoMs };
  }
  const atMs = /^\d{4}-\d{2}-\d{2}/.test(value) ? Date.parse(value) : Number.NaN;
  if (!Number.isNaN(atMs)) return { atMs };
  throw new InvalidArgumentError(
    'Give a span like 90m, 24h, 7d or 2w (up to 100 years), or a time like 2026-11-17T09:30:00Z.',
  );
}
