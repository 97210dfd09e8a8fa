/**
 * What BingX's refusals mean. Its codes are overloaded: 100421 is a timestamp mismatch, a restricted pair or
 * "business reasons", 80014 and 109400 are any invalid parameter. For those the message decides.
 *
 * 100001 (signature mismatch) is never a clock error; see bybit/error-classes.ts for why.
 */
import type { ErrorClasses } from '../failures.js';

const TIMESTAMP: ErrorClasses = { authClass: 'timestamp', syncClass: 'refused' };
const CREDENTIALS: ErrorClasses = { authClass: 'credentials', syncClass: 'refused' };
const PERMISSION: ErrorClasses = { authClass: 'permission', syncClass: 'refused' };
const RATE_LIMIT: ErrorClasses = { authClass: 'rate-limit', syncClass: 'rate-limit' };
const MAINTENANCE: ErrorClasses = { authClass: 'unknown', syncClass: 'maintenance' };
const UNKNOWN: ErrorClasses = { authClass: 'unknown', syncClass: 'refused' };

const CLASSES_BY_CODE: Readonly<Record<number, ErrorClasses>> = {
  80012: MAINTENANCE, // service unavailable
  100001: CREDENTIALS, // signature
  100410: RATE_LIMIT,
  100412: CREDENTIALS, // no signature
  100413: CREDENTIALS, // wrong API key
  100419: PERMISSION, // address not on the whitelist
  100500: MAINTENANCE, // busy
};

const MAY_BE_THE_TIMESTAMP: ReadonlySet<number> = new Set([80014, 100421, 109400]);

/**
 * @param code `code`, undefined when the body carried none
 * @param message `msg`, or the body's text when it is not JSON
 * @param status the HTTP status
 */
export function classifyBingx(code: number | undefined, message: string, status: number): ErrorClasses {
  if (code !== undefined && MAY_BE_THE_TIMESTAMP.has(code)) {
    if (/timestamp/i.test(message)) return TIMESTAMP;
    return /restricted/i.test(message) ? PERMISSION : UNKNOWN;
  }
  if (code !== undefined && code !== 0) return CLASSES_BY_CODE[code] ?? classifyStatus(status);
  return classifyStatus(status);
}

function classifyStatus(status: number): ErrorClasses {
  if (status === 401) return CREDENTIALS;
  if (status === 403) return PERMISSION;
  // 418 is the ban that follows too many 429.
  if (status === 429 || status === 418) return RATE_LIMIT;
  return status >= 500 ? MAINTENANCE : UNKNOWN;
}
