/** Both adapters, over the real SDKs, against the strict simulator. */
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { ClockSample } from '../../src/clock/offset.js';
import type { AdapterOptions } from '../../src/exchanges/exchange-adapter.js';
import { BOTH, CANARY, errorOf, FROZEN_MS, givenAdapter, givenSimulator, SYMBOL } from './support.js';

// bybit-api adds our offset to a second reading of Date.now(): with it standing still every edge is exact.
beforeEach(() => {
  jest.spyOn(Date, 'now').mockReturnValue(FROZEN_MS - 123_456);
});
afterEach(() => {
  jest.restoreAllMocks();
});

describe.each(BOTH)('%s adapter', exchange => {
  it('signs what the exchange accepts, with exactly the timestamp it was given', async () => {
    const simulator = await givenSimulator();
    const adapter = givenAdapter(exchange, simulator, { timestamp: () => FROZEN_MS - 77 });

    await adapter.verifyAccount();

    expect(simulator.requests(exchange)).toEqual([
      expect.objectContaining({ route: 'verify', isAccepted: true, timestampMs: FROZEN_MS - 77 }),
    ]);
  });

  it.each([
    ['999 ms ahead', 999, true],
    ['1000 ms ahead', 1000, false],
    ['as old as the window', -3000, true],
    ['1 ms older than the window', -3001, false],
  ])('a timestamp %s', async (_, distanceMs, isAccepted) => {
    const simulator = await givenSimulator();
    const adapter = givenAdapter(exchange, simulator, {
      recvWindowMs: 3000,
      timestamp: () => FROZEN_MS + distanceMs,
    });

    const outcome = await adapter.verifyAccount().then(
      () => 'accepted',
      error => error.authClass,
    );

    expect(outcome).toBe(isAccepted ? 'accepted' : 'timestamp');
    expect(simulator.counters(exchange)).toMatchObject({ accepted: Number(isAccepted), requests: 1 });
  });

  it('learns the clock from a refusal', async () => {
    const simulator = await givenSimulator({ knobs: { skewMs: 3000 } });
    const samples: ClockSample[] = [];
    const adapter = givenAdapter(exchange, simulator, {
      recvWindowMs: 1000,
      onSample: sample => samples.push(sample),
    });

    const error = await errorOf(adapter.verifyAccount());

    expect(error).toMatchObject({
      code: 'EXCHANGE_REFUSED',
      exchangeCode: exchange === 'BYBIT' ? '10002' : '100421',
      authClass: 'timestamp',
      sample: { sentAtMs: FROZEN_MS, receivedAtMs: FROZEN_MS, serverTimeMs: FROZEN_MS + 3000 },
    });
    expect(samples).toEqual([error.sample]);
  });

  it('gives every concurrent request its own timestamp', async () => {
    const simulator = await givenSimulator();
    let next = FROZEN_MS - 40;
    const adapter = givenAdapter(exchange, simulator, { timestamp: () => next++ });

    await Promise.all(Array.from({ length: 40 }, () => adapter.verifyAccount()));

    const signed = simulator.requests(exchange).map(({ timestampMs }) => timestampMs);
    expect(new Set(signed)).toEqual(new Set(Array.from({ length: 40 }, (_, i) => FROZEN_MS - 40 + i)));
  });

  it('sends whole milliseconds when the clock has fractions', async () => {
    const simulator = await givenSimulator();
    await givenAdapter(exchange, simulator, { timestamp: () => FROZEN_MS - 10.4 }).verifyAccount();
    expect(simulator.requests(exchange)[0]?.timestampMs).toBe(FROZEN_MS - 10);
  });

  it('passes on an error of the timestamp source as it is, and sends nothing', async () => {
    const simulator = await givenSimulator();
    const noOffset = new Error('no offset yet');
    const adapter = givenAdapter(exchange, simulator, {
      timestamp: () => {
        throw noOffset;
      },
    });
    await expect(adapter.verifyAccount()).rejects.toBe(noOffset);
    const nowhere = givenAdapter(exchange, simulator, { timestamp: () => Number.NaN });
    await expect(nowhere.verifyAccount()).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    expect(simulator.requests()).toEqual([]);
  });

  it.each([
    ['a wrong secret', { ...CANARY, apiSecret: 'another' }, exchange === 'BYBIT' ? '10004' : '100001'],
    ['an unknown key', { ...CANARY, apiKey: 'another' }, exchange === 'BYBIT' ? '10003' : '100413'],
  ])('reports %s as a matter of credentials, never of time', async (_, credentials, exchangeCode) => {
    const simulator = await givenSimulator();
    const error = await errorOf(givenAdapter(exchange, simulator, { credentials }).verifyAccount());
    expect(error).toMatchObject({ code: 'EXCHANGE_REFUSED', exchangeCode, authClass: 'credentials' });
  });

  it('reads the server time without signing', async () => {
    const simulator = await givenSimulator({ knobs: { skewMs: -1234 } });
    const timestamp = jest.fn(() => FROZEN_MS);
    const adapter = givenAdapter(exchange, simulator, { timestamp });

    const sample = await adapter.serverTime();

    expect(sample).toEqual({
      sentAtMs: FROZEN_MS,
      receivedAtMs: FROZEN_MS,
      serverTimeMs: FROZEN_MS - 1234,
      resolutionMs: exchange === 'BYBIT' ? 0.001 : 1,
      source: 'time-endpoint',
      isCold: true,
    });
    expect(timestamp).not.toHaveBeenCalled();
  });

  it('brackets the stamp of a real clock between sending and receiving', async () => {
    const now = () => performance.timeOrigin + performance.now();
    const simulator = await givenSimulator({ now });
    const samples: ClockSample[] = [];
    const adapter = givenAdapter(exchange, simulator, { now, onSample: sample => samples.push(sample) });

    for (let i = 0; i < 5; i++) samples.push(await adapter.serverTime());

    expect(samples).toHaveLength(10);
    for (const { sentAtMs, receivedAtMs, serverTimeMs } of samples) {
      expect(serverTimeMs).toBeGreaterThan(sentAtMs - 1);
      expect(serverTimeMs).toBeLessThanOrEqual(receivedAtMs);
    }
  });

  it('samples every response that tells the exchange’s clock', async () => {
    const simulator = await givenSimulator();
    const samples: ClockSample[] = [];
    const adapter = givenAdapter(exchange, simulator, { onSample: sample => samples.push(sample) });

    await adapter.serverTime();
    await adapter.verifyAccount();
    await adapter.fundingRate(SYMBOL[exchange]);
    simulator.fault({ kind: 'code', code: exchange === 'BYBIT' ? 10003 : 100413 }, exchange);
    await errorOf(adapter.verifyAccount());

    // A BingX success carries no clock.
    const passive = exchange === 'BYBIT' ? ['response', 'response'] : [];
    expect(samples.map(({ source }) => source)).toEqual(['time-endpoint', ...passive, 'refusal']);
    expect(samples.map(({ resolutionMs }) => resolutionMs)).toEqual(
      exchange === 'BYBIT' ? [0.001, 1, 1, 1] : [1, 1],
    );
  });

  it('reads the funding rate', async () => {
    const simulator = await givenSimulator({ knobs: { fundingRates: { [SYMBOL[exchange]]: -0.000125 } } });
    const rate = await givenAdapter(exchange, simulator).fundingRate(SYMBOL[exchange]);
    const eightHoursMs = 8 * 3_600_000;
    expect(rate).toEqual({
      symbol: SYMBOL[exchange],
      rate: -0.000125,
      nextFundingTimeMs: Math.ceil(FROZEN_MS / eightHoursMs) * eightHoursMs,
      ...(exchange === 'BYBIT' ? { intervalHours: 8 } : {}),
    });
  });

  it('refuses a symbol that does not exist, and sends none that cannot', async () => {
    const simulator = await givenSimulator();
    const adapter = givenAdapter(exchange, simulator);
    await expect(adapter.fundingRate('NOPE-USDT')).rejects.toMatchObject({ code: 'EXCHANGE_REFUSED' });
    await expect(adapter.fundingRate('BTC&symbol=ETH')).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    expect(simulator.requests(exchange)).toHaveLength(1);
  });

  it('keeps one connection for all its requests', async () => {
    const simulator = await givenSimulator();
    const adapter = givenAdapter(exchange, simulator);
    await adapter.serverTime();
    await adapter.verifyAccount();
    await adapter.fundingRate(SYMBOL[exchange]);
    await adapter.verifyAccount();
    expect(simulator.counters(exchange)).toMatchObject({ connections: 1, requests: 4, accepted: 4 });
  });

  it('gets over a kept connection that died', async () => {
    const simulator = await givenSimulator();
    const adapter = givenAdapter(exchange, simulator);
    await adapter.verifyAccount();
    simulator.fault({ kind: 'reset' }, exchange);

    await adapter.verifyAccount();

    expect(simulator.counters(exchange)).toMatchObject({
      connections: 2,
      accepted: 2,
      byOutcome: { '0': 2, reset: 1 },
    });
  });

  it('does not repeat a request on a connection that never worked', async () => {
    const simulator = await givenSimulator({ knobs: { outage: 'reset' } });
    const error = await errorOf(givenAdapter(exchange, simulator).serverTime());
    expect(error).toMatchObject({
      code: 'EXCHANGE_UNREACHABLE',
      exchangeCode: 'ECONNRESET',
      syncClass: 'network',
    });
    expect(simulator.counters(exchange).requests).toBe(1);
  });

  it('gives up at the timeout', async () => {
    const simulator = await givenSimulator({ knobs: { outage: 'hang' } });
    const error = await errorOf(givenAdapter(exchange, simulator, { timeoutMs: 30 }).serverTime());
    expect(error).toMatchObject({
      code: 'EXCHANGE_UNREACHABLE',
      exchangeCode: 'ETIMEDOUT',
      syncClass: 'timeout',
    });
    expect(error.message).toContain('within 30 ms');
  });

  it('tells a limited rate', async () => {
    const simulator = await givenSimulator({ knobs: { rateLimit: { requests: 1, perMs: 60_000 } } });
    const adapter = givenAdapter(exchange, simulator);
    await adapter.verifyAccount();
    expect(await errorOf(adapter.verifyAccount())).toMatchObject({
      code: 'EXCHANGE_REFUSED',
      exchangeCode: exchange === 'BYBIT' ? '10006' : '100410',
      authClass: 'rate-limit',
      syncClass: 'rate-limit',
    });
  });

  it.each([
    ['code', exchange === 'BYBIT' ? '10016' : '100500'],
    ['http', 'HTTP 503'],
  ] as const)('tells maintenance by %s', async (maintenance, exchangeCode) => {
    const simulator = await givenSimulator({ knobs: { maintenance } });
    expect(await errorOf(givenAdapter(exchange, simulator).serverTime())).toMatchObject({
      code: 'EXCHANGE_REFUSED',
      exchangeCode,
      authClass: 'unknown',
      syncClass: 'maintenance',
    });
  });

  it.each([
    ['missing', undefined],
    ['null, as NaN becomes', null],
    ['a string', String(FROZEN_MS)],
    ['in seconds', FROZEN_MS / 1000],
    ['in microseconds', FROZEN_MS * 1000],
    ['a fraction', FROZEN_MS + 0.5],
    ['an object', {}],
  ])('believes no server time that is %s', async (_, value) => {
    const simulator = await givenSimulator();
    const onSample = jest.fn();
    simulator.fault({ kind: 'wrong-time', value }, exchange);
    const error = await errorOf(givenAdapter(exchange, simulator, { onSample }).serverTime());
    expect(error).toMatchObject({ code: 'EXCHANGE_BAD_RESPONSE', syncClass: 'bad-response' });
    expect(onSample).not.toHaveBeenCalled();
  });

  it.each(['', '[]', 'null', '"ok"', '{}', '{"retCode":"0","code":"0"}', '{"retCode":0,"code":0}', '<html>'])(
    'takes %p for no answer',
    async body => {
      const simulator = await givenSimulator();
      simulator.fault({ kind: 'body', body, times: 3 }, exchange);
      const adapter = givenAdapter(exchange, simulator);
      const calls = [adapter.serverTime(), adapter.verifyAccount(), adapter.fundingRate(SYMBOL[exchange])];
      for (const error of await Promise.all(calls.map(call => errorOf(call)))) {
        expect(error).toMatchObject({ code: 'EXCHANGE_BAD_RESPONSE' });
      }
    },
  );

  it('is closed for good', async () => {
    const simulator = await givenSimulator();
    const adapter = givenAdapter(exchange, simulator);
    await adapter.verifyAccount();
    adapter.close();
    await expect(adapter.verifyAccount()).rejects.toMatchObject({ code: 'CLOSED' });
    expect(simulator.counters(exchange).requests).toBe(1);
  });

  it('ends what is under way when it is closed, without trying again', async () => {
    const simulator = await givenSimulator();
    const adapter = givenAdapter(exchange, simulator);
    await adapter.verifyAccount();
    simulator.fault({ kind: 'hang' }, exchange);
    const hanging = errorOf(adapter.verifyAccount());
    while (simulator.counters(exchange).requests < 2) await new Promise(setImmediate);
    adapter.close();
    expect(await hanging).toMatchObject({ code: 'EXCHANGE_UNREACHABLE' });
    expect(simulator.counters(exchange).requests).toBe(2);
  });

  it.each([
    [{ recvWindowMs: 0 }],
    [{ recvWindowMs: exchange === 'BYBIT' ? 60_001 : 5001 }],
    [{ recvWindowMs: 1.5 }],
    [{ timeoutMs: 0 }],
    [{ baseUrl: 'api.bybit.com' }],
    [{ baseUrl: 'ftp://api.bybit.com' }],
    [{ baseUrl: 'https://user:password@api.bybit.com' }],
    [{ environment: 'STAGING' as never }],
    [{ credentials: { apiKey: '', apiSecret: 's' } }],
    [{ credentials: { apiKey: 'line\nbreak', apiSecret: 's' } }],
    [{ credentials: { apiKey: 'key', apiSecret: ' ' } }],
    [{ credentials: undefined as never }],
  ])('refuses %j before anything is sent', async wrong => {
    const simulator = await givenSimulator();
    expect(() => givenAdapter(exchange, simulator, wrong)).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT' }),
    );
  });
});

