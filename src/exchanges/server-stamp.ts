/**
 * Which values may be an exchange's clock, and the samples they make.
 *
 * A stamp in the wrong unit or of the wrong type would become an offset of decades and be shared by every
 * connector of the exchange, so nothing is coerced: whole milliseconds as a number, within a century. What is
 * something else is NaN or keeps its odd value, so that clock/sample-check.ts can name and count it.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { ClockSample, SampleSource } from '../clock/offset.js';
import type { HttpReply } from './http-transport.js';

// The limits of events/catalogue.ts, which cannot be imported here: it loads zod, and this is the hot path.
export const EARLIEST_STAMP_MS = 946_684_800_000;
export const LATEST_STAMP_MS = 4_102_444_800_000;

/** Of a stamp in nanoseconds: doubles hold epoch milliseconds to a quarter of a microsecond. */
export const NANO_STAMP_RESOLUTION_MS = 0.001;
export const DATE_RESOLUTION_MS = 1000;

export function isServerStamp(value: unknown): value is number {
  return Number.isInteger(value) && isWithinTheCentury(value as number);
}

/** The number that was sent where the clock belongs; NaN for anything but a number, or a fraction of one. */
export function stampOf(value: unknown): number {
  // More digits than a double holds come as a string (see json.ts): nanoseconds, or nonsense.
  if (typeof value === 'string' && /^\d{17,19}$/.test(value)) return Number(value);
  if (typeof value !== 'number') return Number.NaN;
  // Seconds are sent with a fraction, and are to be recognised as seconds.
  return isWithinTheCentury(value) && !Number.isInteger(value) ? Number.NaN : value;
}

/** How a reply was timed. */
export type Timing = Pick<HttpReply, 'sentAtMs' | 'receivedAtMs' | 'wallRoundTripMs' | 'isCold'>;

/** The sample that a reply with this stamp is; whether it can be believed is not looked at. */
export function sampleOf(
  { sentAtMs, receivedAtMs, wallRoundTripMs, isCold }: Timing,
  serverTimeMs: number,
  source: SampleSource,
  resolutionMs = 1,
): ClockSample {
  return {
    sentAtMs,
    receivedAtMs,
    serverTimeMs,
    resolutionMs,
    source,
    ...(isCold && { isCold }),
    ...(wallRoundTripMs !== undefined && { wallRoundTripMs }),
  };
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

/**
 * The `Date` header, IMF-fixdate as RFC 9110 wants it sent: `Sun, 06 Nov 1994 08:49:37 GMT`. Its obsolete forms and
 * impossible dates are NaN.
 * @returns undefined when there is none
 */
export function stampFromDate({ date }: IncomingHttpHeaders): number | undefined {
  if (date === undefined) return undefined;
  if (date !== lastDate.text) lastDate = { text: date, stampMs: momentOfDate(date) };
  return lastDate.stampMs;
}

/** Of a second's answers all have the same. */
let lastDate = { text: '', stampMs: Number.NaN };

function momentOfDate(date: string): number {
  const stampMs = Date.parse(date);
  // Only that form is what it is written as again.
  return Number.isFinite(stampMs) && new Date(stampMs).toUTCString() === date ? stampMs : Number.NaN;
}

/** Whether a cache says that it kept the answer for a second or more: its stamps are as old. */
export const isFromCache = ({ age }: IncomingHttpHeaders): boolean => age !== undefined && !/^0+$/.test(age);

const isWithinTheCentury = (ms: number) => ms >= EARLIEST_STAMP_MS && ms <= LATEST_STAMP_MS;
