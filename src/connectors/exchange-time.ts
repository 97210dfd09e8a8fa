/**
 * The exchange's time as an interval, as AWS ClockBound and Meta's fbclock tell theirs: no number pretends to be exact,
 * and the status says whether it is being looked after.
 */
import { ClockUncertainError } from '../base/errors.js';
import type { OffsetInUse } from './offset-in-use.js';
import type { ProcessClock } from './process-clock.js';

/**
 * - `synchronized`: measured, and measured again in time.
 * - `holdover`: what was known goes on. It has come to its end, is contradicted by somebody, this host was suspended
 *   or its clock set, or the last attempt to measure failed. The interval has grown accordingly.
 * - `unknown`: the interval is wider than what the exchange's window forgives. Nothing should be signed by it.
 */
export type ClockStatus = 'synchronized' | 'holdover' | 'unknown';

/** The exchange's time now. */
export interface ExchangeTime {
  /** Epoch milliseconds with a fraction; the exchange's clock shows at least this. */
  readonly earliestMs: number;
  /** The exchange's clock shows at most this. */
  readonly latestMs: number;
  readonly status: ClockStatus;
  /**
   * From 1. It grows when what is learned excludes what was known: the exchange's clock stepped, or this host's did
   * unnoticed. Times of two epochs do not compare. Counted by this process, for one exchange, environment and scope.
   */
  readonly epoch: number;
}

export interface ExchangeTimeParts {
  readonly hostNowMs: number;
  readonly offset: OffsetInUse;
  readonly process: ProcessClock;
  /** The last attempt to measure. */
  readonly hasFailed: boolean;
  readonly isSound: boolean;
}

/** @throws ConnectorStateError `CLOSED` before the first state is known */
export function exchangeTimeOf(parts: ExchangeTimeParts): ExchangeTime {
  const { hostNowMs, offset, process } = parts;
  const { offsetMs, uncertaintyMs } = offset.applied;
  const middleMs = hostNowMs + offsetMs;
  return {
    earliestMs: middleMs - uncertaintyMs,
    latestMs: middleMs + uncertaintyMs,
    status: statusOf(parts, uncertaintyMs),
    epoch: process.epoch,
  };
}

function statusOf({ offset, hasFailed, isSound }: ExchangeTimeParts, boundMs: number): ClockStatus {
  if (boundMs > offset.toleranceMs) return 'unknown';
  const hasEnded = offset.state.expiresAtMs <= offset.referenceNowMs;
  return hasEnded || !isSound || offset.isParted || hasFailed ? 'holdover' : 'synchronized';
}

export function uncertainError(boundMs: number, toleranceMs: number): ClockUncertainError {
  const bound = Math.ceil(boundMs);
  return new ClockUncertainError(
    `the exchange's time is known to ±${bound} ms only, and requests are refused from ±${Math.floor(toleranceMs)} ms: use await connector.timestampSafe(), which measures first; if that fails too, neither the database nor the exchange's time endpoint could be reached`,
    { boundMs, toleranceMs },
  );
}
