/**
 * The exchange's clock, read from where its profile says that it stands. What stands there but is no moment is kept odd
 * (see server-stamp.ts), so that it can be named and counted; nothing there is `undefined`.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { StampFormat, StampPlace } from './exchange-profile.js';
import { stampFromNanoseconds, stampOf } from './server-stamp.js';

export interface ToldStamp {
  /** Epoch milliseconds, maybe with a fraction; NaN for what is no moment. */
  readonly ms: number;
  readonly resolutionMs: number;
}

/** Of one unit of a stamp. */
export const RESOLUTION_MS: Readonly<Record<StampFormat, number>> = {
  ms: 1,
  'ms-digits': 1,
  'us-digits': 0.001,
  'ns-digits': 0.001,
  seconds: 1000,
  iso: 1,
};

/** What a stamp holds of a moment: whole units. */
export const wholeUnits = (ms: number, unitMs: number): number => ms - (ms % unitMs);

/** @param body parsed */
export function readStamp(
  place: StampPlace | undefined,
  body: unknown,
  headers: IncomingHttpHeaders,
): ToldStamp | undefined {
  if (!place) return undefined;
  const told = 'header' in place.at ? headers[place.at.header] : at(body, place.at);
  if (told === undefined) return undefined;
  return { ms: momentOf(place.format, told), resolutionMs: RESOLUTION_MS[place.format] };
}

function at(body: unknown, path: readonly (string | number)[]): unknown {
  let value = body;
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}

function momentOf(format: StampFormat, told: unknown): number {
  switch (format) {
    case 'ms':
      return stampOf(told);
    case 'ms-digits':
      return digits(told, 13, 1);
    case 'us-digits':
      return digits(told, 16, 1e3);
    case 'ns-digits':
      return stampFromNanoseconds(told) ?? Number.NaN;
    case 'seconds':
      return typeof told === 'number' && Number.isInteger(told) ? told * 1000 : digits(told, 10, 1e-3);
    case 'iso':
      return typeof told === 'string' && ISO.test(told)
        ? Date.parse(told.endsWith('Z') ? told : `${told}Z`)
        : Number.NaN;
  }
}

/** UTC, whether it says so or not. */
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z?$/;

const digits = (told: unknown, length: number, perMs: number): number =>
  typeof told === 'string' && /^\d+$/.test(told) && told.length === length
    ? Number(told) / perMs
    : Number.NaN;
