/** A program's timers on a simulated host: they run by its monotonic clock, so a suspend makes them late. */
import type { Timers } from '../../../src/clock/timers.js';
import type { Host } from '../world/host.js';
import type { VirtualTime } from '../world/virtual-time.js';

const ROUNDING_MS = 0.01;

export function hostTimers(host: Host, time: VirtualTime): Timers {
  return {
    after(ms, action) {
      const dueMs = host.monotonic(time.now()) + ms;
      let isCalledOff = false;
      const wait = () => {
        if (isCalledOff) return;
        const leftMs = dueMs - host.monotonic(time.now());
        if (leftMs <= ROUNDING_MS) action();
        else time.at(host.awakeAt(time.now() + leftMs), wait);
      };
      wait();
      return () => {
        isCalledOff = true;
      };
    },
  };
}
