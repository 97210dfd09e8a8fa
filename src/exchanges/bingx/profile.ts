/**
 * BingX swap V2 as data.
 *
 * Its codes are overloaded: 100421 is a timestamp mismatch, a restricted pair or "business reasons", 80014 and 109400 are
 * any invalid parameter, 100410 is a limit or a busy system. For those the message decides. 100001 (signature mismatch) is never a clock error; see
 * bybit/profile.ts for why.
 *
 * A refusal adds `timestamp`, BingX's clock, and so is a sample; a success carries no clock but its `Date` header, unless
 * the clock is what was asked for.
 *
 * VST ("virtual USDT") is all that BingX has beside the market: its `DEMO` and its `TESTNET` are the same host.
 */
import type { ExchangeProfile } from '../exchange-profile.js';

const MAY_BE_THE_TIMESTAMP = ['80014', '100421', '109400'] as const;

export const BINGX_PROFILE: ExchangeProfile = {
  name: 'BINGX',
  source:
    'BingX, API documentation, swap V2: "Signature", "Common Error Codes", "Rate limit" (as ccxt 4.5.84 has it), "Mark Price and Funding Rate"; 100410, 100421 and 109429 as users report them; how early a timestamp may be is documented nowhere and assumed',
  hosts: {
    MAINNET: 'https://open-api.bingx.com',
    TESTNET: 'https://open-api-vst.bingx.com',
    DEMO: 'https://open-api-vst.bingx.com',
  },
  window: { defaultMs: 5000, maxMs: 5000, earlyLimitMs: 1000 },
  time: { path: '/openApi/swap/v2/server/time', stamp: { at: ['data', 'serverTime'], format: 'ms' } },
  answers: {
    name: 'BingX',
    code: 'code',
    message: 'msg',
    content: 'data',
    yes: ['0'],
    stamp: { at: ['timestamp'], format: 'ms' },
  },
  funding: {
    path: '/openApi/swap/v2/quote/premiumIndex',
    list: ['data'],
    symbol: 'symbol',
    next: { at: ['nextFundingTime'], format: 'ms' },
  },
  publicLimit: { requests: 100, perMs: 10_000 },
  refusals: [
    { codes: MAY_BE_THE_TIMESTAMP, says: /timestamp/i, reason: 'timestamp' },
    { codes: MAY_BE_THE_TIMESTAMP, says: /restricted/i, reason: 'permission' },
    { codes: MAY_BE_THE_TIMESTAMP, reason: 'unknown' },
    { codes: ['100413'], reason: 'key-unknown' },
    { codes: ['100001', '100412'], reason: 'signature' }, // 100412: none was sent
    { codes: ['100004'], reason: 'permission' },
    { codes: ['100419'], reason: 'ip-whitelist' },
    { codes: ['100414'], reason: 'account-suspended' },
    { codes: ['100410'], says: /busy/i, reason: 'maintenance' },
    { codes: ['100410', '109429'], reason: 'rate-limit' },
    { codes: ['80012', '100500', '100503'], reason: 'maintenance' }, // service unavailable, busy
  ],
  unexecuted: ['100421'],
  retryAfter: { says: /unblocked after (\d{13})\b/ },
  request: {
    stamp: { in: 'query', name: 'timestamp', format: 'ms' },
    window: { in: 'query', name: 'recvWindow' },
  },
  ccxt: {
    id: 'bingx',
    verification: [
      {
        endpoint: 'GET /openApi/swap/v2/user/balance',
        api: ['swap', 'v2', 'private'],
        path: 'user/balance',
      },
    ],
  },
};
