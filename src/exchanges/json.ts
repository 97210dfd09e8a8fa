/**
 * JSON with its digits kept.
 *
 * Exchanges send 19-digit ids as bare numbers, and a double holds 15 to 17 digits: `JSON.parse` would answer
 * with a neighbouring id and no error. An integer that a double cannot hold comes back as its digits, in a
 * string, which is also what the SDKs' types promise for such fields. Everything else is as `JSON.parse`
 * gives it, and `JSON.parse` does it: the slower parser is used only for a text with that many digits in a row.
 */
import { parse } from 'lossless-json';

const MAY_HOLD_A_BIG_INTEGER = /\d{16}/;
const IS_INTEGER = /^-?\d+$/;

/** @throws SyntaxError when `text` is not JSON */
export function parseJson(text: string): unknown {
  return MAY_HOLD_A_BIG_INTEGER.test(text) ? parse(text, undefined, keepDigits) : JSON.parse(text);
}

function keepDigits(digits: string): number | string {
  const value = Number(digits);
  return IS_INTEGER.test(digits) && !Number.isSafeInteger(value) ? digits : value;
}

/** The JSON object that `text` holds, or undefined when it holds anything else or is not JSON. */
export function parseJsonObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return asObject(parseJson(text));
  } catch {
    // Whoever asked says what was wrong with the answer; the parser's message would quote a piece of it.
    return undefined;
  }
}

export function asObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}
