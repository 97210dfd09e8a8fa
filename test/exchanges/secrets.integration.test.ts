/**
 * Whatever goes wrong, and whatever the exchange says about it, no credential is in the error, nor on the
 * console (promise 5). The SDKs' own errors hold both the key and the secret.
 */
import { createServer } from 'node:net';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { ExchangeError } from '../../src/exchanges/exchange-adapter.js';
import type { ExchangeSimulator, Fault } from '../../src/exchanges/simulator/index.js';

// The SDK reads it when it is loaded, and then prints each request: see src/exchanges/bybit/trace-off.ts.
process.env.BYBITTRACE = 'true';
const { BOTH, CANARY, errorOf, FROZEN_MS, givenAdapter, givenSimulator, SYMBOL } = await import(
  './support.js'
);

const printed: unknown[] = [];
beforeEach(() => {
  for (const method of ['log', 'info', 'warn', 'error', 'debug', 'trace'] as const) {
    jest.spyOn(console, method).mockImplementation((...args) => void printed.push(args));
  }
});
afterEach(() => {
  jest.restoreAllMocks();
});
afterAll(() => {
  delete process.env.BYBITTRACE;
});

function expectNoSecret(error: ExchangeError) {
  const everything = [
    inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true, getters: true }),
    JSON.stringify(error),
    String(error.stack),
    error.message,
  ].join('\n');
  for (const secret of Object.values(CANARY)) {
    for (const spelling of [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64')]) {
      expect(everything).not.toContain(spelling);
    }
  }
  expect(everything).not.toMatch(/[0-9a-f]{64}/);
  expect(error.cause).toBeUndefined();
  expect(Object.keys(error).sort()).toEqual(
    [
      'authClass',
      'code',
      'exchange',
      'exchangeCode',
      'lateness',
      'name',
      'reason',
      'request',
      'retryAfterMs',
      'sample',
      'syncClass',
    ].sort(),
  );
  expect(error.message.length).toBeLessThan(700);
}

const echo = `key=${CANARY.apiKey}&secret=${CANARY.apiSecret}&again=${encodeURIComponent(CANARY.apiSecret)}`;
const jsonEcho = JSON.stringify({ retCode: 10001, retMsg: echo, code: 100400, msg: echo, data: { echo } });

describe.each(BOTH)('%s errors hold no credential', exchange => {
  const faults: [string, Fault][] = [
    ['a message that repeats them', { kind: 'code', code: 12345, message: echo }],
    ['a quoted request', { kind: 'code', code: 10004, message: `error sign! origin_string[${echo}]]` }],
    [
      'a very long message',
      { kind: 'code', code: 1, message: `${'x'.repeat(290)}${echo}${'y'.repeat(9999)}` },
    ],
    ...[301, 401, 403, 404, 418, 429, 500, 502, 503].flatMap((status): [string, Fault][] => [
      [`HTTP ${status} with JSON`, { kind: 'http', status, body: jsonEcho, contentType: 'application/json' }],
      [`HTTP ${status} with HTML`, { kind: 'http', status, body: `<html>${echo}</html>` }],
      [`HTTP ${status} with nothing`, { kind: 'http', status }],
    ]),
    ['a body that is not JSON', { kind: 'body', body: echo }],
    ['a body of nothing', { kind: 'body', body: '' }],
    ['malformed JSON', { kind: 'malformed-json' }],
    ['a reset connection', { kind: 'reset' }],
    ['a connection cut in the body', { kind: 'cut' }],
    ['no answer', { kind: 'hang' }],
  ];

  it.each(faults)('after %s', async (_, fault) => {
    const simulator = await givenSimulator();
    // A verification that is not there (404) is asked for in another way.
    simulator.fault({ ...fault, times: 4 }, exchange);
    const adapter = givenAdapter(exchange, simulator, { timeoutMs: 40 });
    expectNoSecret(await errorOf(adapter.verifyAccount()));
    expectNoSecret(await errorOf(adapter.fundingRate(SYMBOL[exchange])));
  });

  it('after a refused signature, which Bybit quotes', async () => {
    const simulator = await givenSimulator({ accounts: { [CANARY.apiKey]: 'another secret' } });
    const error = await errorOf(givenAdapter(exchange, simulator).verifyAccount());
    expect(error.authClass).toBe('credentials');
    expectNoSecret(error);
  });

  it('after a refused timestamp', async () => {
    const simulator = await givenSimulator({ knobs: { skewMs: 60_000 } });
    expectNoSecret(await errorOf(givenAdapter(exchange, simulator).verifyAccount()));
  });

  it('after a refused connection', async () => {
    const simulator = await givenSimulator({ knobs: { outage: 'refuse' } });
    const error = await errorOf(givenAdapter(exchange, simulator).verifyAccount());
    expect(error).toMatchObject({ code: 'EXCHANGE_UNREACHABLE', exchangeCode: 'ECONNREFUSED' });
    expectNoSecret(error);
  });

  it('after a host name that does not exist', async () => {
    const simulator = await givenSimulator();
    const adapter = givenAdapter(exchange, simulator, { baseUrl: 'https://no-such-host.invalid' });
    const error = await errorOf(adapter.verifyAccount());
    expect(error).toMatchObject({ code: 'EXCHANGE_UNREACHABLE', syncClass: 'network' });
    expect(error.exchangeCode).toMatch(/^(ENOTFOUND|EAI_AGAIN)$/);
    expectNoSecret(error);
  });

  it.each([
    ['something that is not HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['an endless body', null],
  ])('after %s', async (_, bytes) => {
    const server = createServer(socket => {
      socket.on('error', () => {}).resume();
      if (bytes !== null) return void socket.end(bytes);
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n');
      const chunk = Buffer.alloc(1024 * 1024, 'x');
      const pour = () => {
        while (!socket.destroyed && socket.write(chunk));
      };
      socket.on('drain', pour);
      pour();
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = server.address() as { port: number };
      const nowhere = { bybitUrl: '', bingxUrl: '' } as ExchangeSimulator;
      const adapter = givenAdapter(exchange, nowhere, { baseUrl: `http://127.0.0.1:${port}` });
      const error = await errorOf(adapter.verifyAccount());
      expect(error.code).toMatch(/^EXCHANGE_(UNREACHABLE|BAD_RESPONSE)$/);
      expectNoSecret(error);
      adapter.close();
    } finally {
      await new Promise(resolve => server.close(resolve));
    }
  });

  it('and nothing was printed, good or bad, with the SDK told to trace', async () => {
    const simulator = await givenSimulator();
    const adapter = givenAdapter(exchange, simulator);
    await adapter.serverTime();
    await adapter.verifyAccount();
    simulator.fault({ kind: 'code', code: 1 }, exchange);
    await errorOf(adapter.verifyAccount());

    expect(process.env.BYBITTRACE).toBe('true');
    expect(printed).toEqual([]);
  });

  it('and the simulator remembers none either', async () => {
    const simulator = await givenSimulator();
    await givenAdapter(exchange, simulator).verifyAccount();
    const remembered = JSON.stringify([simulator.requests(), simulator.state(), FROZEN_MS]);
    for (const secret of Object.values(CANARY)) expect(remembered).not.toContain(secret);
    expect(remembered).not.toMatch(/[0-9a-f]{64}/);
  });
});
