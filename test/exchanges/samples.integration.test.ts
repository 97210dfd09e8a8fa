/** What adapters make of the clocks in answers, good and bad, over the real SDKs against the simulator. */
import { describe, expect, it } from '@jest/globals';
import type { ClockSample } from '../../src/clock/offset.js';
import type { SampleProblem } from '../../src/clock/sample-check.js';
import type { BadSample } from '../../src/clock/sample-gate.js';
import type { AdapterOptions, ExchangeAdapter } from '../../src/exchanges/exchange-adapter.js';
import type { ExchangeSimulator, SimulatorOptions } from '../../src/exchanges/simulator/index.js';
import type { SdkExchange } from '../support/two-exchanges.js';
import { BOTH, CANARY, errorOf, FROZEN_MS, givenAdapter, givenSimulator } from './support.js';

/** One time for the exchange and for this host, that the test moves on. */
function givenTime() {
  let nowMs = FROZEN_MS;
  return { now: () => nowMs, passes: (ms: number) => (nowMs += ms) };
}

/** A simulator and an adapter, and everything the adapter tells of samples. */
async function given(
  exchange: SdkExchange,
  options: Partial<AdapterOptions> = {},
  simulated: SimulatorOptions = {},
) {
  const time = givenTime();
  const simulator = await givenSimulator({ now: time.now, ...simulated });
  const samples: ClockSample[] = [];
  const bad: BadSample[] = [];
  const adapter = givenAdapter(exchange, simulator, {
    now: time.now,
    timestamp: () => simulator.serverTimeMs(exchange),
    onSample: sample => samples.push(sample),
    onBadSample: each => bad.push(each),
    ...options,
  });
  const dropped = () =>
    Object.fromEntries(Object.entries(adapter.badSamples()).filter(([, count]) => count > 0));
  return { time, simulator, adapter, samples, bad, dropped };
}

/** Of BingX no answer that says yes tells the time; one that refuses the key does. */
const TELLING: Record<SdkExchange, Partial<AdapterOptions>> = {
  BYBIT: {},
  BINGX: { credentials: { ...CANARY, apiKey: 'unknown' } },
};
const ask = async (exchange: SdkExchange, adapter: ExchangeAdapter): Promise<void> => {
  if (exchange === 'BYBIT') await adapter.verifyAccount();
  else await errorOf(adapter.verifyAccount());
};

const timeRequests = (simulator: ExchangeSimulator, exchange: SdkExchange) =>
  simulator.counters(exchange).byRoute.time;

