/**
 * The clock of one exchange, environment and scope as this process knows it: one state, followed by every connector.
 *
 * A connector used to keep the state of its last init for itself. So after a step of the exchange's clock each met its
 * own refusal, and one that was healed told the others nothing. Now whatever one learns is what all sign by from then
 * on, and what another one's init finds is only taken where it is better:
 *
 *   the two exclude each other      the later one; what was learned just now always is
 *   they agree                      what was found, unless its bound is much larger; until the later of both ends
 *   only one is sound               that one: the other was condemned, or is contradicted
 *
 * After a failover the lookup's answer is relative to another clock than what all go by. Which of the two is better is told
 * by what either says of this host's clock; what the process knew is then carried over to the clock that answers now. Left
 * where it was it would still be right, but all that is measured by it would be told about a clock that nobody reads any more,
 * and each init would begin with nothing.
 *
 * A sample that was asked for before a step was noticed, and excludes what all go by since, was stamped before the step.
 * It is out of order, and no reason to go back: {@link ProcessClock.isOutOfOrder}.
 *
 * The bound is that of the state at its age, of the link to its reference clock at its age, and as many milliseconds as
 * this host's two clocks have parted since (host-watch.ts). So nothing need be known about a suspend but what can be
 * seen afterwards. Keeping the bound small is clock-upkeep.ts.
 */
import { appliedOffset, type UsableState } from '../cache/lookup.js';
import type { MeasuredOffset } from '../cache/measurement.js';
import type { HostClock } from '../clock/host-clock.js';
import { watchOf } from '../clock/host-watch.js';
import { ASSUMED_RATE, DRIFT_BOUND_PPM, intersect, type OffsetEstimate } from '../clock/offset.js';
import { type ReferenceLink, toReference } from '../clock/reference.js';
import { DEFAULT_RANGE, toleranceOf } from '../clock/request-window.js';

/**
 * What a lookup finds is what all hosts agree on, which withstands one that errs; the process's own word alone does
 * not. So that is only kept for what it is worth most: a guess, or a database that could not be asked.
 */
const MUCH_WORSE = { factor: 2, ms: 10 };
const isMuchWorse = (a: OffsetEstimate, than: OffsetEstimate): boolean =>
  a.uncertaintyMs > MUCH_WORSE.factor * than.uncertaintyMs + MUCH_WORSE.ms;

interface Linked {
  readonly estimate: OffsetEstimate;
  readonly link: ReferenceLink;
}

/**
 * By this host's clock: what was measured here is put in order exactly, which the reference clock cannot do, for two
 * links to it differ by their uncertainties.
 */
const measuredAtMs = ({ estimate, link }: Linked): number => estimate.atMs - link.offsetMs;

const isSurelyLater = (state: Linked, than: Linked): boolean =>
  measuredAtMs(state) - measuredAtMs(than) > state.link.uncertaintyMs + than.link.uncertaintyMs;

export interface ProcessClockParts {
  readonly clock: HostClock;
  /** Neither condemned, nor from before a step, nor contradicted, as far as this process knows. */
  readonly isSound: (state: UsableState) => boolean;
}

export class ProcessClock {
  readonly #parts: ProcessClockParts;
  #state: UsableState | undefined;
  #epoch = 1;
  /** By this host's clock, when the present epoch began here. */
  #steppedAtMs = Number.NEGATIVE_INFINITY;
  /** Called when all go by another state. */
  onChange: (() => void) | undefined;

  constructor(parts: ProcessClockParts) {
    this.#parts = parts;
  }

  get state(): UsableState | undefined {
    return this.#state;
  }

