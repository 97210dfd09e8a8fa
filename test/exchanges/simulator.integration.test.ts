/** The simulator itself, asked over plain HTTP: as strict as the exchanges, and steerable while it runs. */
import { createHmac } from 'node:crypto';
import { createConnection } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import {
  DEMO_ACCOUNT_COUNT,
  demoAccount,
  type ExchangeSimulator,
  startExchangeSimulator,
} from '../../src/exchanges/simulator/index.js';
import { CANARY, errorOf, FROZEN_MS, givenAdapter, givenSimulator, NO_LATENCY, SYMBOL } from './support.js';

const sign = (text: string, secret: string = CANARY.apiSecret) =>
  createHmac('sha256', secret).update(text).digest('hex');

async function get(url: string, headers: Record<string, string> = {}) {
  const response = await fetch(url, { headers: { ...headers, connection: 'close' } });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: text.startsWith('{') ? JSON.parse(text) : {},
  };
}

interface BybitParts {
  query?: string;
  sent?: string;
  timestamp?: string;
  recvWindow?: string;
  signature?: string;
}

function askBybit(simulator: ExchangeSimulator, parts: BybitParts = {}) {
  const { query = 'accountType=UNIFIED', timestamp = String(FROZEN_MS), recvWindow = '5000' } = parts;
  return get(`${simulator.bybitUrl}/v5/account/wallet-balance?${parts.sent ?? query}`, {
    'X-BAPI-API-KEY': CANARY.apiKey,
    'X-BAPI-TIMESTAMP': timestamp,
    'X-BAPI-RECV-WINDOW': recvWindow,
    'X-BAPI-SIGN': parts.signature ?? sign(`${timestamp}${CANARY.apiKey}${recvWindow}${query}`),
  });
}

const askBingx = (simulator: ExchangeSimulator, query: string, signature: string | undefined = sign(query)) =>
  get(
    `${simulator.bingxUrl}/openApi/swap/v2/user/balance?${query}${signature && `&signature=${signature}`}`,
    {
      'X-BX-APIKEY': CANARY.apiKey,
    },
  );

describe('Bybit, simulated', () => {
  it('answers a signed request in the V5 envelope', async () => {
    const { body } = await askBybit(await givenSimulator());
    expect(body).toMatchObject({ retCode: 0, retMsg: 'OK', retExtInfo: {}, time: FROZEN_MS });
    expect(body.result.list[0].coin[0].walletBalance).toEqual(expect.any(String));
  });

  it('tells the time three times, consistently', async () => {
    const { body } = await get(`${(await givenSimulator()).bybitUrl}/v5/market/time`);
    expect(body).toMatchObject({
      time: FROZEN_MS,
      result: { timeSecond: String(FROZEN_MS / 1000), timeNano: `${FROZEN_MS}000000` },
    });
  });

  it('refuses a timestamp with the words and the clock of the real one', async () => {
    const { body } = await askBybit(await givenSimulator(), { timestamp: String(FROZEN_MS + 1000) });
    expect(body).toEqual({
      retCode: 10002,
      retMsg: `invalid request, please check your server timestamp or recv_window param. req_timestamp[${FROZEN_MS + 1000}],server_timestamp[${FROZEN_MS}],recv_window[5000]`,
      result: {},
      retExtInfo: {},
      time: FROZEN_MS,
    });
  });

  it.each<[string, BybitParts, number]>([
    ['a query changed after signing', { sent: 'accountType=UNIFIED&coin=BTC' }, 10004],
    ['a query spelt otherwise than signed', { sent: 'accountType=UNIFIE%44' }, 10004],
    [
      'an upper-case signature',
      { signature: sign(`${FROZEN_MS}${CANARY.apiKey}5000accountType=UNIFIED`).toUpperCase() },
      10004,
    ],
    ['a signature of another length', { signature: 'abc' }, 10004],
    ['a fraction for a timestamp', { timestamp: `${FROZEN_MS}.5` }, 10001],
    ['seconds for a timestamp', { timestamp: String(FROZEN_MS / 1000) }, 10002],
    ['no number for a window', { recvWindow: 'wide' }, 10001],
    ['a window of nothing', { recvWindow: '0' }, 10001],
    ['a window too wide', { recvWindow: '60001' }, 10001],
  ])('refuses %s', async (_, parts, retCode) => {
    const { body } = await askBybit(await givenSimulator(), parts);
    expect(body.retCode).toBe(retCode);
  });

  it('accepts what is signed as it is sent, sorted or not', async () => {
    const { body } = await askBybit(await givenSimulator(), { query: 'coin=BTC&accountType=UNIFIED' });
    expect(body.retCode).toBe(0);
  });

  it('wants authentication, and has no other pages', async () => {
    const simulator = await givenSimulator();
    expect(await get(`${simulator.bybitUrl}/v5/user/query-api`)).toMatchObject({ status: 401 });
    expect(await get(`${simulator.bybitUrl}/v5/order/create`)).toMatchObject({ status: 404 });
    const post = await fetch(`${simulator.bybitUrl}/v5/market/time`, { method: 'POST', body: '{}' });
    expect(post.status).toBe(404);
    expect(simulator.counters('BYBIT')).toMatchObject({ refused: 3, byRoute: { other: 2, verify: 1 } });
  });

  it('tells its limit in headers, and that it is reached', async () => {
    const simulator = await givenSimulator({ knobs: { rateLimit: { requests: 1, perMs: 5000 } } });
    const [first, second] = [await askBybit(simulator), await askBybit(simulator)];
    expect(first.headers.get('X-Bapi-Limit-Status')).toBe('0');
    expect(second.body).toMatchObject({ retCode: 10006, retMsg: 'Too many visits!' });
    expect(Number(second.headers.get('X-Bapi-Limit-Reset-Timestamp'))).toBe(FROZEN_MS + 5000);
  });
});

