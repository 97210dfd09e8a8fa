/**
 * Where to place a request's timestamp in the window that the exchange accepts.
 *
 * An exchange takes `serverTime − W ≤ timestamp < serverTime + E`: W is the request's window (`recvWindow`), E the
 * exchange's early limit (Bybit: 5000 ms of room behind, 1000 ms ahead). The timestamp is signed at the exchange's
 * estimated present plus a bias b. The estimate errs by e with |e| ≤ u, and the request is judged d ≥ 0 after it was
 * signed, so the exchange sees it b + e − d ahead of its clock and takes it when
 *
 *   −W ≤ b + e − d < E
 *
 * Nothing but the estimate's error can make it too early, for d only makes it older. So it is *safe* when b + u < E, and
 * the worst lateness that is taken whatever the error is
 *
 *   L(b) = W + b − u
 *
 * which grows with b: the best safe placement is the one furthest ahead, b = E − u. A margin M is kept from it for what u
 * does not cover. As u grows this moves back, and from u = (W + E) / 2 − M on it has reached the window's centre
 * (E − W) / 2, where the room on both sides is the same; there it stays, for behind it a wider error would make more
 * requests too late than it saves from being early:
 *
 *   b(u) = max(E − u − M, (E − W) / 2)
 *
 * Both branches are the same at u = (W + E) / 2 − M, so b is continuous in u. At the centre it is safe until
 * u = (W + E) / 2, and what is known less well than that cannot be signed by safely at all: it is a guess. For W = 5000
 * and E = 1000: u = 10 gives b = 740 and takes a request 5.73 s late; u = 1000 gives b = −250 and 3.75 s; from 2750 on
 * b = −2000.
 *
 * **The margin.** {@link EARLY_MARGIN_MS} is the sum of what an estimate with a true bound may still be off by: the clocks of
 * several servers behind one name ({@link SERVERS_APART_MS}, 100 ms), and a step of the exchange's clock backwards that no sample
 * has shown yet, of which those below 150 ms are the ones that samples of some tens of milliseconds miss longest. A larger
 * step backwards costs one refusal, which is healed. It is all taken from the lateness, of which there is plenty.
 *
 * **What may be signed by.** {@link RequestWindow.toleranceMs} is the largest u that still takes a request of the worst usual
 * latency D (2000 ms; at most W / 2, for a shorter window has no more to give): W + E − 2u ≥ D, hence u ≤ (W + E − D) / 2. TTL (ttl.ts) and the use of
 * stale states (connectors/init-decision.ts) go by it.
 *
 * **Windows that are wide to both sides** (OKX: 30 s late or early) leave nothing to be gained by signing far in the future,
 * and such a timestamp is read by more than the check of its age: by deadlines, logins, logs. So a range may bound the
 * placement: b ≤ A, and L(A) ≥ D, hence u ≤ W + A − D. With A = 0 a request bears the exchange's present.
 */

import { SERVERS_APART_MS } from './sample-check.js';

/** Of an exchange that documents none: right for any laxer one too. */
export const EARLY_LIMIT_MS = 1000;
export const DEFAULT_RECV_WINDOW_MS = 5000;
export const WORST_LATENCY_MS = 2000;
const UNSEEN_STEP_MS = 150;
export const EARLY_MARGIN_MS = SERVERS_APART_MS + UNSEEN_STEP_MS;

/** Which timestamps an exchange takes. */
export interface AcceptedRange {
  /** Sent with each request, 1–60 000 ms: W. */
  readonly recvWindowMs: number;
  /** How far ahead a timestamp may be, milliseconds: E. */
  readonly earlyLimitMs: number;
  /** How far ahead it is placed on purpose, at most, milliseconds: A. Default E. */
  readonly aheadMs?: number | undefined;
}

export const DEFAULT_RANGE: AcceptedRange = {
  recvWindowMs: DEFAULT_RECV_WINDOW_MS,
  earlyLimitMs: EARLY_LIMIT_MS,
};

export interface RequestWindow extends AcceptedRange {
  /** Added to the exchange's estimated time before it is signed. */
  readonly biasMs: number;
  /** How late, after it was signed, a request may be judged and still be accepted, whatever the estimate's error within its bound. */
  readonly latenessMs: number;
  /** The largest uncertainty to sign by: a request of the worst usual latency is still accepted. */
  readonly toleranceMs: number;
}

/** @param uncertaintyMs the bound on the estimate's error, ≥ 0; `Infinity` (default) for a guess */
export function requestWindow(
  range: AcceptedRange = DEFAULT_RANGE,
  uncertaintyMs = Number.POSITIVE_INFINITY,
): RequestWindow {
  const { recvWindowMs, earlyLimitMs, aheadMs } = range;
  const biasMs = biasOf(range, uncertaintyMs);
  return {
    recvWindowMs,
    earlyLimitMs,
    ...(aheadMs !== undefined && { aheadMs }),
    biasMs,
    latenessMs: Math.max(0, recvWindowMs + biasMs - uncertaintyMs),
    toleranceMs: toleranceOf(range),
  };
}

/** Where alone the timestamp goes: what is computed for every request. */
export function biasOf(
  { recvWindowMs, earlyLimitMs, aheadMs = earlyLimitMs }: AcceptedRange,
  uncertaintyMs: number,
): number {
  const furthestMs = Math.max(
    earlyLimitMs - uncertaintyMs - EARLY_MARGIN_MS,
    (earlyLimitMs - recvWindowMs) / 2,
  );
  return Math.min(furthestMs, aheadMs);
}

export function toleranceOf({ recvWindowMs, earlyLimitMs, aheadMs = earlyLimitMs }: AcceptedRange): number {
  const reservedMs = Math.min(WORST_LATENCY_MS, recvWindowMs / 2);
  return Math.min((earlyLimitMs + recvWindowMs - reservedMs) / 2, recvWindowMs + aheadMs - reservedMs);
}
