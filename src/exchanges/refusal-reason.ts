/**
 * Why an exchange refuses, and what to do about it: one vocabulary for all of them. Which code means which reason is in
 * each exchange's profile (exchange-profile.ts).
 *
 * A reason is finer than the class that events keep (`authClass`): an operator must know whether to change the key, the
 * region or the speed. It is told in the error and its message; the stored classes stay as they were.
 */
import type { AuthFailureClass, SyncFailureClass } from '../events/catalogue.js';

export const REFUSAL_REASONS = [
  'timestamp',
  'key-unknown',
  'key-expired',
  'signature',
  'other-environment',
  'permission',
  'ip-whitelist',
  'region',
  'account-mode',
  'account-suspended',
  'rate-limit',
  'banned',
  'maintenance',
  'unknown',
] as const;
/** Stable. */
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

interface Meaning {
  readonly authClass: AuthFailureClass;
  readonly syncClass: SyncFailureClass;
  /** Ends the error's message. */
  readonly remedy: string;
}

const refused = (authClass: AuthFailureClass, remedy: string): Meaning => ({
  authClass,
  syncClass: 'refused',
  remedy,
});
const tooMany = (remedy: string): Meaning => ({ authClass: 'rate-limit', syncClass: 'rate-limit', remedy });

export const MEANINGS: Readonly<Record<RefusalReason, Meaning>> = {
  timestamp: refused('timestamp', "the timestamp was outside the exchange's window; measure its clock again"),
  'key-unknown': refused(
    'credentials',
    'check the API key of this credential, and that it belongs to this environment: mainnet, testnet and demo have keys of their own',
  ),
  'key-expired': refused(
    'credentials',
    'the API key has expired or was deleted: make a new one at the exchange',
  ),
  signature: refused(
    'credentials',
    'the signature does not fit: check the API secret, and whether the key is an HMAC or an RSA key',
  ),
  'other-environment': refused(
    'credentials',
    'this environment does not offer the call, or the key is of another one: check environment and baseUrl',
  ),
  permission: refused('permission', 'the API key lacks the permission: grant it at the exchange'),
  'ip-whitelist': refused(
    'permission',
    "this address is not on the API key's whitelist: add the address that requests leave by, or send them through a proxy that is on it",
  ),
  region: refused(
    'permission',
    'the exchange, or the edge in front of it, does not serve the place that the request came from: deploy in a region it serves',
  ),
  'account-mode': refused(
    'permission',
    'the account is of another mode (unified or classic) than the call needs: change it at the exchange',
  ),
  'account-suspended': refused('permission', 'the account is banned or suspended: ask the exchange'),
  'rate-limit': tooMany('send fewer requests and wait before the next'),
  banned: tooMany('this address is banned for too many requests: send none until it ends'),
  maintenance: {
    authClass: 'unknown',
    syncClass: 'maintenance',
    remedy: 'the exchange is down or busy; try again later',
  },
  unknown: refused('unknown', "see the exchange's list of error codes"),
};

/** What an edge (a CDN or firewall in front of the exchange) says of where a request came from. */
export const ABOUT_REGION =
  /countr|region|location|jurisdiction|territor|geo.?block|restricted area|not available in your/i;

/**
 * The reason behind an HTTP status alone.
 * @param body of the answer; the exchange's message where it is the exchange that speaks
 */
export function reasonOfStatus(status: number, body: string): RefusalReason {
  if (status === 401) return 'key-unknown';
  if (status === 451) return 'region';
  // A page is an edge's: the exchange answers in JSON. Why edges refuse is mostly where a request came from.
  if (status === 403) return ABOUT_REGION.test(body) || /^\s*</.test(body) ? 'region' : 'permission';
  if (status === 429) return 'rate-limit';
  // The ban that follows too many 429.
  if (status === 418) return 'banned';
  return status >= 500 ? 'maintenance' : 'unknown';
}
