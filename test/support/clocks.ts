/** Clocks of other machines: wrong, drifting, stepping, frozen. */
import { type HostClock, systemClock } from '../../src/clock/host-clock.js';

let machines = 0;

/** Another machine, whose clock is ahead of this one's by `skewMs` and runs faster by `driftPpm`. */
export function machine(skewMs = 0, driftPpm = 0): HostClock {
  const startedAt = systemClock.now();
  const read = () => {
    const now = systemClock.now();
    return now + skewMs + ((now - startedAt) * driftPpm) / 1e6;
  };
  return { now: read, wall: read, id: `host:machine-${++machines}/1` };
}

export interface SteerableClock extends HostClock {
  /** Time passes, by wall and monotonic clock. */
  advance(ms: number): void;
  /** Somebody sets the wall clock; the monotonic one goes on. */
  stepWall(ms: number): void;
  /**
   * The machine slept: its monotonic clock has stayed behind everybody else's. What cannot be played is that the
   * others' time has passed, so it stays behind by being set back.
   */
  freeze(ms: number): void;
}

/** A machine on which no time passes but what the test lets pass, by both clocks. */
export function stoppedMachine(): SteerableClock {
  const moved = { now: systemClock.now(), wall: systemClock.now() };
  return {
    id: `host:machine-${++machines}/1`,
    now: () => moved.now,
    wall: () => moved.wall,
    advance(ms) {
      moved.now += ms;
      moved.wall += ms;
    },
    stepWall(ms) {
      moved.wall += ms;
    },
    freeze(ms) {
      moved.now -= ms;
    },
  };
}

/** As {@link machine}, and the test may move its hands. */
export function steerableMachine(skewMs = 0): SteerableClock {
  const base = machine(skewMs);
  const moved = { now: 0, wall: 0 };
  return {
    id: base.id,
    now: () => base.now() + moved.now,
    wall: () => base.wall() + moved.wall,
    advance(ms) {
      moved.now += ms;
      moved.wall += ms;
    },
    stepWall(ms) {
      moved.wall += ms;
    },
    freeze(ms) {
      moved.now -= ms;
    },
  };
}
