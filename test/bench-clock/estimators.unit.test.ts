/** The peers' formulas, against cases worked out by hand, and the oracle against the truth. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { newProcess, Oracle } from '../../bench/clock/oracle.js';
import { errorsOf, requestsAt } from '../../bench/clock/peers/estimators.js';
import { fixedQuarterHour, noCache } from '../../bench/clock/peers/policies.js';
import { Sample } from '../../bench/clock/statistics.js';
import { SimulatedExchange } from '../../bench/clock/world/exchange.js';
import { Host, processClock } from '../../bench/clock/world/host.js';
import type { Path, Trip } from '../../bench/clock/world/network.js';
import type { Init } from '../../bench/clock/world/traffic.js';
import { SteadyClock } from '../../bench/clock/world/true-clock.js';
import type { Weather } from '../../bench/clock/world/weather.js';

const PATH: Path = { upMs: 90, downMs: 90, jitterMs: 0, spike: () => 0 };

const hostWith = (offsetMs: number) =>
  new Host({
    name: 'host',
    kind: 'disciplined',
    oscillator: new SteadyClock(0, offsetMs, 0),
    databasePath: PATH,
    exchangePaths: [PATH],
  });

const exchangeWith = (offsetMs: number) =>
  new SimulatedExchange(0, 'BYBIT', 'MAINNET', new SteadyClock(0, offsetMs, 0));

/** Each request as given; set-up counts for the first only. */
const weatherOf = (trips: readonly Partial<Trip>[]): Weather =>
  ({
    trip: (k: number): Trip => ({ setUpMs: 0, upMs: 90, processingMs: 0, downMs: 90, ...trips[k] }),
    query: (): Trip => ({ setUpMs: 0, upMs: 1, processingMs: 0, downMs: 1 }),
  }) as unknown as Weather;

describe('the peers, on a path of 90 ms each way', () => {
  const [host, exchange] = [hostWith(1_000), exchangeWith(-500)];

  it('are all but ccxt right where the path is even and the connection is open', () => {
    const errors = errorsOf(requestsAt(10_000, weatherOf([]), exchange), exchange, host);
    expect(errors).toEqual({
      'min-of-8': 0,
      hummingbot: 0,
      ccxt: -90,
      'bybit-api': 0,
      'cold-single': 0,
    });
  });

  it('take a cold connection for a slow way up, and believe the exchange to be ahead', () => {
    const weather = weatherOf([{ setUpMs: 400 }]);
    const errors = errorsOf(requestsAt(10_000, weather, exchange), exchange, host);
    expect(errors['cold-single']).toBe(200);
    expect(errors['bybit-api']).toBe(200);
    expect(errors.ccxt).toBe(-90);
    expect(errors['min-of-8']).toBe(0);
    // Median 0; weights 1, 3, 5, 7, 9, the cold one weighs 1 of 25: (0 + 200 / 25) / 2.
    expect(errors.hummingbot).toBe(4);
  });

  it('are pulled by a spike, each in its way', () => {
    const weather = weatherOf([{}, {}, {}, {}, { upMs: 1_090 }]);
    const errors = errorsOf(requestsAt(10_000, weather, exchange), exchange, host);
    expect(errors['min-of-8']).toBe(0);
    expect(errors.hummingbot).toBe((9 * 500) / 25 / 2);
  });
});

describe('the policies without us', () => {
  const initOn = (host: Host, exchange: SimulatedExchange): Init => ({
    number: 0,
    ref: { userId: 'u', credentialId: 'c', exchange: 'BYBIT', environment: 'MAINNET' },
    exchange,
    place: { host, clock: processClock(host, 0, 0, () => 0), isServerless: false },
    isFirst: true,
  });

  it('given a row: sign with it for a quarter of an hour, and measure after that', () => {
    const [policy, init] = [fixedQuarterHour(), initOn(hostWith(0), exchangeWith(0))];
    const at = (minutes: number) => policy.play(init, weatherOf([]), minutes * 60_000);
    expect([at(0), at(1), at(14.9), at(16)].map(({ isHit, syncs }) => [isHit, syncs])).toEqual([
      [false, 1],
      [true, 0],
      [true, 0],
      [false, 1],
    ]);
  });

  it('given a row that a container with another clock wrote: are refused, measure, and try again', () => {
    const policy = fixedQuarterHour();
    const exchange = exchangeWith(0);
    policy.play(initOn(hostWith(0), exchange), weatherOf([]), 0);
    const { refusals, isRefusedAfterStep, syncs } = policy.play(
      initOn(hostWith(2_000), exchange),
      weatherOf([]),
      1_000,
    );
    expect({ refusals, isRefusedAfterStep, syncs }).toEqual({
      refusals: 1,
      isRefusedAfterStep: false,
      syncs: 1,
    });
  });

  it('without a cache measure each time, and wait for it', () => {
    const played = noCache().play(initOn(hostWith(0), exchangeWith(0)), weatherOf([{ setUpMs: 100 }]), 0);
    expect(played).toMatchObject({ syncs: 1, requests: 2, isHit: false, waitedMs: 280, refusals: 0 });
  });
});

describe('the oracle', () => {
  it('is off by half of what the best paths leave open, and never by more than any one sample', () => {
    const oracle = new Oracle();
    const process = newProcess();
    oracle.linked(process, 'pg:1', { low: -1, high: 3 });
    oracle.sampled(process, 0, 0, { low: -80, high: 120 });
    oracle.sampled(process, 0, 0, { low: -10, high: 400 });
    // Exchange less reference: [−13, 121]; over the link: [−14, 124].
    expect(oracle.error(process, 0, 0)).toBe(55);
    // Its own samples, [−10, 120], need no link.
    expect(oracle.errorWithLinks(process, 0, 0)).toBe(55);
  });

  it('forgets what was before a step, and one process profits from another', () => {
    const oracle = new Oracle();
    const [near, far] = [newProcess(), newProcess()];
    oracle.linked(near, 'pg:1', { low: -1, high: 1 });
    oracle.sampled(near, 0, 0, { low: -2, high: 4 });
    oracle.linked(far, 'pg:1', { low: -5, high: 5 });
    expect(oracle.error(far, 0, 0)).toBe(1);
    expect(oracle.error(far, 0, 1)).toBeUndefined();
  });
});

describe('order statistics', () => {
  it('are those of all values', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ noNaN: true }), { minLength: 1, maxLength: 3_000 }), values => {
        const sample = new Sample();
        for (const value of values) sample.add(value);
        const sorted = Float64Array.from(values).sort();
        expect(sample.max()).toBe(sorted.at(-1));
        expect(sample.quantile(0.5)).toBe(sorted[Math.ceil(values.length / 2) - 1]);
        expect(sample.count).toBe(values.length);
      }),
      { numRuns: 50 },
    );
  });
});