describe('BingX, simulated', () => {
  const query = `recvWindow=5000&timestamp=${FROZEN_MS}`;

  it('answers a signed request, with strings for figures', async () => {
    const { body } = await askBingx(await givenSimulator(), query);
    expect(body).toMatchObject({
      code: 0,
      msg: '',
      data: { balance: { asset: 'USDT', balance: '100000.0000' } },
    });
  });

  it('refuses a timestamp with its clock', async () => {
    const { body } = await askBingx(await givenSimulator(), `recvWindow=5000&timestamp=${FROZEN_MS - 5001}`);
    expect(body).toEqual({
      code: 100421,
      msg: expect.stringMatching(/^Null timestamp or timestamp mismatch/),
      timestamp: FROZEN_MS,
    });
  });

  it.each([
    ['a query changed after signing', `${query}1`, sign(query), 100001],
    ['parameters out of order', `timestamp=${FROZEN_MS}&recvWindow=5000`, undefined, 100001],
    ['no signature', query, '', 100412],
    ['no timestamp', 'recvWindow=5000', undefined, 100421],
    ['a window too wide', `recvWindow=5001&timestamp=${FROZEN_MS}`, undefined, 109400],
  ])('refuses %s', async (_, sent, signature, code) => {
    const { body } = await askBingx(await givenSimulator(), sent, signature);
    expect(body.code).toBe(code);
  });

  it('lets the early limit be set', async () => {
    const simulator = await givenSimulator({ bingx: { earlyLimitMs: 50 } });
    const ask = async (timestamp: number) =>
      (await askBingx(simulator, `recvWindow=5000&timestamp=${timestamp}`)).body.code;
    expect([await ask(FROZEN_MS + 49), await ask(FROZEN_MS + 50)]).toEqual([0, 100421]);
  });

  it('gives one premium index for a symbol, and all without', async () => {
    const url = `${(await givenSimulator()).bingxUrl}/openApi/swap/v2/quote/premiumIndex`;
    const [one, all] = [await get(`${url}?symbol=ETH-USDT`), await get(url)];
    expect(one.body.data).toMatchObject({
      symbol: 'ETH-USDT',
      lastFundingRate: expect.stringMatching(/^-?0\.\d{8}$/),
    });
    expect(all.body.data).toContainEqual(one.body.data);
  });
});

