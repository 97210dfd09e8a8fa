/**
 * What Bybit's refusals mean: a table of its V5 codes, and the few rules a table cannot hold.
 *
 * 10002 is the timestamp. 10004 (bad signature) never is, although a wrong clock is often suspected: the
 * timestamp is part of what was signed, and a signature over a wrong one is still a right signature.
 */
import type { ErrorClasses } from '../failures.js';

const TIMESTAMP: ErrorClasses = { authClass: 'timestamp', syncClass: 'refused' };
const CREDENTIALS: ErrorClasses = { authClass: 'credentials', syncClass: 'refused' };
const PERMISSION: ErrorClasses = { authClass: 'permission', syncClass: 'refused' };
const RATE_LIMIT: ErrorClasses = { authClass: 'rate-limit', syncClass: 'rate-limit' };
const MAINTENANCE: ErrorClasses = { authClass: 'unknown', syncClass: 'maintenance' };
const UNKNOWN: ErrorClasses = { authClass: 'unknown', syncClass: 'refused' };

const CLASSES_BY_CODE: Readonly<Record<number, ErrorClasses>> = {
  10000: MAINTENANCE, // server timeout
  10002: TIMESTAMP,
  10003: CREDENTIALS, // API key is invalid
  10004: CREDENTIALS, // signature
  10005: PERMISSION, // the key lacks the permission
  10006: RATE_LIMIT, // by user
  10007: CREDENTIALS, // user authentication failed
  10010: PERMISSION, // address not bound to the key
  10016: MAINTENANCE, // server error
  10018: RATE_LIMIT, // by address
  33004: CREDENTIALS, // API key has expired
};

/**
 * @param code `retCode`, undefined when the body carried none
 * @param message `retMsg`, or the body's text when it is not JSON
 * @param status the HTTP status
 */
export function classifyBybit(code: number | undefined, message: string, status: number): ErrorClasses {
  if (code === -1) return /request expired|timestamp/i.test(message) ? TIMESTAMP : UNKNOWN;
  if (code !== undefined && code !== 0) return CLASSES_BY_CODE[code] ?? classifyStatus(message, status);
  return classifyStatus(message, status);
}

function classifyStatus(message: string, status: number): ErrorClasses {
  if (status === 401) return CREDENTIALS;
  // 403 is the limit of requests by address, unless it says that the country is not served.
  if (status === 403) return /country|region|location|jurisdiction/i.test(message) ? PERMISSION : RATE_LIMIT;
  if (status === 429) return RATE_LIMIT;
  return status >= 500 ? MAINTENANCE : UNKNOWN;
}
