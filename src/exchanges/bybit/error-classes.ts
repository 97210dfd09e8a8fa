/**
 * What Bybit's refusals mean: a table of its V5 codes, and the few rules a table cannot hold.
 *
 * 10002 is the timestamp. 10004 (bad signature) never is, although a wrong clock is often suspected: the
 * timestamp is part of what was signed, and a signature over a wrong one is still a right signature.
 *
 * Source: Bybit, "Error Codes" of API V5; -1 and -2015 as users report them.
 */
import { isAboutRegion, type RefusalReason, reasonOfStatus } from '../refusal-reason.js';

const REASON_BY_CODE: Readonly<Record<number, RefusalReason>> = {
  429: 'maintenance', // "high load"
  10000: 'maintenance', // server timeout
  10002: 'timestamp',
  10003: 'key-unknown', // also a key of another environment
  10004: 'signature',
  10005: 'permission',
  10006: 'rate-limit', // by user
  10007: 'signature', // user authentication failed
  10008: 'account-suspended', // user banned
  10009: 'banned', // address banned
  10010: 'ip-whitelist',
  10016: 'maintenance', // server error
  10018: 'rate-limit', // by address
  10024: 'region', // compliance rules
  10027: 'account-suspended', // trading banned
  10028: 'account-mode', // unified accounts only
  10032: 'other-environment', // not offered in demo trading
  33004: 'key-expired',
  [-2015]: 'key-expired',
};

/**
 * @param code `retCode`, undefined when the body carried none
 * @param message `retMsg`, or the body's text when it is not JSON
 * @param status the HTTP status
 */
export function classifyBybit(code: number | undefined, message: string, status: number): RefusalReason {
  if (code === -1) return /request expired|timestamp/i.test(message) ? 'timestamp' : 'unknown';
  const byCode = code === undefined ? undefined : REASON_BY_CODE[code];
  if (byCode) return byCode;
  // 403 is the limit of requests by address ("access too frequent", a ban of ten minutes) where the exchange speaks.
  if (status === 403 && /too frequent/i.test(message)) return 'banned';
  if (status === 403 && code !== undefined && !isAboutRegion(message)) return 'rate-limit';
  return reasonOfStatus(status, message);
}
