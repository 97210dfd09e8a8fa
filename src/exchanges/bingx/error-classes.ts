/**
 * What BingX's refusals mean. Its codes are overloaded: 100421 is a timestamp mismatch, a restricted pair or
 * "business reasons", 80014 and 109400 are any invalid parameter. For those the message decides.
 *
 * 100001 (signature mismatch) is never a clock error; see bybit/error-classes.ts for why.
 *
 * Source: BingX, "Common Error Codes" of its API documentation; 100410, 100421 and 109429 as users report them.
 */
import { type RefusalReason, reasonOfStatus } from '../refusal-reason.js';

const REASON_BY_CODE: Readonly<Record<number, RefusalReason>> = {
  80012: 'maintenance', // service unavailable
  100001: 'signature',
  100004: 'permission',
  100410: 'rate-limit',
  100412: 'signature', // none was sent
  100413: 'key-unknown',
  100414: 'account-suspended',
  100419: 'ip-whitelist',
  100500: 'maintenance', // busy
  100503: 'maintenance', // busy
  109429: 'rate-limit',
};

const MAY_BE_THE_TIMESTAMP: ReadonlySet<number> = new Set([80014, 100421, 109400]);

/**
 * @param code `code`, undefined when the body carried none
 * @param message `msg`, or the body's text when it is not JSON
 * @param status the HTTP status
 */
export function classifyBingx(code: number | undefined, message: string, status: number): RefusalReason {
  if (code !== undefined && MAY_BE_THE_TIMESTAMP.has(code)) {
    if (/timestamp/i.test(message)) return 'timestamp';
    return /restricted/i.test(message) ? 'permission' : 'unknown';
  }
  const byCode = code === undefined ? undefined : REASON_BY_CODE[code];
  return byCode ?? reasonOfStatus(status, message);
}
