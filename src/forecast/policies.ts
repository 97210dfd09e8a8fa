/**
 * When to refresh a state that nobody has asked for, so that whoever asks next finds it good. A policy sees the history of
 * one connector up to now, never what comes; only the oracle does, to show what there is to be had.
 *
 *   none       never
 *   fixed      keeps it good for an hour after each use
 *   histogram  of "Serverless in the Wild" (ATC 2020, section 4.2): sleeps until the 5th percentile of the idle times, less a
 *              tenth, and keeps it good from there to the 99th and a tenth more; an hour where too little is known
 *   hazard     refreshes when the next TTL is likely enough to see a use, given that there was none so far
 *   trend      the same by the idle time before and how it has been changing
 *   seasonal   the same by how often each hour of the week was used, and not before the hour itself is busy
 *   learned    the same, with the probability from a trained model (learned.ts)
 */
import { HOUR_MS, HOURS_A_WEEK } from '../clock/use-habit.js';
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

/** By how much idle times grew or shrank lately, given the last one: a period that moves is met where it is going. */
export const trendOf: Probability = ({ lastMs, lastIdleMs, changesMs }, atMs, ttlMs) => {
  if (lastMs === undefined || lastIdleMs === undefined || changesMs.length < LEAST_IDLE_TIMES) return 0;
  const changeMs = atMs - lastMs - lastIdleMs;
  const left = changesMs.filter(each => each >= changeMs).length;
  const within = left - changesMs.filter(each => each >= changeMs + ttlMs).length;
  return within / (left + 0.5);
};

/** By the hours of the week: in so many of the weeks each was used, and then so often, at random. */
export const seasonalOf: Probability = (history, atMs, ttlMs) => {
  let unused = 1;
  for (let fromMs = atMs; fromMs < atMs + ttlMs; ) {
    const untilMs = Math.min(atMs + ttlMs, nextHour(fromMs));
    unused *= 1 - usedWithin(history, fromMs, untilMs - fromMs);
    fromMs = untilMs;
  }
  return 1 - unused;
};

/** That it is used in the span, were all of it in this hour of the week. */
function usedWithin(history: UsageHistory, atMs: number, spanMs: number): number {
  const share = history.shareOfWeeks(atMs);
  return share === 0 ? 0 : -share * Math.expm1((-history.usesAnHour(atMs) * spanMs) / HOUR_MS / share);
}

const nextHour = (atMs: number): number => (Math.floor(atMs / HOUR_MS) + 1) * HOUR_MS;

/** Where it is worth while to ask for a probability: `fromMs`, or later. */
type Candidates = (history: UsageHistory, fromMs: number, ttlMs: number) => readonly number[];

/**
 * The earliest time at which a refresh is likely enough to be used.
 * @param threshold what a refresh must promise, 0–1
 */
export function likely(
  name: string,
  probability: Probability,
  threshold: number,
  candidates: Candidates = aroundIdleTimes,
): Policy {
  return {
    name,
    nextRefresh({ history, nowMs, expiresMs, ttlMs }) {
      const { lastMs } = history;
      if (lastMs === undefined) return undefined;
      return [...candidates(history, Math.max(nowMs, expiresMs), ttlMs)]
        .sort((a, b) => a - b)
        .find(atMs => atMs - lastMs <= HORIZON_MS && probability(history, atMs, ttlMs) >= threshold);
    },
  };
}

/** At the end of what is there, and a little before each idle time that has been seen. */
const aroundIdleTimes: Candidates = (history, firstMs, ttlMs) => {
  const { lastMs = firstMs } = history;
  const candidates = [firstMs];
  for (const { fromMs, untilMs } of history.idleBins()) {
    // So much earlier that the whole bin lies within the TTL, where it can.
    const atMs = lastMs + fromMs - Math.max(0, Math.min(untilMs - fromMs, ttlMs - (untilMs - fromMs)));
    if (atMs > firstMs) candidates.push(atMs);
  }
  return candidates;
};

/** Half a TTL before each change that has been seen. */
const aroundChanges: Candidates = ({ lastMs = 0, lastIdleMs = 0, changesMs }, firstMs, ttlMs) =>
  changesMs.map(changeMs => Math.max(firstMs, lastMs + lastIdleMs + changeMs - ttlMs / 2));

/**
 * At the end of what is there and whenever an hour begins, of these the ones whose own hour is busy enough: what is refreshed
 * an hour before the first use of the day is good for an hour less of it.
 */
const inBusyHours: Candidates = (history, firstMs, ttlMs) => {
  const candidates: number[] = [];
  for (let hours = 0, atMs = firstMs; hours <= HOURS_A_WEEK; hours++, atMs = nextHour(atMs))
    if (usedWithin(history, atMs, ttlMs) >= BUSY) candidates.push(atMs);
  return candidates;
};

/** In the hours of the week there is less chance than in a single gap, and in a busy hour a refresh too many soon pays: less will do. */
const BUSY = 0.3;

export const hazard: Policy = likely('hazard', hazardOf, 0.5);
export const trend: Policy = likely('trend', trendOf, 0.5, aroundChanges);
export const seasonal: Policy = likely('seasonal', seasonalOf, BUSY, inBusyHours);

/** Knows the next use; it refreshes a moment before each that would be cold. */
export const oracle = (nextUseAfter: (atMs: number) => number | undefined): Policy => ({
  name: 'oracle',
  nextRefresh({ history, nowMs, expiresMs }) {
    const nextMs = nextUseAfter(history.lastMs ?? nowMs);
    return nextMs === undefined || nextMs <= expiresMs ? undefined : Math.max(nowMs, nextMs - 1);
  },
});
