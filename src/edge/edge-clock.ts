/**
 * The exchange's clock as one isolate knows it. Plain data, so that all requests of the isolate can share it; nothing in
 * it is ever written anywhere else, for it is about this isolate's own clock.
 *
 * What is different at the edge, and designed for here:
 *  - `Date.now()` stands still between I/O and tells whole milliseconds. It is read before a request is sent and after
 *    its answer came, each time as what it is: the first is never too late, the second is up to a millisecond early
 *    ({@link TICK_MS}). So the interval that an answer proves holds.
 *  - There is no second clock. A step of the host's is seen as a step of the exchange's: by an answer that excludes what
 *    was known. The answer is then believed, for it is the exchange's own, and newer.
 *  - An answer that a cache may have replayed is no sample ({@link mayBeReplayed}).
 *
 *   unknown ──published clock──> holdover ──answer of the exchange──> synchronized
 *      └───────────────answer of the exchange──────────────────────────────┘
 */
import { type AnsweredRequest, provenByAcceptance } from '../clock/answers.js';
import { estimateFromSample, inflate, intersect, type OffsetEstimate } from '../clock/offset.js';
import { type AcceptedRange, requestWindow, toleranceOf } from '../clock/request-window.js';
import { problemOf } from '../clock/sample-check.js';
import { estimateFromPublished, type PublishedClock } from './published-clock.js';

/** The exchange's time now. */
export interface EdgeTime {
  /** Epoch milliseconds; the exchange's clock shows at least this. −∞ while nothing is known. */
  readonly earliestMs: number;
  /** The exchange's clock shows at most this. ∞ while nothing is known. */
  readonly latestMs: number;
  /** `synchronized`: the exchange has answered this isolate. `holdover`: by a published clock. */
  readonly status: 'synchronized' | 'holdover' | 'unknown';
  /** From 1; grows when an answer of the exchange excludes what was known. Times of two epochs do not compare. */
  readonly epoch: number;
}

/** `Date.now()` has come to its next millisecond only after so long. */
const TICK_MS = 1;
const HITS = /hit|stale|revalidated|updating/i;

export class EdgeClock {
  readonly #now: () => number;
  readonly #range: AcceptedRange;
  readonly #hostErrorMs: number;
  #known: OffsetEstimate | undefined;
  #isProven = false;
  #epoch = 1;

  /** @param hostErrorMs how far this host's clock and the publisher's database's may be apart */
  constructor(range: AcceptedRange, hostErrorMs: number, now: () => number) {
    this.#range = range;
    this.#hostErrorMs = hostErrorMs;
    this.#now = now;
  }

  /** Whether a published clock would be of use: nothing is known, or too little to sign by. */
  get isWanting(): boolean {
    return this.#estimate().uncertaintyMs > toleranceOf(this.#range);
  }

  now(): EdgeTime {
    const nowMs = this.#now();
    const { offsetMs, uncertaintyMs } = this.#estimate();
    const isKnown = uncertaintyMs <= toleranceOf(this.#range);
    return {
      earliestMs: nowMs + offsetMs - uncertaintyMs,
      latestMs: nowMs + TICK_MS + offsetMs + uncertaintyMs,
      status: !isKnown ? 'unknown' : this.#isProven ? 'synchronized' : 'holdover',
      epoch: this.#epoch,
    };
  }

  /** What to sign: whole epoch milliseconds by the exchange's clock, placed in the window for what is known of it. */
  timestamp(): number {
    const { offsetMs, uncertaintyMs } = this.#estimate();
    return Math.floor(this.#now() + offsetMs + requestWindow(this.#range, uncertaintyMs).biasMs);
  }

  /** Never overrules what the exchange said itself. */
  adopt(published: PublishedClock): void {
    const estimate = estimateFromPublished(published, this.#now(), this.#hostErrorMs);
    if (this.#isProven && !this.isWanting) return;
    this.#known = estimate;
    this.#isProven = false;
  }

  /** @param stampMs the judging clock's, milliseconds; a fraction is fine */
  learnStamp(sentAtMs: number, stampMs: number): boolean {
    const sample = { sentAtMs, receivedAtMs: this.#now() + TICK_MS, serverTimeMs: stampMs };
    if (problemOf(sample)) return false;
    this.#take(estimateFromSample(sample));
    return true;
  }

  /** The exchange took the timestamp, and tells no time. */
  learnAcceptance(request: Omit<AnsweredRequest, keyof AcceptedRange | 'receivedAtMs' | 'sentAtMs'>): void {
    const times = { sentAtMs: request.signedAtMs, receivedAtMs: this.#now() + TICK_MS };
    const proven = provenByAcceptance({ ...this.#range, ...request, ...times });
    if (proven) this.#take(proven);
  }

  /** An answer proves its interval; what was known is narrowed by it, or was wrong. */
  #take(proven: OffsetEstimate): void {
    const both = this.#known && intersect(this.#known, proven);
    if (this.#known && !both) this.#epoch += 1;
    this.#known = both ?? proven;
    this.#isProven = true;
  }

  #estimate(): Pick<OffsetEstimate, 'offsetMs' | 'uncertaintyMs'> {
    if (!this.#known) return { offsetMs: 0, uncertaintyMs: Number.POSITIVE_INFINITY };
    return inflate(this.#known, this.#now());
  }
}

/** Whether some cache on the way says that it answered, and not the exchange. */
export const mayBeReplayed = (headers: Pick<Headers, 'get'>): boolean =>
  !/^0*$/.test(headers.get('age') ?? '') ||
  ['cf-cache-status', 'x-cache', 'x-vercel-cache'].some(name => HITS.test(headers.get(name) ?? ''));
