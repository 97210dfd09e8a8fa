/**
 * A machine's clock that a test holds: no time passes but what it lets pass, and timers go off as it does.
 *
 * It has the two hands that a machine has, a wall clock and a monotonic one, so that what parts them can be played: somebody
 * sets the wall clock, or the machine is suspended and its monotonic clock stands still. {@link FakeClock.trueNow} is what
 * everybody else goes by meanwhile; give it to the simulator, and the exchange's time passes with the test's.
 */
import { InvalidInputError } from '../base/errors.js';
import { shown } from '../base/shown.js';
import type { HostClock } from '../clock/host-clock.js';
import type { Timers } from '../clock/timers.js';

export interface FakeClockOptions {
  /** True time at the start, epoch milliseconds. Default 2026-01-01T00:00Z. */
  readonly startMs?: number | undefined;
  /** How far ahead of true time this machine's clocks are, milliseconds. Default 0. */
  readonly skewMs?: number | undefined;
  /** How much faster they run, parts per million. Default 0. */
  readonly driftPpm?: number | undefined;
}

export interface FakeClock extends HostClock {
  /** To be given to `createConnectorState` or `createInMemoryState` beside the clock. */
  readonly timers: Timers;
  /** True time, epoch milliseconds: for the simulator's `now`. */
  trueNow(): number;
  /** Time passes for everybody, timers that come due go off in their order, and what they began is waited for. */
  advance(ms: number): Promise<void>;
  /** The machine is suspended: time passes for everybody, and its monotonic clock stands still. No timer goes off. */
  suspend(ms: number): void;
  /** Somebody moves the wall clock, forward or back. */
  setWall(byMs: number): void;
}

const DEFAULT_START_MS = Date.UTC(2026, 0, 1);
let machines = 0;

interface Timer {
  readonly dueMs: number;
  readonly action: () => void;
}

/**
 * @example
 * ```ts
 * const clock = createFakeClock({ skewMs: 1_500 });
 * const simulator = await startExchangeSimulator({ now: clock.trueNow, knobs: NO_LATENCY });
 * const state = createInMemoryState({ clock });
 * // …
 * await clock.advance(3_600_000);
 * clock.suspend(60_000);
 * ```
 * @throws InvalidInputError for options that are no numbers
 */
export function createFakeClock(options: FakeClockOptions = {}): FakeClock {
  const { startMs = DEFAULT_START_MS, skewMs = 0, driftPpm = 0 } = options;
  for (const [name, value] of Object.entries({ startMs, skewMs, driftPpm })) checkNumber(name, value);
  let trueMs = startMs;
  let behindMs = 0;
  let wallAheadMs = 0;
  const timers = new Set<Timer>();
  const driftedMs = () => ((trueMs - startMs) * driftPpm) / 1e6;
  const now = () => trueMs + skewMs + driftedMs() - behindMs;
  const clock: FakeClock = {
    id: `host:fake-${++machines}/1`,
    now,
    wall: () => trueMs + skewMs + driftedMs() + wallAheadMs,
    trueNow: () => trueMs,
    timers: {
      after(ms, action) {
        const timer = { dueMs: now() + ms, action };
        timers.add(timer);
        return () => void timers.delete(timer);
      },
    },
    async advance(ms) {
      checkSpan(ms);
      const untilMs = trueMs + ms;
      for (;;) {
        const [next] = [...timers].sort((a, b) => a.dueMs - b.dueMs);
        const inMs = next === undefined ? Number.POSITIVE_INFINITY : Math.max(0, next.dueMs - now());
        if (next === undefined || trueMs + inMs > untilMs) break;
        trueMs += inMs;
        timers.delete(next);
        next.action();
        await turnOfTheLoop();
      }
      trueMs = untilMs;
      await turnOfTheLoop();
    },
    suspend(ms) {
      checkSpan(ms);
      trueMs += ms;
      behindMs += ms;
    },
    setWall(byMs) {
      checkNumber('byMs', byMs);
      wallAheadMs += byMs;
    },
  };
  return clock;
}

const turnOfTheLoop = () => new Promise<void>(resolve => setImmediate(resolve));

function checkNumber(name: string, value: number): void {
  if (!Number.isFinite(value)) throw new InvalidInputError(`${name} must be a number, got ${shown(value)}`);
}

function checkSpan(ms: number): void {
  if (!(Number.isFinite(ms) && ms >= 0)) {
    throw new InvalidInputError(
      `time passes by milliseconds from 0 on, got ${shown(ms)}: setWall() goes back`,
    );
  }
}
