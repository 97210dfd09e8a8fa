/**
 * When a request may be sent again, where the exchange says so.
 *
 * It is said in three ways: by the header `Retry-After` (seconds, or an HTTP date), and where a limit was met, by a header
 * with the moment at which it is reset or the time to go (Bybit's `X-Bapi-Limit-Reset-Timestamp`, KuCoin's
 * `gw-ratelimit-reset`), or in words (BingX's "will be unblocked after 1760000000000"): see each profile. A moment is made a
 * duration against the exchange's clock in the same answer, or its `Date`; this host's clock may be minutes off.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { ExchangeProfile } from './exchange-profile.js';
import { MEANINGS, type RefusalReason } from './refusal-reason.js';

/** Longer than any ban that is known of; what says more is no time. */
const MAX_MS = 7 * 86_400_000;
/** A moment before it is in another unit, or none: it would say "at once" to who has just been told to wait. */
const EARLIEST_MOMENT_MS = Date.UTC(2000);
/** `Date.parse` takes "-1" for a day in 2001, and "1.5" too. */
const HTTP_DATE = /^[A-Z][a-z]{2,8}, /;

/**
 * @param serverTimeMs the exchange's clock in the answer; undefined or NaN where it tells none
 * @returns milliseconds from the answer on, ≥ 0; undefined where nothing is said
 */
export function retryAfterMs(
  { retryAfter = {} }: ExchangeProfile,
  reason: RefusalReason,
  headers: IncomingHttpHeaders,
  message: string,
  serverTimeMs: number | undefined,
): number | undefined {
  const saidAtMs = finite(serverTimeMs) ?? finite(Date.parse(headers.date ?? ''));
  const until = (moment: number | undefined) =>
    moment === undefined || moment < EARLIEST_MOMENT_MS || saidAtMs === undefined
      ? undefined
      : Math.max(0, moment - saidAtMs);
  const { momentHeader, durationHeader, says } = retryAfter;
  const isLimit = MEANINGS[reason].authClass === 'rate-limit';
  const told = (name: string | undefined) =>
    name === undefined || !isLimit ? undefined : finite(Number(headers[name] ?? Number.NaN));
  const retry = headers['retry-after']?.trim();
  const candidates = [
    retry !== undefined && /^\d+$/.test(retry)
      ? Number(retry) * 1000
      : until(HTTP_DATE.test(retry ?? '') ? finite(Date.parse(retry ?? '')) : undefined),
    until(told(momentHeader)),
    told(durationHeader),
    says && until(finite(Number(says.exec(message)?.[1] ?? Number.NaN))),
  ];
  const known = candidates.filter(ms => ms !== undefined && ms >= 0 && ms <= MAX_MS);
  return known.length === 0 ? undefined : Math.max(...(known as number[]));
}

const finite = (value: number | undefined): number | undefined =>
  value !== undefined && Number.isFinite(value) ? value : undefined;
