/**
 * How far this host's wall clock and monotonic clock have parted since a moment.
 *
 * What was measured at the moment t is applied to the monotonic clock (host-clock.ts). When the machine is suspended
 * and that clock stands still meanwhile, everything applied to it is behind by as long as the machine slept; the wall
 * clock, which went on or is set right later, has moved away from it by just that much. When somebody sets the wall
 * clock, the two part as well, and nothing is wrong. From here the two cannot be told apart, so the parting is taken
 * for what it may be: |error| ≤ bound at t + {@link HostWatch.partedMsSince}(t), until what was measured is measured
 * again.
 *
 * A reading is an interval: the wall clock tells whole milliseconds and is read between two readings of the monotonic
 * one, so wall − monotonic lies in [wall − after, wall + 1 − before]. Readings that have a value in common are one
 * difference, known better with each; one that excludes what was known is a parting of at most the distance between
 * the far ends. A freeze shorter than the readings are wide, 1 to 2 ms, is not noticed.
 *
 * On Linux both clocks are slewed alike by network time, so they part by steps and suspends only. Where they are not,
 * a slewed wall clock counts as a slow parting, which is right too: it is the monotonic clock that is off then.
 */
import type { HostClock } from './host-clock.js';
import type { Interval } from './offset.js';

interface Parting {
  /** From 1, in the order in which they were noticed. */
  readonly number: number;
  /** By the monotonic clock, when it was noticed. */
  readonly noticedAtMs: number;
  /** > 0, at most. */
  readonly byMs: number;
}

/** Of a reading that another process ran into the middle of, another is taken. */
const READINGS = 3;
const GOOD_READING_MS = 2;
/** Of doubles of the size of epoch milliseconds, twice over. */
const ROUNDING_MS = 0.001;
/** The oldest are told as one. */
const REMEMBERED = 32;

type ReadClock = Pick<HostClock, 'now' | 'wall'>;

export class HostWatch {
  readonly #clock: ReadClock;
  #difference: Interval;
  /** The oldest first. */
  #partings: readonly Parting[] = [];
  #count = 0;
  /** How many there had been when something measured was first asked about. */
  readonly #countThen = new WeakMap<object, number>();

  constructor(clock: ReadClock) {
    this.#clock = clock;
    this.#difference = readDifference(clock);
  }

  /** Notices what has happened since the last look; to be called before what is to be timed. */
  look(): void {
    const seen = readDifference(this.#clock);
    const known = this.#difference;
    const low = Math.max(seen.low, known.low);
    const high = Math.min(seen.high, known.high);
    if (low <= high) {
      this.#difference = { low, high };
      return;
    }
    const byMs = Math.max(seen.high - known.low, known.high - seen.low);
    this.#difference = seen;
    const noticed = { number: ++this.#count, noticedAtMs: this.#clock.now(), byMs };
    this.#partings = merged([...this.#partings, noticed]);
  }

  /**
   * Looks, and tells how far the clocks have parted since something was measured; to be asked first when it arrives. A
   * parting counts if it was noticed after that, or after the time of the measurement: a monotonic clock that a resumed
   * virtual machine finds set back shows earlier times than before.
   * @param measured its identity is remembered; `atMs` by the monotonic clock
   * @returns milliseconds, 0 when the clocks went on together
   */
  partedMsSince(measured: { readonly atMs: number }): number {
    this.look();
    const countThen = this.#countThen.get(measured) ?? this.#count;
    this.#countThen.set(measured, countThen);
    let sumMs = 0;
    for (const { number, noticedAtMs, byMs } of this.#partings) {
      if (number > countThen || noticedAtMs > measured.atMs) sumMs += byMs;
    }
    return sumMs;
  }
}

function readDifference(clock: ReadClock): Interval {
  let best: Interval | undefined;
  for (let reading = 0; reading < READINGS; reading++) {
    const before = clock.now();
    const wall = clock.wall();
    const after = clock.now();
    const seen = { low: wall - after - ROUNDING_MS, high: wall + 1 - before + ROUNDING_MS };
    if (!best || seen.high - seen.low < best.high - best.low) best = seen;
    if (after - before < GOOD_READING_MS) break;
  }
  return best as Interval;
}

/** The later moment of the two: what was measured between them is held to have met both. */
function merged(partings: readonly Parting[]): readonly Parting[] {
  if (partings.length <= REMEMBERED) return partings;
  const [first, second, ...rest] = partings as [Parting, Parting, ...Parting[]];
  return [{ ...second, byMs: first.byMs + second.byMs }, ...rest];
}

const watches = new WeakMap<ReadClock, HostWatch>();

/** The one of all who go by this clock. */
export function watchOf(clock: HostClock): HostWatch {
  let watch = watches.get(clock);
  if (!watch) {
    watch = new HostWatch(clock);
    watches.set(clock, watch);
  }
  return watch;
}
