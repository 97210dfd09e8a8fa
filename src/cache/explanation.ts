/**
 * Why a connector has the offset it has, why it is kept for as long as it is, and when that ends: the figures, from
 * the read tables and from the event that chose them. Putting them into words is the command line's business.
 */
import type { Lateness } from '../clock/answers.js';
import { type Drift, driftOf } from '../clock/drift.js';
import { ASSUMED_RATE, inflate, intersect, type OffsetEstimate } from '../clock/offset.js';
import { DEFAULT_RANGE, toleranceOf } from '../clock/request-window.js';
import type { EventData } from '../events/catalogue.js';
import { estimateInRow } from '../read-model/clock-queries.js';
import type { ClockInDetail, StateInDetail } from '../read-model/queries.js';
import type { HistoryEntry } from './history.js';

export interface Explanation {
  readonly exchange: string;
  readonly environment: string;
  /** Whose clock it is: `default`, another host's origin, or a name. */
  readonly scope: string;
  /** By the database's clock, as all times here: epoch milliseconds. */
  readonly nowMs: number;
  readonly status: 'usable' | 'stale' | 'too-uncertain' | 'invalid' | 'contested';
  readonly invalidReason: string | null;
  readonly referenceClock: string;
  readonly syncId: string;
  /** What the connector's own row says, at the time of its measurement. */
  readonly measured: OffsetEstimate;
  /** What a lookup would make of it now, with the exchange's shared clock; exchange minus reference. */
  readonly now: OffsetEstimate;
  /** The event that chose; `undefined` when the history has it no more. */
  readonly chosenBy:
    | (Pick<
        EventData['ConnectorSynced'],
        'trigger' | 'source' | 'roundTripMs' | 'ttlPolicy' | 'ttlInputs' | 'ttlMs'
      > & {
        readonly basis: string;
        readonly host: string;
        /** What that one measurement said by itself. */
        readonly sampleOffsetMs: number;
        readonly sampleUncertaintyMs: number;
      })
    | undefined;
  readonly expiresAtMs: number;
  /** Until then it is good enough for the default request window, and used although it has ended. */
  readonly goodUntilMs: number;
  readonly toleranceMs: number;
  /** Requests of this connector that were refused for lateness alone, the clock being right. */
  readonly late: {
    readonly requests: number;
    /** The latest: when it was recorded, how late it was, and within what the clock was known. */
    readonly last: (Lateness & { readonly atMs: number; readonly uncertaintyMs: number }) | undefined;
  };
  readonly clock: (Omit<ClockInDetail, 'memory'> & { readonly drift: Omit<Drift, 'rate'> }) | undefined;
}

export function explanationOf(row: StateInDetail, history: readonly HistoryEntry[]): Explanation {
  const { nowMs, exchange, environment, scope, referenceClock, syncId, invalidReason } = row;
  const toleranceMs = toleranceOf(DEFAULT_RANGE);
  const measured = estimateInRow(row);
  const clock = row.clock ?? undefined;
  const isContested = clock?.contestedSinceMs != null && row.measuredAtMs < clock.contestedSinceMs;
  const shared = clock?.isValid && !isContested ? estimateInRow(clock) : undefined;
  // As a lookup does it: see knowledge.ts.
  const best = shared && intersect(measured, shared) ? shared : measured;
  const now = inflate(best, nowMs);
  const expiresAtMs = Math.max(row.expiresAtMs, shared ? (clock as ClockInDetail).expiresAtMs : 0);
  const boundPpm = best.rate?.boundPpm ?? ASSUMED_RATE.boundPpm;
  const goodUntilMs = best.atMs + Math.max(0, (toleranceMs - best.uncertaintyMs) / (boundPpm / 1e6));
  return {
    exchange,
    environment,
    scope,
    nowMs,
    status: statusOf({ isValid: row.isValid, isContested, hasEnded: expiresAtMs <= nowMs, now, toleranceMs }),
    invalidReason,
    referenceClock,
    syncId,
    measured,
    now,
    chosenBy: chosenBy(history, syncId),
    expiresAtMs,
    goodUntilMs,
    toleranceMs,
    late: lateIn(history),
    clock: clock && withDrift(clock),
  };
}

function lateIn(history: readonly HistoryEntry[]): Explanation['late'] {
  let requests = 0;
  let last: Explanation['late']['last'];
  for (const event of history) {
    if (event.decoded !== 'known' || event.type !== 'ConnectorRequestLate') continue;
    const { lateAtLeastMs: atLeastMs, lateAtMostMs: atMostMs, uncertaintyMs } = event.data;
    requests++;
    last = { atMs: event.recordedAt, atLeastMs, atMostMs, uncertaintyMs };
  }
  return { requests, last };
}

function statusOf(s: {
  isValid: boolean;
  isContested: boolean;
  hasEnded: boolean;
  now: OffsetEstimate;
  toleranceMs: number;
}): Explanation['status'] {
  if (!s.isValid) return 'invalid';
  if (s.isContested) return 'contested';
  if (!s.hasEnded) return 'usable';
  return s.now.uncertaintyMs <= s.toleranceMs ? 'stale' : 'too-uncertain';
}

function chosenBy(history: readonly HistoryEntry[], syncId: string): Explanation['chosenBy'] {
  for (const event of [...history].reverse()) {
    if (event.decoded !== 'known' || event.type !== 'ConnectorSynced') continue;
    const { data, host } = event;
    if (data.syncId.toLowerCase() !== syncId.toLowerCase()) continue;
    const { trigger, source, roundTripMs, ttlPolicy, ttlInputs, ttlMs, basis } = data;
    const { sampleOffsetMs = data.offsetMs, sampleUncertaintyMs = data.uncertaintyMs } = data;
    const choice = { trigger, source, roundTripMs, ttlPolicy, ttlInputs, ttlMs };
    return { ...choice, basis, host, sampleOffsetMs, sampleUncertaintyMs };
  }
  return undefined;
}

function withDrift({ memory, ...clock }: ClockInDetail): NonNullable<Explanation['clock']> {
  const { rate, ...drift } = driftOf(sumsIn(memory));
  return { ...clock, drift };
}

function sumsIn(memory: string) {
  try {
    return JSON.parse(memory).drift;
  } catch {
    // Nobody has measured since an older release wrote the row.
    return undefined;
  }
}
