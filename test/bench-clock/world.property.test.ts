/** The world of the proving ground: what it calls the truth must be true, or no figure of it means anything. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { diceOf } from '../../bench/clock/world/dice.js';
import { SimulatedExchange } from '../../bench/clock/world/exchange.js';
import { Host, processClock } from '../../bench/clock/world/host.js';
import {
  databasePath,
  internetPath,
  queryTrip,
  type Trip,
  trip,
  WORST_SIGN_TO_ARRIVAL_MS,
} from '../../bench/clock/world/network.js';
import { DAY_MS, HOUR_MS, SteadyClock, wanderingClock } from '../../bench/clock/world/true-clock.js';
import { VirtualTime } from '../../bench/clock/world/virtual-time.js';
import { Weather } from '../../bench/clock/world/weather.js';
import { createWorld, type World } from '../../bench/clock/world/world.js';
import { estimateFromSample } from '../../src/clock/offset.js';

/** Making one takes milliseconds, looking at it microseconds. */
const worlds = [1, 2, 3, 4, 5, 6].map(seed => createWorld({ seed, days: 3 }));

const seeds = fc.integer({ min: 0, max: 2 ** 31 });
const ASSUMED_PPM = 50;
/** Doubles of the size of epoch milliseconds. */
const ROUNDING_MS = 0.001;

const someTime = (world: World) => fc.double({ min: world.startMs, max: world.endMs, noNaN: true });