  /** From 1; one more with each state that excludes the one before. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Exchange minus this host, now, bound included. */
  applied(state: UsableState): OffsetEstimate {
    const applied = appliedOffset(state, this.#parts.clock.now());
    const partedMs = this.partedMs(state);
    if (partedMs === 0) return applied;
    // A machine that slept does not know that the clocks drifted meanwhile.
    const { ratePpm, boundPpm } = state.estimate.rate ?? ASSUMED_RATE;
    const driftedMs = (partedMs * (Math.abs(ratePpm) + boundPpm + DRIFT_BOUND_PPM)) / 1e6;
    return { ...applied, uncertaintyMs: applied.uncertaintyMs + partedMs + driftedMs };
  }

  /** As {@link applied}; `undefined` where this host's clocks have parted since. */
  appliedUnparted(state: UsableState): OffsetEstimate | undefined {
    return this.partedMs(state) === 0 ? appliedOffset(state, this.#parts.clock.now()) : undefined;
  }

  /** How far this host's clocks have parted since the state was linked to them. */
  partedMs({ referenceClock, estimate, link }: UsableState): number {
    const { clock } = this.#parts;
    return watchOf(clock).partedMsSince(referenceClock === clock.id ? estimate : link);
  }

  /** Now, by the clock that the state is relative to. */
  referenceNowMs({ link }: UsableState): number {
    return this.#parts.clock.now() + link.offsetMs;
  }

  /** What was learned just now: all go by it. */
  learned(state: UsableState): void {
    this.#set(state);
  }

  /** What was found somewhere: taken where it is better than what all go by. */
  found(state: UsableState): void {
    const present = this.#state;
    const better = present ? this.#better(present, state) : state;
    this.#set(better === present ? this.#carriedOver(present, state.link) : better);
  }

  /** The way to the reference clock as it was measured just now. */
  linked(link: ReferenceLink): void {
    const state = this.#state;
    if (state && link.clockId === state.referenceClock) this.#set({ ...state, link });
  }

  /** It excludes what all go by since a step that was noticed after the exchange had been asked for it. */
  isOutOfOrder(measured: MeasuredOffset): boolean {
    const state = this.#state;
    if (!state || state.referenceClock !== measured.link.clockId) return false;
    const askedAtMs = measuredAtMs(measured) - measured.roundTripMs;
    return askedAtMs < this.#steppedAtMs && !intersect(state.estimate, measured.estimate);
  }

  /** Whether what all go by now excludes this one. */
  excludes(state: UsableState): boolean {
    return this.#state !== undefined && this.#state !== state && !this.#agree(this.#state, state);
  }

  #better(present: UsableState, found: UsableState): UsableState {
    const isPresentSound = this.#parts.isSound(present);
    if (isPresentSound !== this.#parts.isSound(found)) return isPresentSound ? present : found;
    const isComparable = present.referenceClock === found.referenceClock;
    if (!this.#agree(present, found)) {
      // What a suspend made doubtful may have the later time of the two.
      const isDoubtful = this.partedMs(present) > this.partedMs(found);
      return isComparable && !isDoubtful && !isSurelyLater(found, present) ? present : found;
    }
    const [before, after] = [this.applied(present), this.applied(found)];
    // Too wide to sign by, as after a suspend, it is no better than a guess by the clock that answers.
    const isWorthless = !isComparable && before.uncertaintyMs > toleranceOf(DEFAULT_RANGE);
    const better = isMuchWorse(after, before) && !isWorthless ? present : found;
    const expiresAtMs = Math.max(present.expiresAtMs, found.expiresAtMs);
    return !isComparable || better.expiresAtMs === expiresAtMs ? better : { ...better, expiresAtMs };
  }

  /** The same, relative to the clock that a database answered with since; this host's own is no reason to leave one. */
  #carriedOver(state: UsableState, link: ReferenceLink): UsableState {
    const { clock } = this.#parts;
    if (link.clockId === state.referenceClock || link.clockId === clock.id) return state;
    const now = toReference(this.applied(state), link);
    // It is as old as it was, or it would pass for measured after a step that came since.
    const atMs = measuredAtMs(state) + link.offsetMs;
    const agedMs = ((now.atMs - atMs) * DRIFT_BOUND_PPM) / 1e6;
    const uncertaintyMs = Math.max(state.estimate.uncertaintyMs, now.uncertaintyMs - agedMs);
    const leftMs = state.expiresAtMs - this.referenceNowMs(state);
    return {
      ...state,
      estimate: { offsetMs: now.offsetMs, uncertaintyMs, atMs },
      expiresAtMs: now.atMs + leftMs,
      referenceClock: link.clockId,
      link,
    };
  }

  #agree(a: UsableState, b: UsableState): boolean {
    const isComparable = a.referenceClock === b.referenceClock;
    if (isComparable && this.partedMs(a) === 0 && this.partedMs(b) === 0) {
      return intersect(a.estimate, b.estimate) !== undefined;
    }
    return intersect(this.applied(a), this.applied(b)) !== undefined;
  }

  #set(state: UsableState): void {
    const before = this.#state;
    if (before === state) return;
    if (before && !this.#agree(before, state)) {
      this.#epoch++;
      this.#steppedAtMs = this.#parts.clock.now();
    }
    this.#state = state;
    // Asked about as early as can be: what parts from here on is noticed.
    this.partedMs(state);
    this.onChange?.();
  }
}
