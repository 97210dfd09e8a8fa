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
 */

export const EARLY_LIMIT_MS = 1000;
export const DEFAULT_RECV_WINDOW_MS = 5000;
export const WORST_LATENCY_MS = 2000;

export interface RequestWindow {
  readonly recvWindowMs: number;
  /** Added to the exchange's estimated time before it is signed. */
  readonly biasMs: number;
  /** The largest error of the estimate at which the request is still accepted. */
  readonly toleranceMs: number;
}

/** @param recvWindowMs the window sent with each request, 1–60 000 ms */
export function requestWindow(recvWindowMs: number = DEFAULT_RECV_WINDOW_MS): RequestWindow {
  // A window shorter than the worst latency has no room to give away: halve what there is.
  const latencyMs = Math.min(WORST_LATENCY_MS, recvWindowMs / 2);
  return {
    recvWindowMs,
    biasMs: (EARLY_LIMIT_MS - recvWindowMs + latencyMs) / 2,
    toleranceMs: (EARLY_LIMIT_MS + recvWindowMs - latencyMs) / 2,
  };
}
