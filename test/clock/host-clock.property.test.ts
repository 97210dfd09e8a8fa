import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isContinuous, STEP_FLOOR_MS, STEP_RATE_PPM } from '../../src/clock/continuous.js';
import { ContinuityGuard, type HostClock, systemClock } from '../../src/clock/host-clock.js';

const START_MS = 1_764_000_000_000;

function machine() {
  let now = START_MS;
  let wall = START_MS;
  const clock: HostClock = { id: 'host:test', now: () => now, wall: () => wall };
  return {
    clock,
    run(ms: number, slewPpm = 0) {
      now += ms;
      wall += ms * (1 + slewPpm / 1e6);
    },
    step(ms: number) {
      wall += ms;
    },
    /** The monotonic clock stands still, the world goes on. */
    freeze(ms: number) {
      wall += ms;
    },
  };
}

/** One less than allowed: doubles hold an epoch millisecond with less precision than a product. */
const slewPpm = fc.integer({ min: 1 - STEP_RATE_PPM, max: STEP_RATE_PPM - 1 });
const pause = fc.double({ min: 0, max: 3_600_000, noNaN: true });

describe('the continuity guard', () => {
  it('finds nothing while both clocks tell the same time, slewed as operating systems do', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(pause, slewPpm), { maxLength: 20 }), runs => {
        const { clock, run } = machine();
        const guard = new ContinuityGuard(clock);
        for (const [ms, slewPpm] of runs) {
          run(ms, slewPpm);
          expect(guard.isUnbroken()).toBe(true);
        }
      }),
    );
  });

  it('tells of every step and freeze that is larger than it allows for, once', () => {
    fc.assert(
      fc.property(
        pause,
        fc.double({ min: 1.01, max: 1e6, noNaN: true }),
        fc.constantFrom('forwards' as const, 'backwards' as const, 'freeze' as const),
        (sinceLookMs, factor, kind) => {
          const { clock, run, step, freeze } = machine();
          const guard = new ContinuityGuard(clock);
          run(sinceLookMs);
          const size = factor * Math.max(STEP_FLOOR_MS, (sinceLookMs * STEP_RATE_PPM) / 1e6);
          if (kind === 'freeze') freeze(size);
          else step(kind === 'forwards' ? size : -size);

          expect(guard.isUnbroken()).toBe(false);
          expect(guard.isUnbroken()).toBe(true);
          run(1_000);
          expect(guard.isUnbroken()).toBe(true);
        },
      ),
    );
  });
});

describe('the continuity guard, over many short freezes', () => {
  it('adds up what it does not notice one by one', () => {
    fc.assert(
      fc.property(
        fc.array(pause, { maxLength: 5 }),
        fc.array(fc.record({ runMs: fc.double({ min: 0, max: 1_000, noNaN: true }) }), {
          minLength: 3,
          maxLength: 30,
        }),
        (before, freezes) => {
          const { clock, run, freeze } = machine();
          const guard = new ContinuityGuard(clock);
          for (const ms of before) {
            run(ms);
            guard.isUnbroken();
          }
          // Each is shorter than what is allowed for; from the second on they are more together.
          let noticed = 0;
          for (const { runMs } of freezes) {
            run(runMs);
            freeze(40);
            if (!guard.isUnbroken()) noticed++;
          }
          expect(noticed).toBeGreaterThanOrEqual(Math.floor((freezes.length - 1) / 2));
        },
      ),
    );
  });

  it('keeps looking over the last minutes in a process that is days old', () => {
    const { clock, run, freeze } = machine();
    const guard = new ContinuityGuard(clock);
    for (let hour = 0; hour < 72; hour++) {
      run(3_600_000);
      expect(guard.isUnbroken()).toBe(true);
    }
    const broken = Array.from({ length: 10 }, () => {
      run(5_000);
      freeze(40);
      return !guard.isUnbroken();
    });
    expect(broken.filter(Boolean).length).toBeGreaterThanOrEqual(3);
  });
});

describe('what two clocks say of one time span', () => {
  it('agrees up to the larger of 50 ms and 500 ppm', () => {
    expect([isContinuous(0, 50), isContinuous(0, 51), isContinuous(0, -51)]).toEqual([true, false, false]);
    expect([isContinuous(1_000_000, 1_000_500), isContinuous(1_000_000, 999_499)]).toEqual([true, false]);
  });
});

describe("the system's clock", () => {
  it('tells the wall time, never goes back, and has a name of its own', () => {
    const first = systemClock.now();
    const second = systemClock.now();
    expect(second).toBeGreaterThanOrEqual(first);
    expect(Math.abs(systemClock.now() - systemClock.wall())).toBeLessThan(5_000);
    expect(systemClock.id).toMatch(/^host:.+\/\d+-[0-9a-z]+$/);
  });
});
