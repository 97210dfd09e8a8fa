/** What a refusal tells whoever runs the connector: why, what to do, and when to try again. */
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import type { SdkExchange } from '../support/two-exchanges.js';
import { closing } from '../support/world.js';
import { BOTH, CANARY, errorOf, FROZEN_MS, givenAdapter, givenSimulator } from './support.js';

/** An exchange that gives one answer. */
async function answering(body: string, status = 200, headers: Record<string, string> = {}) {
  const server = createServer((_, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(body);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  closing({
    close: () => {
      server.closeAllConnections();
      return new Promise(resolve => server.close(resolve));
    },
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { bybitUrl: url, bingxUrl: url };
}

const bybit = (retCode: unknown, retMsg = '') =>
  JSON.stringify({ retCode, retMsg, result: {}, retExtInfo: {}, time: FROZEN_MS });
const bingx = (code: unknown, msg = '', data?: unknown) =>
  JSON.stringify({ code, msg, data, timestamp: FROZEN_MS });

async function refusalOf(exchange: SdkExchange, ...answer: Parameters<typeof answering>) {
  return errorOf(givenAdapter(exchange, await answering(...answer)).verifyAccount());
}

describe('when to try again', () => {
  it.each<[string, SdkExchange, Parameters<typeof answering>, number | undefined]>([
    [
      'Bybit’s reset header, by its clock',
      'BYBIT',
      [bybit(10006), 200, { 'X-Bapi-Limit-Reset-Timestamp': String(FROZEN_MS + 900) }],
      900,
    ],
    [
      'a reset that has gone by',
      'BYBIT',
      [bybit(10006), 200, { 'X-Bapi-Limit-Reset-Timestamp': String(FROZEN_MS - 5) }],
      0,
    ],
    ['Retry-After in seconds', 'BYBIT', ['<html>', 429, { 'Retry-After': '7' }], 7_000],
    [
      'Retry-After as a date',
      'BINGX',
      ['', 429, { Date: 'Thu, 09 Oct 2025 08:53:20 GMT', 'Retry-After': 'Thu, 09 Oct 2025 08:53:50 GMT' }],
      30_000,
    ],
    [
      'BingX in words',
      'BINGX',
      [bingx(100410, `rate limited, will be unblocked after ${FROZEN_MS + 60_000}`)],
      60_000,
    ],
    [
      'nonsense',
      'BYBIT',
      [bybit(10006), 200, { 'Retry-After': 'soon', 'X-Bapi-Limit-Reset-Timestamp': '9e99' }],
      undefined,
    ],
    // Date.parse takes it for a day in 2001, and then it would say "at once".
    ['a negative number', 'BYBIT', [bybit(10006), 429, { 'Retry-After': '-1' }], undefined],
    [
      'a reset in seconds',
      'BYBIT',
      [bybit(10006), 200, { 'X-Bapi-Limit-Reset-Timestamp': String(FROZEN_MS / 1000 + 60) }],
      undefined,
    ],
    ['nothing', 'BINGX', [bingx(109429, 'Too many requests')], undefined],
  ])('is taken from %s', async (_, exchange, answer, ms) => {
    const error = await refusalOf(exchange, ...answer);
    expect(error).toMatchObject({ code: 'EXCHANGE_REFUSED', reason: 'rate-limit', retryAfterMs: ms });
    if (ms) expect(error.message).toContain(`${(ms / 1000).toFixed(1)} s`);
  });
});

describe('why', () => {
  it.each<[SdkExchange, Parameters<typeof answering>, string, RegExp]>([
    ['BYBIT', [bybit(10024, 'compliance')], 'region', /deploy in a region/],
    [
      'BYBIT',
      [
        '<html>The Amazon CloudFront distribution is configured to block access from your country.</html>',
        403,
      ],
      'region',
      /deploy in a region/,
    ],
    ['BYBIT', [bybit(10010, 'Unmatched IP')], 'ip-whitelist', /whitelist.*proxy/],
    [
      'BYBIT',
      [bybit(10003, 'API key is invalid.')],
      'key-unknown',
      /mainnet, testnet and demo have keys of their own/,
    ],
    ['BYBIT', [bybit('10003', 'as a string')], 'key-unknown', /API key/],
    ['BINGX', [bingx('100419', 'IP whitelist')], 'ip-whitelist', /whitelist/],
    ['BINGX', [bingx(100500, 'busy')], 'maintenance', /try again later/],
    ['BYBIT', [bybit(99999, 'new')], 'unknown', /list of error codes/],
    [
      'BYBIT',
      ['', 302, { Location: 'https://login.invalid/' }],
      'unknown',
      /baseUrl.*a redirect is not followed/,
    ],
    ['BINGX', ['<html>no such page</html>', 404], 'unknown', /no code of the exchange/],
  ])('%s %j: %s', async (exchange, answer, reason, words) => {
    const error = await refusalOf(exchange, ...answer);
    expect(error).toMatchObject({ code: 'EXCHANGE_REFUSED', reason });
    expect(error.message).toMatch(words);
  });
});

describe('answers that say yes in another way', () => {
  it.each<[SdkExchange, string]>([
    ['BYBIT', JSON.stringify({ retCode: '0', retMsg: '', result: { id: '1' }, time: FROZEN_MS })],
    ['BINGX', bingx('0', '', { balance: { asset: 'USDT' } })],
    ['BINGX', bingx(0, '', [{ asset: 'USDT', balance: '1' }])],
  ])('are taken: %s %s', async (exchange, body) => {
    await givenAdapter(exchange, await answering(body)).verifyAccount();
  });
});

describe('credentials that can be seen to be wrong', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString();
  const ed25519 = generateKeyPairSync('ed25519')
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString();
  const create = (exchange: SdkExchange, apiSecret: string) => () =>
    givenAdapter(
      exchange,
      { bybitUrl: 'http://127.0.0.1:1', bingxUrl: 'http://127.0.0.1:1' },
      { credentials: { ...CANARY, apiSecret } },
    );

  it.each(BOTH)('are named before anything is sent: %s', exchange => {
    const apiSecret = `${CANARY.apiSecret.slice(0, 9)}\n${CANARY.apiSecret.slice(9)}`;
    expect(create(exchange, apiSecret)).toThrow(/a blank, a line break or an invisible character/);
    expect(create(exchange, apiSecret)).not.toThrow(CANARY.apiSecret.slice(0, 9));
  });

  it.each(BOTH)('are named where an env file left its quotes around them: %s', exchange => {
    for (const quote of ['"', "'"]) {
      expect(create(exchange, `${quote}${CANARY.apiSecret}${quote}`)).toThrow(/apiSecret stands in quotes/);
      const apiKey = `${quote}${CANARY.apiKey}${quote}`;
      const urls = { bybitUrl: 'http://127.0.0.1:1', bingxUrl: 'http://127.0.0.1:1' };
      const credentials = { ...CANARY, apiKey };
      expect(() => givenAdapter(exchange, urls, { credentials })).toThrow(/apiKey stands in quotes/);
    }
  });

  it.each(BOTH)(
    'are mended where that is sure: blanks and line breaks around a secret of %s',
    async exchange => {
      const simulator = await givenSimulator();
      for (const apiSecret of [
        `${CANARY.apiSecret}\n`,
        ` ${CANARY.apiSecret}`,
        `\r\n${CANARY.apiSecret}\t`,
      ]) {
        await givenAdapter(exchange, simulator, { credentials: { ...CANARY, apiSecret } }).verifyAccount();
      }
    },
  );

  it.each([
    ['two characters each', rsa.replaceAll('\n', '\\n')],
    ['four characters each', rsa.trim().replaceAll('\n', '\\r\\n')],
    ['blanks', rsa.replaceAll('\n', ' ')],
    ['gone', rsa.replaceAll('\n', '')],
    ['followed by blanks', rsa.replaceAll('\n', '\n    ')],
  ])('are mended where that is sure: a private key whose line breaks are %s', async (_, asVariable) => {
    const simulator = await givenSimulator();
    const adapter = givenAdapter('BYBIT', simulator, { credentials: { ...CANARY, apiSecret: asVariable } });
    // The simulator knows the key by another secret: that it was signed and sent is what counts.
    expect(await errorOf(adapter.verifyAccount())).toMatchObject({
      code: 'EXCHANGE_REFUSED',
      reason: 'signature',
    });
  });

  it.each([
    ['BYBIT', rsa.slice(0, 200), /whole PEM/],
    ['BYBIT', ed25519, /type ed25519.*RSA/],
    ['BINGX', rsa, /HMAC secrets only/],
  ] as const)('%s: a private key that it cannot sign with', (exchange, apiSecret, words) => {
    expect(create(exchange, apiSecret)).toThrow(words);
  });
});
