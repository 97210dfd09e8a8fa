/**
 * What each answer of an exchange proves about its clock. Nothing else may move an offset.
 *
 * θ is the exchange's clock minus this host's. A request is signed at s, sent at t₀ and answered at t₁ (this host's
 * clock); the exchange judged it at some moment t with t₀ ≤ t ≤ t₁, when its clock showed ⌊t + θ⌋, for exchanges judge
 * by whole milliseconds. With the signed timestamp T, the request's window W and the exchange's early limit E:
 *
 *   answer                          because                                     θ lies in
 *   a stamp S of the judging clock  S ≤ t + θ < S + 1                           [S − t₁, S + 1 − t₀)
 *   accepted                        ⌊t + θ⌋ − W ≤ T < ⌊t + θ⌋ + E for some t    (T − E − t₁, T + W + 1 − t₀)
 *   refused for the timestamp,      for some t either T < ⌊t + θ⌋ − W (late)    (T + W − t₁, ∞) for late,
 *     without a time                or T ≥ ⌊t + θ⌋ + E (early)                  (−∞, T − E + 1 − t₀) for early
 *   refused, with a time S          the stamp, and which of the two it was      [S − t₁, S + 1 − t₀)
 *   an HTTP `Date` header           another machine's clock                     anything: it proves nothing of θ
 *
 * Between t₀ and t₁ the clocks drift apart by at most {@link DRIFT_BOUND_PPM}; the bounds give that much away. Where
 * this host's own clocks parted on the way (a freeze, a set clock) t₀ and t₁ bound nothing, and the answer proves
 * nothing.
 *
 * **Late or wrong.** What is known of θ (the state) and what a refusal proves are two intervals. Where they exclude
 * each other the state is wrong. Where they overlap, the truth may lie in both, so nothing may be condemned: if the
 * timestamp would have been accepted had it arrived when it was signed, whatever θ is within both, then the request was
 * late, and it was late by t − s, where t = S − θ. A guess is known so little that some θ would have made it late and
 * others wrong: that is to be measured before it is called either. And a stamp that itself lies within the window of
 * the timestamp it refuses explains nothing.
 *
 * Sources: F. Cristian (1989) for the stamp; the others follow from the rule of the window alone.
 */
import { isContinuous } from './continuous.js';
import {
  DRIFT_BOUND_PPM,
  estimateFromSample,
  estimateOf,
  type Interval,
  intervalAt,
  type OffsetEstimate,
} from './offset.js';
import { SERVERS_APART_MS } from './sample-check.js';

/** A signed request that was answered: times by this host's clock, epoch milliseconds. */
export interface AnsweredRequest {
  /** By the exchange's clock, as it was signed: whole epoch milliseconds. */
  readonly timestampMs: number;
  /** The window it asked for. */
  readonly recvWindowMs: number;
  /** How far ahead of its clock the exchange takes a timestamp: it must be less. */
  readonly earlyLimitMs: number;
  readonly signedAtMs: number;
  readonly sentAtMs: number;
  readonly receivedAtMs: number;
  /** Between the last two by the wall clock; undefined without one. */
  readonly wallRoundTripMs?: number | undefined;
}

/** Whole milliseconds, read off a running clock. */
const WHOLE_MS = 1;

const driftOver = ({ signedAtMs, receivedAtMs }: AnsweredRequest): number =>
  ((receivedAtMs - signedAtMs) * DRIFT_BOUND_PPM) / 1e6;

/** Whether send and receive time bound anything. */
function isWhole({ signedAtMs, sentAtMs, receivedAtMs, wallRoundTripMs }: AnsweredRequest): boolean {
  const roundTripMs = receivedAtMs - sentAtMs;
  const isInOrder = signedAtMs <= sentAtMs && roundTripMs >= 0;
  return isInOrder && isContinuous(roundTripMs, wallRoundTripMs ?? roundTripMs);
}

/**
 * What an acceptance proves, at the time of the answer: at least as wide as the window, and true also where the exchange tells
 * no time.
 * @returns undefined where send and receive time bound nothing
 */
export function provenByAcceptance(request: AnsweredRequest): OffsetEstimate | undefined {
  if (!isWhole(request)) return undefined;
  const { timestampMs, recvWindowMs, earlyLimitMs, sentAtMs, receivedAtMs } = request;
  const slackMs = driftOver(request);
  const low = timestampMs - earlyLimitMs - receivedAtMs - slackMs;
  const high = timestampMs + recvWindowMs + WHOLE_MS - sentAtMs + slackMs;
  return estimateOf({ low, high }, receivedAtMs);
}

/** What a refusal without a time leaves: two rays. */
export interface Rays {
  /** θ below this: the timestamp was too far ahead. */
  readonly earlyBelowMs: number;
  /** θ above this: it was too old. */
  readonly lateAboveMs: number;
}

/** What a refusal for the timestamp proves that tells no time. */
export function provenByRefusal(request: AnsweredRequest): Rays {
  const { timestampMs, recvWindowMs, earlyLimitMs, sentAtMs, receivedAtMs } = request;
  const slackMs = driftOver(request);
  return {
    earlyBelowMs: timestampMs - earlyLimitMs + WHOLE_MS - sentAtMs + slackMs,
    lateAboveMs: timestampMs + recvWindowMs - receivedAtMs - slackMs,
  };
}

