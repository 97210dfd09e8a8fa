/**
 * What a connector learns from the clock samples that responses bring along.
 *
 * A sample and the state are two intervals of the same offset: what both allow is known better than either.
 * When they exclude each other a clock jumped, and whose must be known before the exchange is blamed: if it was
 * this host's, the old link to the database's clock would turn a true sample into a false one for everybody else.
 * So the link is measured again first, and the sample judged by the new one.
 *
 * Most samples only confirm what is known, and an event for each would be noise: {@link isWorthKeeping} says
 * which tell something new.
 */
import type { UsableState } from '../cache/lookup.js';
import type { MeasuredOffset } from '../cache/measurement.js';
import { inflate, intersect } from '../clock/offset.js';
import type { ReferenceLink } from '../clock/reference.js';
import { DEFAULT_RANGE, toleranceOf } from '../clock/request-window.js';
import { withSample } from '../clock/residuals.js';
import { SAFE_SHARE } from '../clock/ttl.js';

/** A sample that halves the uncertainty is worth an event; one that shaves off a little is not. */
const WORTHWHILE_GAIN = 0.5;
/** A state whose remaining life fell below this share is extended by a sample that confirms it. */
const WORTHWHILE_AGE = 0.5;
/** And at least so often one is kept, that the drift can be told from the history: six an hour. */
const WORTHWHILE_SILENCE_MS = 10 * 60_000;
/** In the last part of a state's life it is refreshed although nobody needs it yet. */
const REFRESH_SHARE = 0.2;
/** Coarse is what is more than twice, and 5 ms, worse than it could be; one in ten then does something about it. */
const COARSE_FACTOR = 2;
const COARSE_MS = 5;
const COARSE_SHARE = 0.1;

/**
 * What is known less well than this is never handed on to others: not as a clock of the exchange's, nor as the state of a
 * connector. It is what the TTL (clock/ttl.ts) gives no time to for the default window: signing by it leaves a request
 * that is a little late no room, so that one slow answer would have everybody refused. Who measured it may use it, for
 * want of anything better.
 */
const HANDED_ON_MS = SAFE_SHARE * toleranceOf(DEFAULT_RANGE);

/** By what the measurement says by itself: others may not have what else this connector knew. */
export const isHandedOn = ({ sample, estimate }: MeasuredOffset): boolean =>
  (sample ?? estimate).uncertaintyMs <= HANDED_ON_MS;

export interface Judgement {
  /** What the sample and the state allow together; `undefined` for a sample that no clock can have given. */
  readonly learned: MeasuredOffset | undefined;
  /** The state over the link as it was measured anew, when that is against the same clock. */
  readonly relinked: UsableState | undefined;
}

/**
 * @param measure the sample, over a link
 * @param relink measures the link to the database's clock anew; `undefined`: the database could not be asked
 */
export async function judgeSample(
  state: UsableState,
  measure: (link: ReferenceLink | undefined) => MeasuredOffset | undefined,
  relink: () => Promise<ReferenceLink | undefined>,
): Promise<Judgement> {
  const measured = measure(state.link);
  if (!measured) return { learned: undefined, relinked: undefined };
  const both = withSample(state.estimate, measured.estimate);
  if (both) return { learned: { ...measured, estimate: both }, relinked: undefined };

  const again = measure(await relink());
  if (again?.link.clockId !== state.referenceClock) return { learned: again, relinked: undefined };
  const estimate = withSample(state.estimate, again.estimate) ?? again.estimate;
  return { learned: { ...again, estimate }, relinked: { ...state, link: again.link } };
}

/** Whether it excludes the state, is much tighter, or comes when the state is old or none has come for a while. */
export function isWorthKeeping(
  { estimate, link, ttl }: Pick<MeasuredOffset, 'estimate' | 'link' | 'ttl'>,
  state: UsableState,
): boolean {
  if (link.clockId !== state.referenceClock || !intersect(state.estimate, estimate)) return true;
  if (estimate.atMs - state.estimate.atMs >= WORTHWHILE_SILENCE_MS) return true;
  const known = inflate(state.estimate, estimate.atMs);
  const isTighter = estimate.uncertaintyMs <= known.uncertaintyMs * WORTHWHILE_GAIN;
  const isOld = state.expiresAtMs - estimate.atMs < ttl.ttlMs * WORTHWHILE_AGE;
  return isTighter || isOld;
}

export interface RefreshQuestion {
  readonly state: UsableState;
  /** By the clock that the state is relative to. */
  readonly referenceNowMs: number;
  /** The uncertainty that a measurement by this caller would have. */
  readonly attainableMs: number;
  /** 0 ≤ random < 1. */
  readonly random: number;
}

/**
 * Whether this caller should measure although nobody waits for it: because the state nears its end, or because it is
 * known much less well than it could be. An exchange whose answers tell the time only to the second would otherwise
 * never be known better, and a step of its clock by less would never be seen.
 *
 * Of many that ask, few are told to: more and more towards the end of its life, more and more the coarser it is, so
 * that one of them does it in time and not all at once.
 * Source: A. Vattani, F. Chierichetti, K. Lowenstein, "Optimal probabilistic cache stampede prevention" (2015), here
 * with a linear ramp, which needs no estimate of how long a refresh takes.
 */
export function isRefreshDue({ state, referenceNowMs, attainableMs, random }: RefreshQuestion): boolean {
  const lifeMs = state.expiresAtMs - state.estimate.atMs;
  const leftShare = (state.expiresAtMs - referenceNowMs) / lifeMs;
  const ending = 1 - leftShare / REFRESH_SHARE;
  const { uncertaintyMs } = inflate(state.estimate, referenceNowMs);
  const coarse = Math.min(1, uncertaintyMs / (COARSE_FACTOR * attainableMs + COARSE_MS) - 1) * COARSE_SHARE;
  return random < Math.max(ending, coarse);
}
