/**
 * How long a measured offset is kept.
 *
 * `fixed` is the design decision's 15 minutes: a guess that throws away good offsets and keeps bad ones.
 *
 * `adaptive` keeps an offset for as long as it is provably good enough for the exchange's window: its uncertainty u
 * grows by the rate bound ρ, and must stay below a safe share s of the window's tolerance T, hence
 * TTL = (s·T − u) / ρ. The rest of the tolerance is left for what no bound covers, a step of a clock. Not below a
 * minute (an offset too uncertain even for that is replaced by the next response anyway), and not above a day,
 * because steps, not drift, are the hazard of a long life.
 */
import { ASSUMED_RATE, type RateBound } from './offset.js';

/** 15 minutes: at an assumed ±100 ms an hour the offset moves by 25 ms. */
export const DEFAULT_TTL_MS = 15 * 60_000;
export const MIN_TTL_MS = 1_000;
export const MAX_TTL_MS = 24 * 3_600_000;
export const MIN_ADAPTIVE_TTL_MS = 60_000;
/** The share of the tolerance that drift may use up. */
export const SAFE_SHARE = 0.5;

export const CLOCK_POLICIES = ['adaptive', 'fixed'] as const;
export type ClockPolicy = (typeof CLOCK_POLICIES)[number];

export interface TtlDecision {
  /** Whole milliseconds, 1 s to 24 h. */
  readonly ttlMs: number;
  readonly policy: string;
  /** The figures the decision rests on. */
  readonly inputs: Readonly<Record<string, number>>;
}

export const fixedTtl = (ttlMs: number = DEFAULT_TTL_MS): TtlDecision => ({
  ttlMs,
  policy: 'fixed',
  inputs: { ttlMs },
});

export interface TtlFigures {
  /** The largest uncertainty to sign by; see request-window.ts. */
  readonly toleranceMs: number;
  /** Of the estimate, at the moment of measurement. */
  readonly uncertaintyMs: number;
  readonly rate?: RateBound | undefined;
}

export function adaptiveTtl({ toleranceMs, uncertaintyMs, rate = ASSUMED_RATE }: TtlFigures): TtlDecision {
  const { ratePpm, boundPpm } = rate;
  // An exact rate would never wear an offset out; the day's limit takes over long before.
  const unlimitedMs = (SAFE_SHARE * toleranceMs - uncertaintyMs) / (Math.max(boundPpm, 0.001) / 1e6);
  const ttlMs = Math.round(Math.min(Math.max(unlimitedMs, MIN_ADAPTIVE_TTL_MS), MAX_TTL_MS));
  const inputs = {
    toleranceMs,
    safeShare: SAFE_SHARE,
    uncertaintyMs,
    ratePpm,
    rateBoundPpm: boundPpm,
    unlimitedMs,
  };
  return { ttlMs, policy: 'adaptive', inputs };
}
