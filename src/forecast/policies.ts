/**
 * When to refresh a state that nobody has asked for, so that whoever asks next finds it good. A policy sees the history of
 * one connector up to now, never what comes; only the oracle does, to show what there is to be had.
 *
 *   none       never
 *   fixed      keeps it good for an hour after each use
 *   histogram  of "Serverless in the Wild" (ATC 2020, section 4.2): sleeps until the 5th percentile of the idle times, less a
 *              tenth, and keeps it good from there to the 99th and a tenth more; an hour where too little is known
 *   hazard     refreshes when the next TTL is likely enough to see a use, given that there was none so far
 *   learned    the same, with the probability from a trained model (learned.ts)
 */
import type { UsageHistory } from './usage-history.js';

export interface Moment {
  readonly history: UsageHistory;
  readonly nowMs: number;
  /** When what is there ends, epoch milliseconds. */
  readonly expiresMs: number;
  readonly ttlMs: number;
}

export interface Policy {
  readonly name: string;
  /** When to refresh if nobody has used it by then: `nowMs` or later; undefined: not before the next use. */
  nextRefresh(moment: Moment): number | undefined;
}

/** Whether the next use falls into [at, at + TTL), given that there has been none until `at`: 0 to 1. */
export type Probability = (history: UsageHistory, atMs: number, ttlMs: number) => number;

const HOUR_MS = 3_600_000;
export const LEAST_IDLE_TIMES = 4;
const HEAD = 0.05;
const TAIL = 0.99;
const MARGIN = 0.1;
/** The longest time ahead that is looked at. */
const HORIZON_MS = 14 * 24 * HOUR_MS;

export const none: Policy = { name: 'none', nextRefresh: () => undefined };

const keepUntil = (untilMs: number, { nowMs, expiresMs }: Moment): number | undefined => {
  const atMs = Math.max(nowMs, expiresMs);
  return atMs < untilMs ? atMs : undefined;
};

export const fixed: Policy = {
  name: 'fixed',
  nextRefresh: moment => keepUntil((moment.history.lastMs ?? Number.NEGATIVE_INFINITY) + HOUR_MS, moment),
};

export const histogram: Policy = {
  name: 'histogram',
  nextRefresh(moment) {
    const { history, nowMs, expiresMs } = moment;
    const bins = history.idleBins();
    const total = history.idleTimes;
    if (total < LEAST_IDLE_TIMES || history.lastMs === undefined) return fixed.nextRefresh(moment);
    const headMs = percentile(bins, total, HEAD, 'fromMs') * (1 - MARGIN);
    const tailMs = percentile(bins, total, TAIL, 'untilMs') * (1 + MARGIN);
    const atMs = Math.max(nowMs, expiresMs, history.lastMs + headMs);
    return atMs < history.lastMs + Math.min(tailMs, HORIZON_MS) ? atMs : undefined;
  },
};

function percentile(
  bins: readonly { fromMs: number; untilMs: number; count: number }[],
  total: number,
  share: number,
  edge: 'fromMs' | 'untilMs',
): number {
  let seen = 0;
  for (const bin of bins) {
    seen += bin.count;
    if (seen >= share * total) return bin[edge];
  }
  return 0;
}

/** Of the idle times that were this long at least, the share that ended within a TTL. Half an end is added to those that did not. */
export const hazardOf: Probability = (history, atMs, ttlMs) => {
  if (history.lastMs === undefined) return 0;
  const idleMs = atMs - history.lastMs;
  const byThen = history.shorterThan(idleMs + ttlMs);
  const within = byThen - history.shorterThan(idleMs);
  return within / (within + history.idleTimes - byThen + 0.5);
};

/**
 * The earliest time at which a refresh is likely enough to be used. Only where the probability can rise is looked: at the
 * end of what is there, and a little before each idle time that has been seen.
 * @param threshold what a refresh must promise, 0–1: the cost of a refresh over what a cold init costs
 */
export function likely(name: string, probability: Probability, threshold: number): Policy {
  return {
    name,
    nextRefresh({ history, nowMs, expiresMs, ttlMs }) {
      const { lastMs } = history;
      if (lastMs === undefined) return undefined;
      const firstMs = Math.max(nowMs, expiresMs);
      const candidates = [firstMs];
      for (const { fromMs, untilMs } of history.idleBins()) {
        // So much earlier that the whole bin lies within the TTL, where it can.
        const atMs = lastMs + fromMs - Math.max(0, Math.min(untilMs - fromMs, ttlMs - (untilMs - fromMs)));
        if (atMs > firstMs) candidates.push(atMs);
      }
      return candidates
        .sort((a, b) => a - b)
        .find(atMs => atMs - lastMs <= HORIZON_MS && probability(history, atMs, ttlMs) >= threshold);
    },
  };
}

export const hazard: Policy = likely('hazard', hazardOf, 0.5);

/** Knows the next use; it refreshes a moment before each that would be cold. */
export const oracle = (nextUseAfter: (atMs: number) => number | undefined): Policy => ({
  name: 'oracle',
  nextRefresh({ history, nowMs, expiresMs }) {
    const nextMs = nextUseAfter(history.lastMs ?? nowMs);
    return nextMs === undefined || nextMs <= expiresMs ? undefined : Math.max(nowMs, nextMs - 1);
  },
});