describe('base URL', () => {
  it('may have a path and a slash at the end', async () => {
    const simulator = await givenSimulator();
    await givenAdapter('BINGX', simulator, { baseUrl: `${simulator.bingxUrl}/` }).verifyAccount();
    const proxied = givenAdapter('BYBIT', simulator, { baseUrl: `${simulator.bybitUrl}/proxy/` });
    expect(await errorOf(proxied.verifyAccount())).toMatchObject({ exchangeCode: 'HTTP 404' });
    expect(simulator.requests('BYBIT')[0]?.path).toBe('/proxy/v5/user/query-api');
  });
});

describe.each(BOTH)('a plain http baseUrl of %s', exchange => {
  const create = (options: Partial<AdapterOptions>) => () =>
    givenAdapter(exchange, { bybitUrl: '', bingxUrl: '' }, options);

  it.each([
    'http://127.0.0.1:1',
    'http://127.8.9.10',
    'http://localhost:8080/x',
    'http://[::1]:1',
    'http://sim.localhost',
  ])('is taken on loopback (%s)', baseUrl => expect(create({ baseUrl })).not.toThrow());

  it.each([
    'http://api.bybit.com',
    'http://10.0.0.1',
    'http://127.0.0.1.example.com',
    'http://localhost.example.com',
  ])('is refused elsewhere, by name (%s)', baseUrl => {
    const { hostname } = new URL(baseUrl);
    expect(create({ baseUrl })).toThrow(`add "${hostname}" to plainHttpHosts`);
    expect(create({ baseUrl, plainHttpHosts: [hostname] })).not.toThrow();
  });
});