describe('the time it tells', () => {
  const time = async (simulator: ExchangeSimulator) => {
    const bybit = await get(`${simulator.bybitUrl}/v5/market/time`);
    const bingx = await get(`${simulator.bingxUrl}/openApi/swap/v2/server/time`);
    return {
      bybit: bybit.body.time,
      nano: bybit.body.result.timeNano,
      bingx: bingx.body.data.serverTime,
      date: bybit.headers.get('date'),
      age: bybit.headers.get('age'),
    };
  };

  it('is not the edge’s, where that is set apart: only the Date header shows it', async () => {
    const simulator = await givenSimulator({ knobs: { edgeSkewMs: -4_000 } });
    const response = await fetch(`${simulator.bingxUrl}/openApi/swap/v2/server/time`);
    expect(Date.parse(response.headers.get('date') as string)).toBe(FROZEN_MS - 4_000);
    expect(await response.json()).toMatchObject({ data: { serverTime: FROZEN_MS } });
    await simulator.set({ edgeSkewMs: 60_000 });
    const later = await fetch(`${simulator.bingxUrl}/openApi/swap/v2/server/time`);
    expect(Date.parse(later.headers.get('date') as string)).toBe(FROZEN_MS + 60_000);
  });

  it('is its own in the Date header too, on every answer', async () => {
    const simulator = await givenSimulator({ knobs: { skewMs: 86_400_999 } });
    const date = new Date(FROZEN_MS + 86_400_999).toUTCString();
    expect(await time(simulator)).toMatchObject({ date, age: null });
    expect((await get(`${simulator.bingxUrl}/nowhere`)).headers.get('date')).toBe(date);
    await simulator.set({ maintenance: 'http' });
    expect((await get(`${simulator.bybitUrl}/v5/market/time`)).headers.get('date')).toBe(date);
    await simulator.set({ dateHeader: false, maintenance: 'none', ageSeconds: 30 });
    expect(await time(simulator)).toMatchObject({ date: null, age: '30' });
  });

  it.each([
    ['seconds', FROZEN_MS / 1e3],
    ['microseconds', FROZEN_MS * 1e3],
    ['nanoseconds', FROZEN_MS * 1e6],
    ['zero', 0],
    ['negative', -FROZEN_MS],
    ['null', null],
  ] as const)('may be in %s, while the Date header is right', async (toldTime, told) => {
    const simulator = await givenSimulator({ knobs: { toldTime } });
    expect(await time(simulator)).toMatchObject({
      bybit: told,
      nano: told,
      bingx: told,
      date: new Date(FROZEN_MS).toUTCString(),
    });
  });

  it('may stand still or run backwards, the Date header with it, while requests are judged rightly', async () => {
    let nowMs = FROZEN_MS;
    const simulator = await givenSimulator({ now: () => nowMs });
    const adapter = givenAdapter('BYBIT', simulator, { timestamp: () => nowMs });
    await time(simulator);
    await simulator.set({ toldTime: 'cached' });
    nowMs += 20_000;
    expect(await time(simulator)).toMatchObject({
      bybit: FROZEN_MS,
      bingx: FROZEN_MS,
      date: new Date(FROZEN_MS).toUTCString(),
    });
    await adapter.verifyAccount();
    await simulator.set({ toldTime: 'backwards' });
    expect([(await time(simulator)).bybit, (await time(simulator)).bybit]).toEqual([
      FROZEN_MS - 1_000,
      FROZEN_MS - 2_000,
    ]);
    await simulator.set({ toldTime: 'right' });
    expect((await time(simulator)).bybit).toBe(nowMs);
  });

  it('may be wrong once, by a fault', async () => {
    const simulator = await givenSimulator();
    simulator.fault({ kind: 'told-time', toldTime: 'future' }, 'BYBIT');
    const [first, second] = [await time(simulator), await time(simulator)];
    expect(first.bybit - FROZEN_MS).toBeGreaterThan(9 * 365 * 86_400_000);
    expect([second.bybit, first.bingx]).toEqual([FROZEN_MS, FROZEN_MS]);
  });
});

