/**
 * This process's clock, injected everywhere so that tests can be another machine.
 *
 * `now()` runs on the monotonic clock, anchored to the wall clock once: offsets measured against it survive
 * a step of the host's wall clock. What it does not survive is a freeze, because a suspended machine may
 * stop the monotonic clock; `wall()` is there to notice that (see {@link ContinuityGuard}).
 */
import { hostname } from 'node:os';

export interface HostClock {
  /** Epoch milliseconds with a fraction; never steps, may lag after a freeze. */
  now(): number;
  /** Epoch milliseconds by the wall clock; may step. */
  wall(): number;
  /** Names this timeline: two processes never share one, for each anchored its own. */
  readonly id: string;
}

const anchor = performance.timeOrigin;

export const systemClock: HostClock = {
  now: () => anchor + performance.now(),
  wall: () => Date.now(),
  id: `host:${hostname()}/${process.pid}-${Math.round(anchor).toString(36)}`,
};

/** Beyond the larger of these, wall and monotonic clock no longer tell the same time. */
export const STEP_FLOOR_MS = 50;
export const STEP_RATE_PPM = 500;

/** Notices that the wall clock stepped or the machine was frozen since the last look. */
export class ContinuityGuard {
  #clock: HostClock;
  #lastDifference: number;
  #lastLook: number;

  constructor(clock: HostClock) {
    this.#clock = clock;
    [this.#lastLook, this.#lastDifference] = readDifference(clock);
  }

  /** True when nothing happened since the last call; false once for every step or freeze. */
  isUnbroken(): boolean {
    let [now, difference] = readDifference(this.#clock);
    let isUnbroken = this.#continues(now, difference);
    if (!isUnbroken) {
      // On a busy machine another process may have run between the two clocks' readings; a step is there to stay.
      [now, difference] = readDifference(this.#clock);
      isUnbroken = this.#continues(now, difference);
    }
    this.#lastLook = now;
    this.#lastDifference = difference;
    return isUnbroken;
  }

  #continues(now: number, difference: number): boolean {
    const allowed = Math.max(STEP_FLOOR_MS, ((now - this.#lastLook) * STEP_RATE_PPM) / 1e6);
    return Math.abs(difference - this.#lastDifference) <= allowed;
  }
}

function readDifference(clock: HostClock): [now: number, difference: number] {
  const now = clock.now();
  return [now, clock.wall() - now];
}
