/**
 * Chance, in streams that do not disturb each other.
 *
 * Each clock, each host and each init draws from a stream of its own, made from the world's seed and a name. So a
 * policy that makes one request more does not change the weather of the next init, and two policies meet the same.
 */
import { hashOf, type Random, seededRandom } from '../../../src/exchanges/simulator/random.js';

export class Dice {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** In [0, 1). */
  unit(): number {
    return this.#random();
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.#random();
  }

  /** As likely between 1 and 10 as between 10 and 100. */
  logBetween(low: number, high: number): number {
    return low * (high / low) ** this.#random();
  }

  exponential(mean: number): number {
    return -mean * Math.log(1 - this.#random());
  }

  /** Standard normal (Box and Muller, 1958). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.#random())) * Math.cos(2 * Math.PI * this.#random());
  }

  chance(share: number): boolean {
    return this.#random() < share;
  }

  sign(): 1 | -1 {
    return this.#random() < 0.5 ? -1 : 1;
  }

  /** 0 to n − 1. */
  index(n: number): number {
    return Math.floor(this.#random() * n);
  }

  pick<T>(from: readonly T[]): T {
    return from[this.index(from.length)] as T;
  }
}

export const diceOf = (seed: number, name: string): Dice => new Dice(seededRandom(mixed(seed, hashOf(name))));

/** The n-th of many streams of one kind, without making a name for each. */
export const numberedDice = (seed: number, kind: number, n: number): Dice =>
  new Dice(seededRandom(mixed(mixed(seed, kind), n)));

/** Neighbouring numbers in, unrelated numbers out (the finalizer of MurmurHash3, A. Appleby). */
function mixed(a: number, b: number): number {
  let h = (Math.imul(a, 0x9e3779b1) ^ b) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