describe('the simulator', () => {
  it('knows the demo accounts when it is given none', async () => {
    const simulator = await startExchangeSimulator({
      now: () => FROZEN_MS,
      knobs: { latencyMs: NO_LATENCY },
    });
    try {
      for (const number of [1, DEMO_ACCOUNT_COUNT]) {
        await givenAdapter('BYBIT', simulator, { credentials: demoAccount(number) }).verifyAccount();
        await givenAdapter('BINGX', simulator, { credentials: demoAccount(number) }).verifyAccount();
      }
    } finally {
      await simulator.close();
    }
    expect(() => demoAccount(0)).toThrow('from 1 to 100');
  });

  it('moves the clock of one exchange and leaves the other', async () => {
    let nowMs = FROZEN_MS;
    const simulator = await givenSimulator({ now: () => nowMs, knobs: { driftPpm: 50 } });
    simulator.step(3000, 'BYBIT');
    nowMs += 1_000_000;
    expect(simulator.serverTimeMs('BYBIT') - nowMs).toBeCloseTo(3050, 3);
    expect(simulator.serverTimeMs('BINGX') - nowMs).toBeCloseTo(50, 3);
    await simulator.set({ driftPpm: 0 });
    nowMs += 1_000_000;
    expect(simulator.serverTimeMs('BINGX') - nowMs).toBeCloseTo(50, 3);
    await simulator.set({ skewMs: -7 }, 'BINGX');
    expect(simulator.serverTimeMs('BINGX') - nowMs).toBe(-7);
    expect(() => simulator.step(Number.NaN)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }));
  });

  it('has the same rates on every run with a seed', async () => {
    const rates = async (seed: number) => {
      const simulator = await givenSimulator({ seed });
      return givenAdapter('BYBIT', simulator).fundingRate(SYMBOL.BYBIT);
    };
    expect(await rates(3)).toEqual(await rates(3));
    expect(await rates(3)).not.toEqual(await rates(4));
  });

  it('refuses connections in an outage, and takes the same port up after', async () => {
    const simulator = await givenSimulator();
    const adapter = givenAdapter('BINGX', simulator);
    await adapter.serverTime();
    await simulator.set({ outage: 'refuse' });
    expect(await errorOf(adapter.serverTime())).toMatchObject({ exchangeCode: 'ECONNREFUSED' });
    await simulator.set({ outage: 'none' });
    await adapter.serverTime();
    expect(simulator.counters('BINGX').accepted).toBe(2);
  });

  it('delays an answer by a fault, without changing it', async () => {
    const simulator = await givenSimulator();
    simulator.fault({ kind: 'delay', delayMs: 1 }, 'BYBIT');
    expect(await givenAdapter('BYBIT', simulator).serverTime()).toMatchObject({ serverTimeMs: FROZEN_MS });
    expect(simulator.counters('BYBIT')).toMatchObject({ faults: 1, accepted: 1 });
  });

  it('forgets waiting faults when told', async () => {
    const simulator = await givenSimulator();
    simulator.fault({ kind: 'reset' }, 'BYBIT');
    expect(simulator.state().exchanges.BYBIT?.pendingFaults).toHaveLength(1);
    simulator.clearFaults();
    await givenAdapter('BYBIT', simulator).serverTime();
  });

  it('closes at once, with requests waiting and connections open, and stays closed', async () => {
    const simulator = await givenSimulator({ knobs: { latencyMs: { time: 600_000 } } });
    const waiting = errorOf(givenAdapter('BYBIT', simulator).serverTime());
    const idle = createConnection(Number(new URL(simulator.bingxUrl).port), '127.0.0.1').resume();
    await new Promise(resolve => idle.once('connect', resolve));
    const idleEnded = new Promise(resolve => idle.once('close', resolve));
    while (simulator.counters('BYBIT').connections === 0) await new Promise(setImmediate);

    await simulator.close();

    expect(await waiting).toMatchObject({ code: 'EXCHANGE_UNREACHABLE' });
    await idleEnded;
    await simulator.set({ outage: 'none' });
    await expect(fetch(simulator.bybitUrl)).rejects.toThrow();
  });

  it('says which port it cannot have, and leaves none open', async () => {
    const first = await givenSimulator();
    const taken = Number(new URL(first.bingxUrl).port);
    await expect(startExchangeSimulator({ ports: { bingx: taken } })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining(`127.0.0.1:${taken} (EADDRINUSE)`),
    });
    await expect(startExchangeSimulator({ ports: { control: 65_536 } })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    });
  });
});

