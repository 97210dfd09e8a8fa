/**
 * Where to place a request's timestamp in the window that the exchange accepts.
 *
 * Bybit takes `serverTime − recvWindow ≤ timestamp < serverTime + 1000`: five seconds of room behind and
 * one ahead. A timestamp aimed at the exchange's present is therefore refused as soon as the estimate is a
 * second fast, which one cold connection is enough for (DNS, TCP and TLS all come before the server's
 * stamp). Aimed at the middle of the window it has the same room on both sides. With recvWindow W, early
 * limit E and a worst sign-to-arrival latency d: bias b = (E − W + d) / 2, tolerance ±(E + W − d) / 2.
 * For W = 5000, E = 1000, d = 2000: b = −1000 ms, tolerance ±2000 ms.
 *
 * BingX documents no early limit; 1000 ms is assumed, which is right for any laxer one too.
 *
 * d is 2000 ms until something is known of the way to the exchange. Once round trips have been observed, four times
 * the longest stands for the worst to come, and what is not reserved for latency becomes tolerance: with 200 ms
 * round trips and W = 5000 it is ±2600 ms. What the cache promises (TTL, stale states) always goes by the cautious one.
 */

export const EARLY_LIMIT_MS = 1000;
export const DEFAULT_RECV_WINDOW_MS = 5000;
export const WORST_LATENCY_MS = 2000;
const LEAST_LATENCY_MS = 500;
const SPIKE_FACTOR = 4;

export interface RequestWindow {
  readonly recvWindowMs: number;
  /** Added to the exchange's estimated time before it is signed. */
  readonly biasMs: number;
  /** The largest error of the estimate at which the request is still accepted. */
  readonly toleranceMs: number;
}

/**
 * @param recvWindowMs the window sent with each request, 1–60 000 ms
 * @param latencyMs the worst time from signing to arrival to reckon with; see {@link latencyFrom}
 */
export function requestWindow(
  recvWindowMs: number = DEFAULT_RECV_WINDOW_MS,
  latencyMs: number = WORST_LATENCY_MS,
): RequestWindow {
  // A window shorter than the worst latency has no room to give away: halve what there is.
  const reservedMs = Math.min(latencyMs, recvWindowMs / 2);
  return {
    recvWindowMs,
    biasMs: (EARLY_LIMIT_MS - recvWindowMs + reservedMs) / 2,
    toleranceMs: (EARLY_LIMIT_MS + recvWindowMs - reservedMs) / 2,
  };
}

/** @param longestRoundTripMs of those observed; `undefined` before the first */
export function latencyFrom(longestRoundTripMs: number | undefined): number {
  if (longestRoundTripMs === undefined) return WORST_LATENCY_MS;
  return Math.min(Math.max(SPIKE_FACTOR * longestRoundTripMs, LEAST_LATENCY_MS), WORST_LATENCY_MS);
}
