/**
 * Would the exchange have refused it? Judged from a measurement, which does not know the truth but bounds it.
 *
 * A timestamp is signed `biasMs` off the exchange's estimated present (request-window.ts), is wrong by the estimate's
 * error, and is judged when it arrives, some part of a round trip later. It is accepted when
 *
 *   −recvWindow ≤ bias + error − latency < early limit
 *
 * The error is known to ± the measurement's uncertainty, the latency to lie between nothing and the round trip that the
 * measurement took (which, as the first request of the connection, is also what the signed one would have taken). So
 * the middle is an interval. All of it inside: `no`. All of it beyond one side: `certain`. Else `possible`.
 */
import type { RequestWindow } from '../clock/request-window.js';
import type { Refusal } from '../events/catalogue.js';

export interface MeasuredError {
  /** Estimated minus measured offset. */
  readonly errorMs: number;
  /** The measurement's own, ≥ 0. */
  readonly uncertaintyMs: number;
  /** The measurement's own, ≥ 0. */
  readonly roundTripMs: number;
}

export function wouldBeRefused(
  { errorMs, uncertaintyMs, roundTripMs }: MeasuredError,
  { recvWindowMs, earlyLimitMs, biasMs }: Pick<RequestWindow, 'recvWindowMs' | 'earlyLimitMs' | 'biasMs'>,
): Refusal {
  const earliest = biasMs + errorMs - uncertaintyMs - roundTripMs;
  const latest = biasMs + errorMs + uncertaintyMs;
  if (earliest >= -recvWindowMs && latest < earlyLimitMs) return 'no';
  return latest < -recvWindowMs || earliest >= earlyLimitMs ? 'certain' : 'possible';
}
