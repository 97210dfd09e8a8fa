/**
 * A clock as a function of true time.
 *
 * What it shows is true time plus an offset; the offset moves by a rate (ppm) that is constant for a while, an hour
 * or less, and jumps where the clock steps. Everything is drawn when the clock is made, so the truth can be asked
 * for any moment, in any order, and does not depend on who looks.
 */
import type { Dice } from './dice.js';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

export interface Step {
  /** True time. */
  readonly atMs: number;
  readonly byMs: number;
}

export interface TrueClock {
  /** What it shows. */
  read(trueMs: number): number;
  /** What it shows, less true time. */
  offsetAt(trueMs: number): number;
  /** How many times it has stepped until then. */
  epochAt(trueMs: number): number;
  readonly steps: readonly Step[];
  /** The largest |rate| it ever has. */
  readonly worstPpm: number;
}

export interface Habits {
  readonly fromMs: number;
  readonly toMs: number;
  readonly offsetMs: number;
  readonly ppm: number;
  /** Standard deviation of the hourly change of the rate. */
  readonly walkPpm: number;
  /** No rate beyond ±this. */
  readonly limitPpm: number;
  /** Somebody steers it back to where it should be, over about this time; undefined: nobody does. */
  readonly disciplineMs?: number;
  /** In the order of time. A step that a later one takes back is not steered against. */
  readonly steps?: readonly (Step & { readonly isHeld?: boolean })[];
}

/** A clock with a life of its own: random-walk rate, discipline, steps. */
export function wanderingClock(habits: Habits, dice: Dice): TrueClock {
  const { fromMs, toMs, walkPpm, limitPpm, disciplineMs, steps = [] } = habits;
  const starts: number[] = [];
  const offsets: number[] = [];
  const rates: number[] = [];
  let [at, offset, walk, held, next] = [fromMs, habits.offsetMs, habits.ppm, 0, 0];
  while (at < toMs) {
    const pull = disciplineMs === undefined ? 0 : (-(offset - held) / disciplineMs) * 1e6;
    const ppm = clamp(walk + pull, limitPpm);
    starts.push(at);
    offsets.push(offset);
    rates.push(ppm);
    const step = steps[next];
    const hourEnds = at + HOUR_MS;
    const until = step && step.atMs < hourEnds ? Math.max(at, step.atMs) : hourEnds;
    offset += ((until - at) * ppm) / 1e6;
    if (step && until === Math.max(at, step.atMs)) {
      offset += step.byMs;
      if (step.isHeld) held += step.byMs;
      next++;
    } else {
      walk = clamp(walk + walkPpm * dice.normal(), limitPpm);
    }
    at = until;
  }
  return new PiecewiseClock(starts, offsets, rates, steps);
}

/** One rate for all its life, which is short. */
export class SteadyClock implements TrueClock {
  readonly steps: readonly Step[] = [];
  readonly worstPpm: number;
  readonly #fromMs: number;
  readonly #offsetMs: number;
  readonly #ppm: number;

  constructor(fromMs: number, offsetMs: number, ppm: number) {
    this.#fromMs = fromMs;
    this.#offsetMs = offsetMs;
    this.#ppm = ppm;
    this.worstPpm = Math.abs(ppm);
  }

  read(trueMs: number): number {
    return trueMs + this.offsetAt(trueMs);
  }

  offsetAt(trueMs: number): number {
    return this.#offsetMs + ((trueMs - this.#fromMs) * this.#ppm) / 1e6;
  }

  epochAt(): number {
    return 0;
  }
}

class PiecewiseClock implements TrueClock {
  readonly steps: readonly Step[];
  readonly worstPpm: number;
  readonly #starts: Float64Array;
  readonly #offsets: Float64Array;
  readonly #rates: Float64Array;
  /** Most questions are about the piece that the last one was about, or its neighbour. */
  #piece = 0;

  constructor(starts: number[], offsets: number[], rates: number[], steps: readonly Step[]) {
    this.#starts = Float64Array.from(starts);
    this.#offsets = Float64Array.from(offsets);
    this.#rates = Float64Array.from(rates);
    this.steps = steps;
    this.worstPpm = rates.reduce((worst, rate) => Math.max(worst, Math.abs(rate)), 0);
  }

  read(trueMs: number): number {
    return trueMs + this.offsetAt(trueMs);
  }

  offsetAt(trueMs: number): number {
    const starts = this.#starts;
    const last = starts.length - 1;
    let piece = this.#piece;
    while (piece > 0 && (starts[piece] as number) > trueMs) piece--;
    while (piece < last && (starts[piece + 1] as number) <= trueMs) piece++;
    this.#piece = piece;
    const elapsedMs = trueMs - (starts[piece] as number);
    return (this.#offsets[piece] as number) + (elapsedMs * (this.#rates[piece] as number)) / 1e6;
  }

  epochAt(trueMs: number): number {
    let epoch = 0;
    while (epoch < this.steps.length && (this.steps[epoch] as Step).atMs <= trueMs) epoch++;
    return epoch;
  }
}

const clamp = (value: number, limit: number) => Math.min(limit, Math.max(-limit, value));
