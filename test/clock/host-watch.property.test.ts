/** What is seen of a suspend afterwards is never less than what it did. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { HostWatch } from '../../src/clock/host-watch.js';

const START_MS = 1_764_000_000_000;

function machine() {
  let monotonicMs = START_MS;
  let wallMs = START_MS;
  const clock = { id: 'host:test', now: () => monotonicMs, wall: () => Math.floor(wallMs) };
  return {
    clock,
    run(ms: number) {
      monotonicMs += ms;
      wallMs += ms;
    },
    /** The monotonic clock stands still. */
    suspend(ms: number) {
      wallMs += ms;
    },
    setWall(ms: number) {
      wallMs += ms;
    },
    measured: () => ({ atMs: monotonicMs }),
  };
}

const pause = fc.double({ min: 0.01, max: 3_600_000, noNaN: true });
const length = fc.double({ min: 2.1, max: 8 * 3_600_000, noNaN: true });

describe('the watch over a host', () => {
  it('finds nothing while both clocks go on together', () => {
    fc.assert(
      fc.property(fc.array(pause, { maxLength: 50 }), pauses => {
        const { clock, run, measured } = machine();
        const watch = new HostWatch(clock);
        const link = measured();
        for (const ms of pauses) {
          run(ms);
          expect(watch.partedMsSince(link)).toBe(0);
        }
      }),
    );
  });

  it('finds at least what each suspend took, and at most 4 ms more, also when many add up', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(pause, length), { minLength: 1, maxLength: 60 }), suspends => {
        const { clock, run, suspend, measured } = machine();
        const watch = new HostWatch(clock);
        const link = measured();
        let lostMs = 0;
        for (const [ms, sleptMs] of suspends) {
          run(ms);
          watch.look();
          suspend(sleptMs);
          lostMs += sleptMs;
          const partedMs = watch.partedMsSince(link);
          expect(partedMs).toBeGreaterThanOrEqual(lostMs - 0.01);
          expect(partedMs).toBeLessThanOrEqual(lostMs + 4 * suspends.length);
        }
      }),
    );
  });

  it('counts a parting for what was measured before it, and not for what was measured after', () => {
    fc.assert(
      fc.property(pause, length, fc.constantFrom(1, -1), (ms, byMs, sign) => {
        const { clock, run, setWall, measured } = machine();
        const watch = new HostWatch(clock);
        const before = measured();
        expect(watch.partedMsSince(before)).toBe(0);
        run(ms);
        setWall(sign * byMs);
        watch.look();
        run(ms);
        const after = measured();
        expect(watch.partedMsSince(after)).toBe(0);
        expect(watch.partedMsSince(before)).toBeGreaterThanOrEqual(byMs - 0.01);
      }),
    );
  });

  it('counts what parted while the measurement was on its way', () => {
    const { clock, run, suspend, measured } = machine();
    const watch = new HostWatch(clock);
    watch.look();
    const underWay = measured();
    suspend(500);
    run(1);
    expect(watch.partedMsSince(underWay)).toBeGreaterThanOrEqual(500);
  });

  it('is not misled by a monotonic clock that was set back', () => {
    let monotonicMs = START_MS;
    const watch = new HostWatch({ now: () => monotonicMs, wall: () => START_MS });
    const link = { atMs: monotonicMs };
    expect(watch.partedMsSince(link)).toBe(0);
    monotonicMs -= 60_000;
    expect(watch.partedMsSince(link)).toBeGreaterThanOrEqual(60_000);
    const relinked = { atMs: monotonicMs };
    expect(watch.partedMsSince(relinked)).toBe(0);
  });
});
