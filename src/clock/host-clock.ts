/**
 * This process's clock, injected everywhere so that tests can be another machine.
 *
 * `now()` runs on the monotonic clock, anchored to the wall clock once: offsets measured against it survive
 * a step of the host's wall clock. What it does not survive is a freeze, because a suspended machine may
 * stop the monotonic clock; `wall()` is there to notice that (see {@link ContinuityGuard}).
 */
import { hostname } from 'node:os';
import { isContinuous } from './continuous.js';

export interface HostClock {
  /** Epoch milliseconds with a fraction; never steps, may lag after a freeze. */
  now(): number;
  /** Epoch milliseconds by the wall clock; may step. */
  wall(): number;
  /** Names this timeline: two processes never share one, for each anchored its own. */
  readonly id: string;
}

const anchor = performance.timeOrigin;

const idOf = (machine: string) => `host:${machine}/${process.pid}-${Math.round(anchor).toString(36)}`;

export const systemClock: HostClock = {
  now: () => anchor + performance.now(),
  wall: () => Date.now(),
  id: idOf(hostname()),
};

/** The same clock by the name that a setting fixes: containers of one machine have host names of their own. */
export const systemClockOf = (machineName: string | undefined): HostClock =>
  machineName === undefined ? systemClock : { ...systemClock, id: idOf(machineName) };

/** Freezes too short to be noticed one by one are added up for so long. */
const SUM_OVER_MS = 60_000;

interface Reading {
  readonly now: number;
  readonly wall: number;
}

/**
 * Notices that the wall clock stepped or the machine was frozen since the last look.
 *
 * A freeze that stops the monotonic clock is a gap between two looks that only the wall clock shows. Where the
 * monotonic clock runs on there is nothing to notice: what is timed by it ages as it should. And a machine whose
 * clocks both stood still finds out when its wall clock is set right, which is a step.
 */
export class ContinuityGuard {
  readonly #clock: Pick<HostClock, 'now' | 'wall'>;
  #last: Reading;
  /** An earlier look, from which short freezes are added up. */
  #anchor: Reading;

  constructor(clock: Pick<HostClock, 'now' | 'wall'>) {
    this.#clock = clock;
    this.#last = readBoth(clock);
    this.#anchor = this.#last;
  }

  /** True when nothing happened since the last call; false once for every step or freeze. */
  isUnbroken(): boolean {
    let reading = readBoth(this.#clock);
    let isUnbroken = this.#continues(reading);
    if (!isUnbroken) {
      // On a busy machine another process may have run between the two clocks' readings; a step is there to stay.
      reading = readBoth(this.#clock);
      isUnbroken = this.#continues(reading);
    }
    this.#last = reading;
    if (!isUnbroken || reading.now - this.#anchor.now >= SUM_OVER_MS) this.#anchor = reading;
    return isUnbroken;
  }

  #continues(reading: Reading): boolean {
    return isContinuousBetween(this.#last, reading) && isContinuousBetween(this.#anchor, reading);
  }
}

const isContinuousBetween = (from: Reading, to: Reading): boolean =>
  isContinuous(to.now - from.now, to.wall - from.wall);

function readBoth(clock: Pick<HostClock, 'now' | 'wall'>): Reading {
  const now = clock.now();
  return { now, wall: clock.wall() };
}
