/**
 * The clock of whoever stands in front of an exchange, as its HTTP `Date` headers show it: another machine's, measured apart.
 *
 * What is kept is how far the edge is ahead of the exchange's clock, an interval. An answer that carries both, a stamp of
 * the exchange's and a `Date`, shows it whatever this host's clock is: both were read while the request was under way, so
 *
 *   edge − exchange ∈ [D − S − 1 − r, D − S + 1000 + r], D the second of the header, S the stamp, r the round trip
 *
 * An answer with a `Date` alone shows it by what is known of the exchange. Intersected, some tens of answers at different
 * moments of the second leave little more than the round trips.
 *
 * It never says what time it is at the exchange, for it may be set, or be another machine, at any moment. What it gives is
 * a *hint*: when the difference is not what it was, one of the two clocks moved, or what is known of the exchange is wrong. Then
 * it is worth a measurement that nobody waits for, and that decides. An edge whose difference changes all the time is asked
 * less and less for hints.
 */
import { type ClockSample, estimateFromSample, intersect, type OffsetEstimate } from './offset.js';
import { SERVERS_APART_MS } from './sample-check.js';

const FIRST_PAUSE_MS = 60_000;
const LONGEST_PAUSE_MS = 3_600_000;

export type EdgeFinding =
  /** As it was, or as one would think who knows nothing: the edge's clock is the exchange's. */
  | 'steady'
  /** The first that is heard of it, and it is not the exchange's clock. */
  | 'apart'
  /** Not what it was. */
  | 'moved';

export class EdgeClock {
  #ahead: OffsetEstimate | undefined;
  #pauseMs = FIRST_PAUSE_MS;
  #hintedAtMs = Number.NEGATIVE_INFINITY;

  /** Edge minus exchange; `undefined` while no answer has shown it. */
  get aheadOfExchange(): OffsetEstimate | undefined {
    return this.#ahead;
  }

  /**
   * An answer carried a stamp of the exchange's too: what it shows is so.
   * @param stamp of the same answer
   */
  comparedWith(stamp: ClockSample, edge: ClockSample): void {
    const roundTripMs = edge.receivedAtMs - edge.sentAtMs;
    const apartMs = edge.serverTimeMs - stamp.serverTimeMs;
    const resolutionMs = edge.resolutionMs ?? 1;
    this.#ahead = this.#with({
      offsetMs: apartMs + (resolutionMs - 1) / 2,
      uncertaintyMs: (resolutionMs + 1) / 2 + roundTripMs,
      atMs: edge.receivedAtMs,
    }).ahead;
  }

  /**
   * An answer carried a `Date` alone.
   * @param known of the exchange: its clock minus this host's
   */
  heard(edge: ClockSample, known: OffsetEstimate): EdgeFinding {
    const shown = apart(estimateFromSample(edge), known);
    const { ahead, finding } = this.#with(shown);
    if (finding === 'steady') this.#ahead = ahead;
    return finding;
  }

  /** Whether a finding is worth a measurement now. Asked again, it is no for a while, and for longer each time. */
  isHint(nowMs: number): boolean {
    if (nowMs - this.#hintedAtMs < this.#pauseMs) return false;
    const isRare = nowMs - this.#hintedAtMs > 24 * LONGEST_PAUSE_MS;
    this.#pauseMs = isRare ? FIRST_PAUSE_MS : Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
    this.#hintedAtMs = nowMs;
    return true;
  }

  #with(shown: OffsetEstimate): { ahead: OffsetEstimate; finding: EdgeFinding } {
    if (!this.#ahead) {
      const isTheSame = Math.abs(shown.offsetMs) <= shown.uncertaintyMs + SERVERS_APART_MS;
      return { ahead: shown, finding: isTheSame ? 'steady' : 'apart' };
    }
    const both = intersect(this.#ahead, shown);
    return both ? { ahead: both, finding: 'steady' } : { ahead: shown, finding: 'moved' };
  }
}

/** The difference of two offsets from this host's clock. */
function apart(edge: OffsetEstimate, exchange: OffsetEstimate): OffsetEstimate {
  return {
    offsetMs: edge.offsetMs - exchange.offsetMs,
    uncertaintyMs: edge.uncertaintyMs + exchange.uncertaintyMs,
    atMs: edge.atMs,
  };
}

/** Whether the two clocks certainly differ, by more than the clocks of several servers behind one name may. */
export const isApart = ({ offsetMs, uncertaintyMs }: OffsetEstimate): boolean =>
  Math.abs(offsetMs) - uncertaintyMs > SERVERS_APART_MS;