describe.each(BOTH)('%s samples', exchange => {
  it('say which were made on a connection that was opened for them', async () => {
    const { adapter, samples } = await given(exchange, TELLING[exchange]);
    await ask(exchange, adapter);
    await ask(exchange, adapter);
    await adapter.serverTime();
    expect(samples.map(({ isCold }) => isCold)).toEqual([true, undefined, undefined]);
  });

  it('say so too when a kept connection turned out to be dead', async () => {
    const { adapter, samples, simulator } = await given(exchange, TELLING[exchange]);
    await ask(exchange, adapter);
    simulator.fault({ kind: 'reset' }, exchange);
    await ask(exchange, adapter);
    expect(samples.map(({ isCold }) => isCold)).toEqual([true, true]);
  });

  it('carry the round trip by the wall clock, where there is one', async () => {
    let wallMs = 5_000;
    const { adapter, samples } = await given(exchange, { ...TELLING[exchange], wall: () => (wallMs += 1) });
    await ask(exchange, adapter);
    expect(samples[0]?.wallRoundTripMs).toBeGreaterThan(0);
    expect((await (await given(exchange)).adapter.serverTime()).wallRoundTripMs).toBeUndefined();
  });

  it.each<[string, number, number]>([
    ['frozen', 0, 30_000],
    ['frozen, and its wall clock has not heard of it', -30_000, 0],
    ['set ahead', 0, 3_000],
    ['set back', 0, -3_000],
  ])('are dropped when the host was %s while they were under way', async (_, monotonicMs, wallMs) => {
    const moved = { now: 0, wall: 0 };
    const base = FROZEN_MS;
    const { adapter, samples, simulator, dropped, bad } = await given(exchange, {
      ...TELLING[exchange],
      now: () => base + moved.now,
      wall: () => base + moved.wall,
    });
    // On a new connection: a kept one that is silent for so long would be raced by a second request.
    simulator.fault({ kind: 'delay', delayMs: 30 }, exchange);
    const verifying = ask(exchange, adapter);
    while (simulator.counters(exchange).faults === 0) await new Promise(setImmediate);
    moved.now += monotonicMs;
    moved.wall += wallMs;
    await verifying;

    expect(samples).toHaveLength(0);
    expect(dropped()).toEqual({ interrupted: 1 });
    expect(bad).toEqual([
      {
        problem: 'interrupted',
        count: 1,
        level: 'debug',
        message: expect.stringMatching(/^interrupted: .*host/),
      },
    ]);
    // It goes on as if nothing had been.
    await ask(exchange, adapter);
    expect(samples).toHaveLength(1);
  });

  it('of a refusal that was interrupted are not in the error either', async () => {
    const moved = { wall: 0 };
    const { adapter, simulator } = await given(exchange, {
      now: () => FROZEN_MS,
      wall: () => FROZEN_MS + moved.wall,
      timestamp: () => FROZEN_MS - 60_000,
    });
    simulator.fault({ kind: 'delay', delayMs: 30 }, exchange);
    const refused = errorOf(adapter.verifyAccount());
    while (simulator.counters(exchange).faults === 0) await new Promise(setImmediate);
    moved.wall = 60_000;
    expect(await refused).toMatchObject({ authClass: 'timestamp', sample: undefined });
  });

  it('are measured again when the first measurement was interrupted', async () => {
    const moved = { wall: 0 };
    const { adapter, simulator, samples } = await given(exchange, {
      now: () => FROZEN_MS,
      wall: () => FROZEN_MS + moved.wall,
    });
    simulator.fault({ kind: 'delay', delayMs: 30 }, exchange);
    const measuring = adapter.serverTime();
    while (simulator.counters(exchange).faults === 0) await new Promise(setImmediate);
    moved.wall = 60_000;
    expect(await measuring).toMatchObject({ serverTimeMs: FROZEN_MS });
    expect(timeRequests(simulator, exchange)).toBe(2);
    expect(samples).toHaveLength(1);
  });

  it.each<[SampleProblem, SimulatorOptions['knobs'] & object]>([
    ['seconds', { toldTime: 'seconds' }],
    ['microseconds', { toldTime: 'microseconds' }],
    ['nanoseconds', { toldTime: 'nanoseconds' }],
    ['zero', { toldTime: 'zero' }],
    ['negative', { toldTime: 'negative' }],
    ['malformed', { toldTime: 'null' }],
    ['future', { toldTime: 'future' }],
  ])(
    'that are bad by themselves (%s) are dropped, counted, and named in the error of a sync',
    async (problem, knobs) => {
      const { adapter, samples, simulator, dropped } = await given(exchange, {}, { knobs });

      const error = await errorOf(adapter.serverTime());

      expect(error).toMatchObject({
        code: 'EXCHANGE_BAD_RESPONSE',
        syncClass: 'bad-response',
        sample: undefined,
      });
      expect(error.message).toContain(`(${problem})`);
      expect(timeRequests(simulator, exchange)).toBe(1);
      simulator.fault({ kind: 'code', code: 10_010 }, exchange);
      expect((await errorOf(adapter.verifyAccount())).sample).toBeUndefined();
      expect(samples).toEqual([]);
      expect(dropped()).toEqual({ [problem]: 2 });
    },
  );

  it('that come from a cache are dropped, and a sync says so after it asked twice', async () => {
    const { adapter, samples, simulator, dropped, time } = await given(exchange);
    const first = await adapter.serverTime();
    await simulator.set({ toldTime: 'cached' }, exchange);
    time.passes(5_000);

    const error = await errorOf(adapter.serverTime());

    expect(error).toMatchObject({ code: 'EXCHANGE_BAD_RESPONSE' });
    expect(error.message).toContain('from a cache (cached)');
    expect(timeRequests(simulator, exchange)).toBe(3);
    expect(samples).toEqual([first]);
    expect(dropped()).toEqual({ cached: 2 });

    await simulator.set({ toldTime: 'right' }, exchange);
    expect(await adapter.serverTime()).toMatchObject({ serverTimeMs: time.now() });
  });

  it('with an Age header are as old as it says: the stamp is not used', async () => {
    const { adapter, samples, simulator, dropped } = await given(exchange, TELLING[exchange], {
      knobs: { ageSeconds: 7 },
    });
    expect((await errorOf(adapter.serverTime())).message).toContain('(cached)');
    await ask(exchange, adapter);
    expect(samples).toEqual([]);
    expect(dropped()).toEqual({ cached: 3 });

    await simulator.set({ ageSeconds: 0 }, exchange);
    await ask(exchange, adapter);
    expect(samples).toHaveLength(1);
  });

  it('that go backwards are dropped one by one', async () => {
    const { adapter, samples, simulator, dropped, time } = await given(exchange);
    await adapter.serverTime();
    simulator.fault({ kind: 'told-time', toldTime: 'backwards', route: 'verify' }, exchange);
    time.passes(10);
    await adapter.verifyAccount();
    await adapter.verifyAccount();
    // What BingX says yes with tells no time.
    expect(dropped()).toEqual(exchange === 'BYBIT' ? { backwards: 1 } : {});
    expect(samples).toHaveLength(exchange === 'BYBIT' ? 2 : 1);
  });

  it('of a real step back get through: by a sync at once, which asks twice', async () => {
    const { adapter, samples, simulator, dropped, time } = await given(exchange);
    await adapter.serverTime();
    simulator.step(-3_000, exchange);
    time.passes(50);
    // Time passes between two requests.
    const { now } = time;
    const measuring = adapter.serverTime();
    while (timeRequests(simulator, exchange) < 2) await new Promise(setImmediate);
    time.passes(20);

    expect(await measuring).toMatchObject({ serverTimeMs: now() - 3_000 });
    expect(dropped()).toEqual({ backwards: 1 });
    expect(samples).toHaveLength(2);
  });

  it('of a real step back get through with the refusal that it leads to', async () => {
    const { adapter, samples, simulator, dropped, time } = await given(exchange, {
      timestamp: () => FROZEN_MS,
    });
    await adapter.serverTime();
    simulator.step(-20_000, exchange);
    time.passes(50);
    const error = await errorOf(adapter.verifyAccount());
    expect(error.sample).toMatchObject({ serverTimeMs: time.now() - 20_000, source: 'refusal' });
    time.passes(50);
    await adapter.serverTime();
    expect(dropped()).toEqual({});
    expect(samples).toHaveLength(3);
  });

  it.each([true, false])(
    'of a real step back get through at once after a refusal that told no time (but a Date: %s)',
    async dateHeader => {
      const { adapter, simulator, dropped, time } = await given(exchange, { timestamp: () => FROZEN_MS });
      await simulator.set({ dateHeader }, exchange);
      await adapter.serverTime();
      simulator.step(-20_000, exchange);
      simulator.fault({ kind: 'wrong-time' }, exchange);
      time.passes(50);
      expect(await errorOf(adapter.verifyAccount())).toMatchObject({
        authClass: 'timestamp',
        sample: undefined,
      });
      expect(await adapter.serverTime()).toMatchObject({ serverTimeMs: time.now() - 20_000 });
      expect(timeRequests(simulator, exchange)).toBe(2);
      expect(dropped()).toEqual({});
    },
  );

  it('are not taken from pages of others', async () => {
    const { adapter, samples, simulator } = await given(exchange);
    for (const fault of [
      { kind: 'http', status: 503, body: '<html>busy</html>' },
      { kind: 'http', status: 403, body: '{"message":"Forbidden"}', contentType: 'application/json' },
      { kind: 'body', body: '{"hello":1}' },
    ] as const) {
      simulator.fault(fault, exchange);
      expect((await errorOf(adapter.verifyAccount())).sample).toBeUndefined();
    }
    expect(samples).toEqual([]);
  });
});