/** From signing to judgement, milliseconds. */
export interface Lateness {
  readonly atLeastMs: number;
  readonly atMostMs: number;
}

/** As in "4.6–4.7 s", or "4.6 s". */
export function inSeconds({ atLeastMs, atMostMs }: Lateness): string {
  const [low, high] = [(atLeastMs / 1000).toFixed(1), (atMostMs / 1000).toFixed(1)];
  return low === high ? `${low} s` : `${low}–${high} s`;
}

export type Verdict =
  /** The state is right, and the request was this late. */
  | ({ readonly cause: 'late' } & Lateness)
  /** The timestamp was, whenever it had arrived. `isExcluded`: and so is the state, the truth lies outside it. */
  | { readonly cause: 'wrong'; readonly isExcluded: boolean }
  /** By its own stamp the exchange should have accepted; nothing is known to be wrong. */
  | { readonly cause: 'unexplained' }
  /** Late or wrong: what is known is too wide to tell. */
  | { readonly cause: 'unclear' };

/**
 * What a refusal for the timestamp says of the state that the request was signed by.
 * @param known exchange minus this host: what is known of θ
 * @param stampMs the judging clock's, where the refusal told it
 */
export function judgeRefusal(
  known: OffsetEstimate,
  request: AnsweredRequest,
  stampMs: number | undefined,
): Verdict {
  if (!isWhole(request)) return { cause: 'unclear' };
  if (isExcluded(known, request, stampMs)) return { cause: 'wrong', isExcluded: true };
  const { low, high } = intervalAt(known, request.receivedAtMs);
  return stampMs === undefined
    ? judgeUntimed({ low, high }, request)
    : judgeTimed({ low, high }, request, stampMs);
}

/** Whether the refusal proves that the truth lies outside what is known. */
export function isExcluded(
  known: OffsetEstimate,
  request: AnsweredRequest,
  stampMs: number | undefined,
): boolean {
  if (!isWhole(request)) return false;
  const { low, high } = intervalAt(known, request.receivedAtMs);
  if (stampMs !== undefined) {
    const proven = provenByStamp(request, stampMs);
    return high < proven.low || low > proven.high;
  }
  const { earlyBelowMs, lateAboveMs } = provenByRefusal(request);
  return low >= earlyBelowMs && high <= lateAboveMs;
}

function judgeTimed(known: Interval, request: AnsweredRequest, stampMs: number): Verdict {
  const { signedAtMs, sentAtMs, receivedAtMs, timestampMs, recvWindowMs } = request;
  const proven = provenByStamp(request, stampMs);
  const low = Math.max(known.low, proven.low);
  const high = Math.min(known.high, proven.high);
  const wouldHave = acceptedAtOnce({ low, high }, request);
  if (wouldHave === 'never') return { cause: 'wrong', isExcluded: false };
  if (wouldHave === 'sometimes') return { cause: 'unclear' };
  // Several servers stand behind one name: the one that stamped may be a little behind the one that judged.
  if (stampMs - timestampMs <= recvWindowMs - SERVERS_APART_MS) return { cause: 'unexplained' };
  return {
    cause: 'late',
    atLeastMs: Math.max(stampMs - high - signedAtMs, sentAtMs - signedAtMs),
    atMostMs: Math.min(stampMs + WHOLE_MS - low - signedAtMs, receivedAtMs - signedAtMs),
  };
}

function judgeUntimed(known: Interval, request: AnsweredRequest): Verdict {
  const { signedAtMs, sentAtMs, receivedAtMs, timestampMs, recvWindowMs } = request;
  const { earlyBelowMs, lateAboveMs } = provenByRefusal(request);
  if (known.low < earlyBelowMs) return { cause: 'unclear' };
  const low = Math.max(known.low, lateAboveMs);
  if (acceptedAtOnce({ low, high: known.high }, request) !== 'always') return { cause: 'unclear' };
  return {
    cause: 'late',
    atLeastMs: Math.max(timestampMs + recvWindowMs - known.high - signedAtMs, sentAtMs - signedAtMs),
    atMostMs: receivedAtMs - signedAtMs,
  };
}

/** The interval a stamp of the judging clock proves, at the time of the answer. */
function provenByStamp({ sentAtMs, receivedAtMs }: AnsweredRequest, serverTimeMs: number): Interval {
  return intervalAt(estimateFromSample({ sentAtMs, receivedAtMs, serverTimeMs }), receivedAtMs);
}

/** Would the timestamp have been accepted at the moment it was signed, for these θ? */
function acceptedAtOnce(
  { low, high }: Interval,
  { signedAtMs, timestampMs, recvWindowMs, earlyLimitMs }: AnsweredRequest,
): 'always' | 'sometimes' | 'never' {
  // Judged by whole milliseconds, and the timestamp was rounded: a millisecond either way is nobody's fault.
  const isOld = (theta: number) => timestampMs + WHOLE_MS < signedAtMs + theta - recvWindowMs;
  const isEarly = (theta: number) => timestampMs - WHOLE_MS >= signedAtMs + theta + earlyLimitMs;
  if (isOld(low) || isEarly(high)) return 'never';
  return isOld(high) || isEarly(low) ? 'sometimes' : 'always';
}
