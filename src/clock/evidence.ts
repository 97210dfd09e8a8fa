/**
 * What several hosts say about one offset, when one of them may be wrong.
 *
 * Every sample bounds the offset from below and from above. Intersecting them all gives the tightest interval, but
 * one host with a broken clock can pull it anywhere within what was known before, and nobody would notice. So the
 * best two bounds on each side are kept, of different hosts: at least one of two hosts tells the truth, hence the
 * *second* best lower and the second best upper bound hold even if one host lies. This is Marzullo's interval for
 * one faulty source, and needs little more memory than four numbers, because all bounds widen alike with age.
 *
 * Two hosts cannot outvote each other, and a deployment may well have but one, so liars are reckoned with from
 * three hosts on. The offset itself is taken from the best bounds while they agree: that is the likeliest value,
 * and the uncertainty is counted from there to the far bound.
 *
 * Source: K. Marzullo, S. Owicki, "Maintaining the time in a distributed system" (1984): with f faulty sources the
 * truth lies between the (f+1)-th largest lower and the (f+1)-th smallest upper bound.
 */
import { ASSUMED_RATE, type Interval, intervalAt, type OffsetEstimate, type RateBound } from './offset.js';

/** A bound, and the host that vouches for it. */
interface Vouched {
  readonly host: string;
  readonly ms: number;
  /** Another host whose sample excludes it. A second one that does is believed. */
  readonly doubtedBy?: string | undefined;
}

export interface Evidence {
  /** The reference time at which the bounds hold. */
  readonly atMs: number;
  /** Of different hosts, the best (largest) first; one or two. */
  readonly lows: readonly Vouched[];
  /** Of different hosts, the best (smallest) first; one or two. */
  readonly highs: readonly Vouched[];
}

/** From this many hosts on one of them may lie without harm. */
export const HOSTS_TO_OUTVOTE_ONE = 3;

/** What one host says. */
export function firstEvidence(host: string, sample: OffsetEstimate): Evidence {
  const { low, high } = intervalAt(sample, sample.atMs);
  return { atMs: sample.atMs, lows: [{ host, ms: low }], highs: [{ host, ms: high }] };
}

/**
 * @param rate at which the offset is taken to move between the evidence's time and the sample's
 * @param sample must overlap {@link boundsOf} the evidence, or the result says nothing
 */
export function addEvidence(
  evidence: Evidence,
  host: string,
  sample: OffsetEstimate,
  rate: RateBound = ASSUMED_RATE,
): Evidence {
  const atMs = Math.max(evidence.atMs, sample.atMs);
  const then = moved(evidence, atMs, rate);
  const { low, high } = intervalAt({ ...sample, rate }, atMs);
  const lows = heldAgainst(then.lows, host, bound => bound.ms > high);
  const highs = heldAgainst(then.highs, host, bound => bound.ms < low);
  return {
    atMs,
    lows: bestTwo([{ host, ms: low }, ...lows], (a, b) => b.ms - a.ms),
    highs: bestTwo([{ host, ms: high }, ...highs], (a, b) => a.ms - b.ms),
  };
}

/**
 * What a sample excludes is wrong, or the sample is. One host's word does not decide which, or a liar could remove the
 * others' bounds one by one; that of two hosts does, or bounds that were false would add up.
 */
function heldAgainst(
  bounds: readonly Vouched[],
  host: string,
  isExcluded: (bound: Vouched) => boolean,
): Vouched[] {
  return bounds
    .filter(bound => !(isExcluded(bound) && bound.doubtedBy !== undefined && bound.doubtedBy !== host))
    .map(bound => (isExcluded(bound) && bound.host !== host ? { ...bound, doubtedBy: host } : bound));
}

/** @param hosts how many have been heard; see {@link HOSTS_TO_OUTVOTE_ONE} */
export function boundsOf({ lows, highs }: Evidence, hosts: number): Interval {
  const rank = hosts >= HOSTS_TO_OUTVOTE_ONE ? 1 : 0;
  const low = (lows[rank] ?? lows[0]) as Vouched;
  const high = (highs[rank] ?? highs[0]) as Vouched;
  // One of two hosts may contradict the other within what both contradicted before.
  return { low: Math.min(low.ms, high.ms), high: Math.max(low.ms, high.ms) };
}

/** All that the sample allows is allowed by the evidence too, at the sample's time. */
export function isWithin(
  evidence: Evidence,
  hosts: number,
  sample: OffsetEstimate,
  rate: RateBound = ASSUMED_RATE,
): boolean {
  const bounds = boundsOf(moved(evidence, Math.max(evidence.atMs, sample.atMs), rate), hosts);
  const { low, high } = intervalAt(sample, sample.atMs);
  return bounds.low <= low && high <= bounds.high;
}

/** Everything that is allowed besides, taken in on both sides. */
export const opened = (evidence: Evidence, { low, high }: Interval): Evidence => ({
  ...evidence,
  lows: evidence.lows.map(bound => ({ ...bound, ms: Math.min(bound.ms, low) })),
  highs: evidence.highs.map(bound => ({ ...bound, ms: Math.max(bound.ms, high) })),
});

export function estimateFromEvidence(evidence: Evidence, hosts: number, rate?: RateBound): OffsetEstimate {
  const { low, high } = boundsOf(evidence, hosts);
  const [bestLow, bestHigh] = [evidence.lows[0], evidence.highs[0]] as [Vouched, Vouched];
  const likeliest = bestLow.ms <= bestHigh.ms ? (bestLow.ms + bestHigh.ms) / 2 : (low + high) / 2;
  const offsetMs = Math.min(Math.max(likeliest, low), high);
  const uncertaintyMs = Math.max(high - offsetMs, offsetMs - low);
  return { offsetMs, uncertaintyMs, atMs: evidence.atMs, ...(rate && { rate }) };
}

/** Later: the bounds follow the rate and widen by what is not known of it. */
function moved({ atMs, lows, highs }: Evidence, toMs: number, { ratePpm, boundPpm }: RateBound): Evidence {
  const elapsedMs = toMs - atMs;
  const by = (ppm: number) => (bound: Vouched) => ({ ...bound, ms: bound.ms + (elapsedMs * ppm) / 1e6 });
  return { atMs: toMs, lows: lows.map(by(ratePpm - boundPpm)), highs: highs.map(by(ratePpm + boundPpm)) };
}

function bestTwo(bounds: readonly Vouched[], order: (a: Vouched, b: Vouched) => number): Vouched[] {
  const [best, ...rest] = [...bounds].sort(order) as [Vouched, ...Vouched[]];
  const second = rest.find(({ host }) => host !== best.host);
  return second ? [best, second] : [best];
}