describe('the truth', () => {
  it('lies within the interval that a sample proves, whoever takes it, wherever and when', () => {
    fc.assert(
      fc.property(
        seeds,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.nat(6),
        fc.nat(3),
        fc.boolean(),
        (seed, at, server, place, isDate) => {
          const world = worlds[seed % worlds.length] as World;
          const exchange = world.exchanges[place] as SimulatedExchange;
          const host = world.servers[server * 3] as Host;
          const sentAtTrueMs = world.startMs + at * (world.endMs - world.startMs);
          const { upMs, processingMs, downMs } = new Weather(seed, 1, host, exchange).trip(0);
          const stampedAtMs = sentAtTrueMs + upMs + processingMs;
          const receivedAtTrueMs = stampedAtMs + downMs;
          const hasStepped =
            exchange.clock.epochAt(sentAtTrueMs) !== exchange.clock.epochAt(receivedAtTrueMs);
          fc.pre(!hasStepped && !host.frozeBetween(sentAtTrueMs, receivedAtTrueMs));
          const stamp = isDate ? exchange.stampOfSuccess(stampedAtMs) : exchange.stamp(stampedAtMs);
          const estimate = estimateFromSample({
            sentAtMs: host.monotonic(sentAtTrueMs),
            receivedAtMs: host.monotonic(receivedAtTrueMs),
            ...stamp,
          });
          const truth = exchange.clock.read(receivedAtTrueMs) - host.monotonic(receivedAtTrueMs);
          expect(Math.abs(estimate.offsetMs - truth)).toBeLessThanOrEqual(
            estimate.uncertaintyMs + ROUNDING_MS,
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  it('moves no faster than the bound assumed of it, but where the clock steps', () => {
    fc.assert(
      fc.property(seeds, fc.nat(3), fc.double({ min: 0, max: 1, noNaN: true }), (seed, place, at) => {
        const world = worlds[seed % worlds.length] as World;
        const { clock } = world.exchanges[place] as SimulatedExchange;
        const fromMs = world.startMs + at * (world.endMs - world.startMs - HOUR_MS);
        fc.pre(clock.epochAt(fromMs) === clock.epochAt(fromMs + HOUR_MS));
        const movedMs = Math.abs(clock.offsetAt(fromMs + HOUR_MS) - clock.offsetAt(fromMs));
        expect(movedMs).toBeLessThanOrEqual((HOUR_MS * clock.worstPpm) / 1e6 + ROUNDING_MS);
        for (const host of world.servers) {
          const { kind, oscillator } = host.machine;
          const relative = oscillator.worstPpm + clock.worstPpm;
          if (kind !== 'free-running') expect(relative).toBeLessThanOrEqual(ASSUMED_PPM);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('is the same in whatever order it is asked for', () => {
    const make = () =>
      wanderingClock(
        {
          fromMs: 0,
          toMs: DAY_MS,
          offsetMs: 5,
          ppm: 3,
          walkPpm: 1,
          limitPpm: 20,
          steps: [{ atMs: DAY_MS / 3, byMs: 700 }],
        },
        diceOf(7, 'clock'),
      );
    const times = fc.array(fc.double({ min: 0, max: DAY_MS, noNaN: true }), { minLength: 1 });
    fc.assert(
      fc.property(times, asked => {
        const clock = make();
        const inThisOrder = asked.map(time => clock.read(time));
        expect(inThisOrder).toEqual(asked.map(time => make().read(time)));
      }),
    );
  });
});

describe('a clock that steps', () => {
  it('jumps by the step, at that moment, and counts an epoch', () => {
    const steps = [{ atMs: 10_000, byMs: -2_500 }];
    const clock = wanderingClock(
      { fromMs: 0, toMs: HOUR_MS, offsetMs: 0, ppm: 0, walkPpm: 0, limitPpm: 50, steps },
      diceOf(1, 'steps'),
    );
    expect(clock.offsetAt(9_999.9)).toBe(0);
    expect(clock.offsetAt(10_000)).toBe(-2_500);
    expect([clock.epochAt(9_999.9), clock.epochAt(10_000)]).toEqual([0, 1]);
  });
});

describe('a host', () => {
  const machine = () => {
    const world = createWorld({ seed: 3, days: 1 });
    return (world.servers[0] as Host).machine;
  };

  it('stops its monotonic clock while it is frozen, and not its wall clock', () => {
    const host = new Host({ ...machine(), oscillator: new SteadyClock(0, 0, 0) }, [
      { fromMs: 1_000, toMs: 61_000 },
    ]);
    expect(host.monotonic(62_000) - host.monotonic(500)).toBe(1_500);
    expect(host.wall(62_000) - host.wall(500)).toBe(61_500);
    expect(host.awakeAt(30_000)).toBe(61_000);
    expect([
      host.frozeBetween(0, 900),
      host.frozeBetween(900, 70_000),
      host.frozeBetween(61_000, 70_000),
    ]).toEqual([false, true, false]);
  });

  it('sets its wall clock without disturbing a running program', () => {
    const host = new Host({
      ...machine(),
      oscillator: new SteadyClock(0, 0, 0),
      wallSteps: [{ atMs: 5_000, byMs: 20_000 }],
    });
    let nowMs = 0;
    const clock = processClock(host, 0, 1, () => nowMs);
    nowMs = 6_000;
    expect(clock.now()).toBe(6_000);
    expect(clock.wall()).toBe(26_000);
  });

  it('never runs backwards, not even the one that lies', () => {
    const world = createWorld({ seed: 11, days: 1 });
    const liar = world.servers.find(({ machine }) => machine.lie) as Host;
    fc.assert(
      fc.property(someTime(world), fc.double({ min: 0, max: 20_000, noNaN: true }), (at, elapsedMs) => {
        expect(liar.monotonic(at + elapsedMs)).toBeGreaterThanOrEqual(liar.monotonic(at));
      }),
    );
  });
});

describe('an exchange', () => {
  const exchange = (name: 'BYBIT' | 'BINGX') =>
    new SimulatedExchange(0, name, 'MAINNET', new SteadyClock(0, 0, 0));

  it.each(['BYBIT', 'BINGX'] as const)('takes what lies in its window, to the millisecond (%s)', name => {
    const at = 1_000_000.7;
    const accepted = [-5_001, -5_000, 0, 999, 1_000].map(early =>
      exchange(name).accepts(1_000_000 + early, at),
    );
    expect(accepted).toEqual([false, true, true, true, false]);
  });

  it('tells its time truncated, and in whole seconds where it has only a Date header', () => {
    expect(exchange('BYBIT').stampOfSuccess(1_234_567.9)).toEqual({
      serverTimeMs: 1_234_567,
      resolutionMs: 1,
    });
    expect(exchange('BINGX').stampOfSuccess(1_234_567.9)).toEqual({
      serverTimeMs: 1_234_000,
      resolutionMs: 1000,
    });
    expect(exchange('BINGX').stamp(1_234_567.9)).toEqual({ serverTimeMs: 1_234_567, resolutionMs: 1 });
  });
});

describe('the network', () => {
  it('takes at least its base time, and never so long that a sound timestamp is refused', () => {
    fc.assert(
      fc.property(seeds, seed => {
        const dice = diceOf(seed, 'network');
        const route = internetPath(dice);
        const one: Trip = trip(route, dice);
        expect(one.upMs).toBeGreaterThanOrEqual(route.upMs);
        expect(one.downMs).toBeGreaterThanOrEqual(route.downMs);
        expect(one.setUpMs + one.upMs).toBeLessThanOrEqual(WORST_SIGN_TO_ARRIVAL_MS);
        expect(queryTrip(databasePath(dice, 8), dice).upMs).toBeGreaterThan(0);
      }),
    );
    // The window's other end, with as much to spare as an estimate may be off.
    expect(WORST_SIGN_TO_ARRIVAL_MS).toBeLessThan(5_000 - 1_000);
  });

  it('is the same for every policy, however many requests each makes', () => {
    const world = createWorld({ seed: 5, days: 1 });
    const [host, place] = [world.servers[2] as Host, world.exchanges[1] as SimulatedExchange];
    const [hasty, busy] = [new Weather(5, 42, host, place), new Weather(5, 42, host, place)];
    busy.query(3);
    for (let k = 7; k >= 0; k--) busy.trip(k);
    expect([0, 1, 2].map(k => hasty.trip(k))).toEqual([0, 1, 2].map(k => busy.trip(k)));
    expect(new Weather(5, 43, host, place).trip(0)).not.toEqual(hasty.trip(0));
  });
});

describe('virtual time', () => {
  it('lets things happen in the order of time, each after what the last one set going has come to rest', async () => {
    const delays = fc.array(fc.nat(20), { minLength: 1, maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(delays, async all => {
        const time = new VirtualTime(0);
        const seen: number[] = [];
        let atRest = true;
        for (const delay of all) {
          time.at(delay, async () => {
            expect(atRest).toBe(true);
            expect(time.now()).toBe(delay);
            atRest = false;
            seen.push(delay);
            for (let hop = 0; hop < 10; hop++) await null;
            atRest = true;
          });
        }
        await time.run();
        expect(seen).toEqual([...all].sort((a, b) => a - b));
      }),
      { numRuns: 50 },
    );
  });

  it('ends with the error of whatever failed', async () => {
    const time = new VirtualTime(0);
    time.at(1, () => {
      throw new Error('on purpose');
    });
    await expect(time.run()).rejects.toThrow('on purpose');
  });
});
