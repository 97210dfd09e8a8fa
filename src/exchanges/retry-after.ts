/**
 * When a request may be sent again, where the exchange says so.
 *
 * It is said in three ways: by the header `Retry-After` (seconds, or an HTTP date), by a header with the moment at which
 * a limit is reset (Bybit's `X-Bapi-Limit-Reset-Timestamp`, epoch milliseconds by its own clock), and in words
 * (BingX's "will be unblocked after 1760000000000"). A moment is made a duration against the exchange's clock in the
 * same answer, or its `Date`; this host's clock may be minutes off.
 */
import type { IncomingHttpHeaders } from 'node:http';

/** Longer than any ban that is known of; what says more is no time. */
const MAX_MS = 7 * 86_400_000;
const RESET_HEADER = 'x-bapi-limit-reset-timestamp';
const IN_WORDS = /unblocked after (\d{13})\b/;

/**
 * @param serverTimeMs the exchange's clock in the answer; undefined where it tells none
 * @returns milliseconds from the answer on, ≥ 0; undefined where nothing is said
 */
export function retryAfterMs(
  headers: IncomingHttpHeaders,
  message: string,
  serverTimeMs: number | undefined,
): number | undefined {
  const saidAtMs = serverTimeMs ?? finite(Date.parse(headers.date ?? ''));
  const until = (moment: number | undefined) =>
    moment === undefined || saidAtMs === undefined ? undefined : Math.max(0, moment - saidAtMs);
  const retry = headers['retry-after']?.trim();
  const candidates = [
    retry !== undefined && /^\d+$/.test(retry)
      ? Number(retry) * 1000
      : until(finite(Date.parse(retry ?? ''))),
    until(finite(Number(headers[RESET_HEADER] ?? Number.NaN))),
    until(finite(Number(IN_WORDS.exec(message)?.[1] ?? Number.NaN))),
  ];
  const told = candidates.filter(ms => ms !== undefined && ms <= MAX_MS);
  return told.length === 0 ? undefined : Math.max(...(told as number[]));
}

const finite = (value: number): number | undefined => (Number.isFinite(value) ? value : undefined);
