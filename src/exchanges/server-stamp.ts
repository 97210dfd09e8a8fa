/**
 * Which values may be believed to be an exchange's clock.
 *
 * A stamp in the wrong unit or of the wrong type would become an offset of decades and be shared by every
 * connector of the exchange, so nothing is coerced: whole milliseconds as a number, within a century.
 */
import type { ClockSample } from '../clock/offset.js';

// The limits of events/catalogue.ts, which cannot be imported here: it loads zod, and this is the hot path.
export const EARLIEST_STAMP_MS = 946_684_800_000;
export const LATEST_STAMP_MS = 4_102_444_800_000;

export function isServerStamp(value: unknown): value is number {
  return Number.isInteger(value) && isWithinTheCentury(value as number);
}

/** The sample that a reply with this stamp is, or undefined for a stamp that cannot be believed. */
export function sampleOf(
  reply: { readonly sentAtMs: number; readonly receivedAtMs: number },
  stamp: unknown,
): ClockSample | undefined {
  if (!isServerStamp(stamp)) return undefined;
  return { sentAtMs: reply.sentAtMs, receivedAtMs: reply.receivedAtMs, serverTimeMs: stamp };
}

/** Whole epoch milliseconds sent as a string of digits; undefined for anything else. */
export function stampFromDigits(value: unknown): number | undefined {
  if (typeof value !== 'string' || !/^\d{13}$/.test(value)) return undefined;
  return isWithinTheCentury(Number(value)) ? Number(value) : undefined;
}

/** Epoch nanoseconds as a string of digits, in milliseconds with a fraction; undefined for anything else. */
export function stampFromNanoseconds(value: unknown): number | undefined {
  if (typeof value !== 'string' || !/^\d{19}$/.test(value)) return undefined;
  const stampMs = Number(value.slice(0, 13)) + Number(value.slice(13)) / 1e6;
  return isWithinTheCentury(stampMs) ? stampMs : undefined;
}

const isWithinTheCentury = (ms: number) => ms >= EARLIEST_STAMP_MS && ms <= LATEST_STAMP_MS;
