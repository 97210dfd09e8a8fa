/**
 * How fast an exchange's clock drifts away from the reference, and how sure that is: a weighted linear
 * regression over the raw samples of an epoch, kept as sums so that a sample costs a few additions and no history.
 *
 * Raw samples only. What a connector knows after intersecting stays where the best sample put it for as long as
 * nothing contradicts it; a line through such points would always be flat.
 *
 * Weights. Each sample counts by 1 / uncertainty², and less by half for every {@link HALF_LIFE_MS} of age: clocks
 * are disciplined, cooled and moved between machines, and what a rate was a week ago says little about today.
 *
 * Confidence. The standard error of the slope is taken from the scatter of the samples or from their own
 * uncertainties, whichever is larger, times Student's t for 99.95 % (chrony's choice). Below six effective samples,
 * half an hour of span, or above 20 ppm of error it says nothing: the rate is then taken as 0 ± 50 ppm. What is
 * left unexplained by a straight line (discipline, temperature) is covered by 5 ppm on top.
 *
 * Sources: weighted least squares with exponential forgetting, L. Ljung, "System Identification" (1999), 11.2;
 * chrony, regress.c (weighted regression, skew = t × standard deviation of the slope); L. Kish, "Survey Sampling"
 * (1965), effective sample size (Σw)² / Σw².
 */
import { ASSUMED_RATE, type OffsetEstimate, type RateBound } from './offset.js';

export const HALF_LIFE_MS = 8 * 3_600_000;
export const MIN_SAMPLES = 6;
export const MIN_SPAN_MS = 30 * 60_000;
export const MAX_ERROR_PPM = 20;
/** Drift that a straight line does not explain. */
export const WANDER_PPM = 5;

/** Not even a sample without a round trip is better than the stamp's resolution. */
const FLOOR_MS = 0.5;
/** More than this is not a clock's drift, however sure the regression is of it. */
const MAX_RATE_PPM = 500;

/** Sums over the samples of an epoch; times relative to `atMs`, offsets to `baseMs`. */
export interface DriftSums {
  /** Of the first and the latest sample. */
  readonly fromMs: number;
  readonly atMs: number;
  readonly baseMs: number;
  readonly w: number;
  readonly ww: number;
  readonly t: number;
  readonly y: number;
  readonly tt: number;
  readonly ty: number;
  readonly yy: number;
}

export interface Drift {
  /** To extrapolate with; {@link ASSUMED_RATE} unless `isMeasured`. */
  readonly rate: RateBound;
  readonly isMeasured: boolean;
  /** Of the regression, whether it is used or not; 0 while there are fewer than two samples. */
  readonly ratePpm: number;
  /** t × standard error of it; infinite while it cannot be told. */
  readonly errorPpm: number;
  /** Effective: old and imprecise ones count less. */
  readonly samples: number;
  readonly spanMs: number;
}

/** @param sample what one measurement says by itself */
export function addToDrift(sums: DriftSums | undefined, sample: OffsetEstimate): DriftSums {
  const start = sums ?? {
    fromMs: sample.atMs,
    atMs: sample.atMs,
    baseMs: sample.offsetMs,
    ...{ w: 0, ww: 0, t: 0, y: 0, tt: 0, ty: 0, yy: 0 },
  };
  const s = movedTo(start, Math.max(start.atMs, sample.atMs));
  const t = sample.atMs - s.atMs;
  const y = sample.offsetMs - s.baseMs;
  // One that arrives late is as old as it is.
  const w = forgetting(-t) / (sample.uncertaintyMs ** 2 + FLOOR_MS ** 2);
  return {
    ...s,
    fromMs: Math.min(s.fromMs, sample.atMs),
    w: s.w + w,
    ww: s.ww + w * w,
    t: s.t + w * t,
    y: s.y + w * y,
    tt: s.tt + w * t * t,
    ty: s.ty + w * t * y,
    yy: s.yy + w * y * y,
  };
}

export function driftOf(sums: DriftSums | undefined): Drift {
  const { ratePpm, errorPpm, samples } = sums ? slopeOf(sums) : UNKNOWN;
  const spanMs = sums ? sums.atMs - sums.fromMs : 0;
  const isMeasured =
    samples >= MIN_SAMPLES &&
    spanMs >= MIN_SPAN_MS &&
    errorPpm < MAX_ERROR_PPM &&
    Math.abs(ratePpm) <= MAX_RATE_PPM;
  const rate = isMeasured ? { ratePpm, boundPpm: errorPpm + WANDER_PPM } : ASSUMED_RATE;
  return { rate, isMeasured, ratePpm, errorPpm, samples, spanMs };
}

const UNKNOWN = { ratePpm: 0, errorPpm: Number.POSITIVE_INFINITY, samples: 0 };

const forgetting = (ageMs: number) => 0.5 ** (ageMs / HALF_LIFE_MS);

/** The same sums seen from a later time, all of them older. */
function movedTo(s: DriftSums, atMs: number): DriftSums {
  const d = atMs - s.atMs;
  if (d === 0) return s;
  const f = forgetting(d);
  return {
    ...s,
    atMs,
    w: f * s.w,
    ww: f * f * s.ww,
    t: f * (s.t - d * s.w),
    y: f * s.y,
    tt: f * (s.tt - 2 * d * s.t + d * d * s.w),
    ty: f * (s.ty - d * s.y),
    yy: f * s.yy,
  };
}

function slopeOf({ w, ww, t, y, tt, ty, yy }: DriftSums): typeof UNKNOWN {
  const samples = ww > 0 ? (w * w) / ww : 0;
  const [sxx, sxy, syy] = [tt - (t * t) / w, ty - (t * y) / w, yy - (y * y) / w];
  if (!(sxx > 0)) return { ...UNKNOWN, samples };
  const slope = sxy / sxx;
  const freedom = samples - 2;
  if (freedom < 1) return { ratePpm: slope * 1e6, errorPpm: Number.POSITIVE_INFINITY, samples };
  // Forgetting makes the weights sum to less than their samples' precision: Kish's size restores the scale.
  const scatter = Math.max(0, syy - slope * sxy) / freedom;
  const variance = Math.max(1, scatter) / sxx;
  return { ratePpm: slope * 1e6, errorPpm: studentT(freedom) * Math.sqrt(variance) * 1e6, samples };
}

// Two-sided 99.9 %, degrees of freedom 1–30, then 40, 60, 120, infinity (any statistical table).
const T = [
  636.619, 31.599, 12.924, 8.61, 6.869, 5.959, 5.408, 5.041, 4.781, 4.587, 4.437, 4.318, 4.221, 4.14, 4.073,
  4.015, 3.965, 3.922, 3.883, 3.85, 3.819, 3.792, 3.768, 3.745, 3.725, 3.707, 3.69, 3.674, 3.659, 3.646,
];

/** The value of the next smaller number of degrees in the table: never too confident. */
function studentT(freedom: number): number {
  if (freedom >= 120) return 3.373;
  if (freedom >= 60) return 3.46;
  if (freedom >= 40) return 3.551;
  return T[Math.min(Math.floor(freedom), T.length) - 1] as number;
}
