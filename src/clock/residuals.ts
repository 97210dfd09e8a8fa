/**
 * Steps smaller than a sample: how a claim stays honest about what no single sample can show.
 *
 * Intersecting samples of ± 20 ms may leave ± 1 ms, when their delays happened to fall on both sides. A step of 15 ms is
 * then excluded by no sample: each still overlaps the claim, which is false by 14 ms and would stay so. What can be
 * told of such a step is where the samples lie: before it around the claim, after it to one side. So
 *
 *  1. no sample narrows a claim to less than half of its own uncertainty ({@link LEAST_SHARE}): steps too small to
 *     move the samples aside are within the claim;
 *  2. how far the middles of the samples lie from that of the claim, in parts of their uncertainty, is summed up for
 *     each side, less an allowance for what delays do. A sum that passes its limit is taken for a step, and the claim is
 *     opened to what it said and what the samples of the sum allow together, as one interval.
 *
 * If there was no step both parts contain the truth; if there was, the second does, once the samples from before it
 * have dropped out. Until then the claim may be false, by at most the step: figures in docs/clock-accuracy.md. (Steps that a
 * sample excludes are contradictions, shared-clock.ts.) A line with lopsided delays opens the claim too, and
 * costs width, never truth.
 *
 * A claim that has grown wider than a sample is the other way round: an exchange that is measured once an hour has drifted, for
 * all that is known, by more than a sample is wide. The sample should lie within the claim, wherever its delays fell. One
 * that sticks out ({@link sticksOut}) is no contradiction while they overlap; but what both allow may be the very part that
 * a step has made false. So then
 *
 *  3. the claim is opened to all that the sample allows. From the first such sample after a step on the claim is true, whatever
 *     the step: the sample lies within it, or excludes it. Of a shared clock the bounds of its evidence are the claim here
 *     (`isWithin`, evidence.ts): what is told reaches as far on the near side as on the far one, so a sample may lie within it
 *     and beyond a bound.
 *
 * Only samples about as fine as those that made the claim are watched: a `Date` header's middle lies anywhere in its
 * second.
 *
 * Source of the sums: E. S. Page, "Continuous inspection schemes" (1954), the cumulative sum chart.
 */
import { type Interval, inflate, intersect, intervalAt, type OffsetEstimate } from './offset.js';

export const LEAST_SHARE = 0.5;
/** What delays alone may move a middle by, on average, in parts of the uncertainty. */
const ALLOWANCE = 0.15;
/** One sample adds at most 0.85: it takes two. */
const LIMIT = 0.9;
/** Coarser than so many times the claim, a sample did not make it; and a claim so much wider is another matter ({@link isFine}). */
const COMPARABLE = 4;
const WIDER = 2;

/** Samples that lay to one side of the claim. */
interface Aside {
  readonly sum: number;
  /** What they allow together, at `atMs`. */
  readonly low: number;
  readonly high: number;
  readonly atMs: number;
}

export interface Residuals {
  readonly above?: Aside | undefined;
  readonly below?: Aside | undefined;
}

/** @param claim what was believed before the sample */
export function watch(
  seen: Residuals | undefined,
  claim: OffsetEstimate,
  sample: OffsetEstimate,
): Residuals | undefined {
  const before = inflate(claim, sample.atMs);
  const isComparable = !isFine(before, sample) && sample.uncertaintyMs <= COMPARABLE * before.uncertaintyMs;
  if (!isComparable || sample.uncertaintyMs === 0) return seen;
  const part = Math.max(-1, Math.min(1, (sample.offsetMs - before.offsetMs) / sample.uncertaintyMs));
  const above = added(seen?.above, part - ALLOWANCE, sample);
  const below = added(seen?.below, -part - ALLOWANCE, sample);
  return above || below ? { ...(above && { above }), ...(below && { below }) } : undefined;
}

function added(aside: Aside | undefined, by: number, sample: OffsetEstimate): Aside | undefined {
  const { atMs } = sample;
  const { low, high } = intervalAt(sample, atMs);
  const alone = by > 0 ? { sum: by, low, high, atMs } : undefined;
  if (!aside || aside.atMs > atMs) return alone;
  const sum = aside.sum + by;
  if (sum <= 0) return undefined;
  const then = aged(aside, atMs);
  const both = { low: Math.max(then.low, low), high: Math.min(then.high, high) };
  // Two that exclude each other: the step came between them.
  return both.low > both.high ? alone : { sum, ...both, atMs };
}

/**
 * Finer than the claim has grown wide, and not within it: a step may lie between them.
 * @param claim what was believed before the sample
 */
function sticksOut(claim: OffsetEstimate, sample: OffsetEstimate): boolean {
  const before = inflate(claim, sample.atMs);
  const apartMs = Math.abs(sample.offsetMs - before.offsetMs);
  return isFine(before, sample) && apartMs + sample.uncertaintyMs > before.uncertaintyMs;
}

/** Of so much wider a claim the sums show nothing, and one sample shows all. */
export const isFine = (before: OffsetEstimate, sample: OffsetEstimate): boolean =>
  before.uncertaintyMs > WIDER * sample.uncertaintyMs;

/**
 * What is known after a sample of one's own: what it and the claim allow, but where a step may lie between them what it
 * allows by itself.
 * @returns undefined when they exclude each other
 */
export function withSample(claim: OffsetEstimate, sample: OffsetEstimate): OffsetEstimate | undefined {
  const both = intersect(claim, sample);
  if (!both || sample.atMs < claim.atMs || !sticksOut(claim, sample)) return both;
  return { ...both, offsetMs: sample.offsetMs, uncertaintyMs: sample.uncertaintyMs };
}

/** What to open the claim to; `undefined`: nothing suggests a step. */
export function stepSuggestedBy(seen: Residuals | undefined, atMs: number): Interval | undefined {
  const aside = [seen?.above, seen?.below].find(each => each && each.sum > LIMIT);
  return aside && aged(aside, atMs);
}

/** The uncertainty of a claim, not narrowed further than a sample can vouch for. */
export function honest(
  estimate: OffsetEstimate,
  before: OffsetEstimate,
  sample: OffsetEstimate,
): OffsetEstimate {
  const least = Math.min(inflate(before, estimate.atMs).uncertaintyMs, LEAST_SHARE * sample.uncertaintyMs);
  return estimate.uncertaintyMs >= least ? estimate : { ...estimate, uncertaintyMs: least };
}

const aged = ({ low, high, atMs }: Aside, toMs: number): Interval => {
  const middle = { offsetMs: (low + high) / 2, uncertaintyMs: (high - low) / 2, atMs };
  return intervalAt(middle, Math.max(atMs, toMs));
};