describe('the control door', () => {
  const post = async (
    simulator: ExchangeSimulator,
    command: string,
    body: unknown,
    type = 'application/json',
  ) => {
    const response = await fetch(`${simulator.controlUrl}/__simulator/${command}`, {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
      headers: { 'content-type': type, connection: 'close' },
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };

  it('steers from outside', async () => {
    const simulator = await givenSimulator();
    const adapter = givenAdapter('BYBIT', simulator);
    expect(await post(simulator, 'step', { exchange: 'BYBIT', ms: 3000 })).toEqual({
      status: 200,
      body: { ok: true },
    });
    await post(simulator, 'set', { maintenance: 'code' });
    expect(await errorOf(adapter.serverTime())).toMatchObject({ exchangeCode: '10016' });
    await post(simulator, 'set', { exchange: 'BYBIT', maintenance: 'none' });
    await post(simulator, 'fault', { exchange: 'BYBIT', kind: 'code', code: 33004, route: 'verify' });
    expect((await adapter.serverTime()).serverTimeMs).toBe(FROZEN_MS + 3000);
    expect(await errorOf(adapter.verifyAccount())).toMatchObject({ exchangeCode: '33004' });

    const { body: state } = await get(`${simulator.controlUrl}/__simulator/state`);
    expect(state).toEqual(JSON.parse(JSON.stringify(simulator.state())));
    expect(state.exchanges.BINGX.knobs.maintenance).toBe('code');
    const { text: requests } = await get(`${simulator.controlUrl}/__simulator/requests`);
    expect(JSON.parse(requests)).toHaveLength(3);
  });

  it('stays open while an exchange refuses connections', async () => {
    const simulator = await givenSimulator();
    await post(simulator, 'set', { outage: 'refuse' });
    await post(simulator, 'set', { outage: 'none' });
    await givenAdapter('BYBIT', simulator).serverTime();
  });

  it.each([
    ['set', { skew: 1 }, 'skew'],
    ['set', { exchange: 'KRAKEN' }, 'the simulator was not started with KRAKEN: it has BYBIT, BINGX'],
    ['set', { exchange: 'bybit' }, 'exchange must be 1 to 32 capital letters'],
    ['set', '[1]', 'JSON object'],
    ['set', '{', 'JSON object'],
    ['set', { toldTime: 'wrong' }, 'toldTime'],
    ['set', { ageSeconds: -1 }, 'ageSeconds'],
    ['step', { ms: '3000' }, 'ms must be a number'],
    ['fault', { kind: 'reset' }, 'exchange must be 1 to 32'],
    ['fault', { exchange: 'BYBIT', kind: 'explode' }, 'invalid fault'],
    ['unknown', {}, 'there are GET /__simulator/state'],
  ])('explains what is wrong with %s %j', async (command, body, problem) => {
    const answer = await post(await givenSimulator(), command, body);
    expect(answer).toEqual({ status: 400, body: { error: expect.stringContaining(problem) } });
  });

  it('is shut to web pages', async () => {
    const simulator = await givenSimulator();
    expect(await post(simulator, 'step', { ms: 1 }, 'text/plain')).toMatchObject({ status: 400 });
    expect(simulator.serverTimeMs('BYBIT')).toBe(FROZEN_MS);
  });
});