describe('a Date header', () => {
  it('is another machine’s clock: no answer is sampled by it, whoever sent it', async () => {
    const { adapter, samples, simulator } = await given('BINGX', { timestamp: () => 1 });
    simulator.fault({ kind: 'wrong-time', route: 'verify' }, 'BINGX');
    expect(await errorOf(adapter.verifyAccount())).toMatchObject({
      authClass: 'timestamp',
      sample: undefined,
    });
    expect(samples).toEqual([]);
  });

  it('need not be there', async () => {
    const { adapter, samples, dropped } = await given('BINGX', {}, { knobs: { dateHeader: false } });
    await adapter.verifyAccount();
    expect([samples, dropped()]).toEqual([[], {}]);
  });
});

describe('Bybit’s two stamps of one answer', () => {
  it('must be of one moment', async () => {
    const { adapter, simulator, samples } = await given('BYBIT');
    const body = (time: number, nano: number) =>
      JSON.stringify({
        retCode: 0,
        retMsg: 'OK',
        result: { timeNano: `${nano}000000` },
        retExtInfo: {},
        time,
      });
    simulator.fault({ kind: 'body', body: body(FROZEN_MS, FROZEN_MS - 9_000), times: 2 }, 'BYBIT');
    expect((await errorOf(adapter.serverTime())).message).toContain('(cached)');
    simulator.fault({ kind: 'body', body: body(FROZEN_MS, FROZEN_MS - 90) }, 'BYBIT');
    expect(await adapter.serverTime()).toMatchObject({ serverTimeMs: FROZEN_MS - 90 });
    expect(samples).toHaveLength(1);
  });
});
