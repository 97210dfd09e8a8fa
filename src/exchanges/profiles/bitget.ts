/**
 * Bitget V2 as data. Not verified live.
 *
 * "Must be within 30 seconds of the API server time": to both sides, and fixed. `requestTime` stands in every answer,
 * refusals included, so that each is a sample. 40005 speaks of a timestamp that is malformed; 40010 ("timed out") is
 * not about the timestamp, and may have been executed.
 *
 * Demo trading is the same host with a header, so it is the same clock under another environment.
 */
import type { ExchangeProfile } from '../exchange-profile.js';

export const BITGET_PROFILE: ExchangeProfile = {
  name: 'BITGET',
  source:
    'Bitget, API V2: "Request Interaction", "Get Server Time", "Demo Trading"; codes as in the exceptions of ccxt 4.5.84 and third-party notes',
  hosts: { MAINNET: 'https://api.bitget.com', DEMO: 'https://api.bitget.com' },
  headers: { DEMO: { paptrading: '1' } },
  window: { defaultMs: 30_000, maxMs: 30_000, earlyLimitMs: 30_000, aheadMs: 0 },
  time: { path: '/api/v2/public/time', stamp: { at: ['data', 'serverTime'], format: 'ms-digits' } },
  answers: {
    name: 'Bitget',
    code: 'code',
    message: 'msg',
    content: 'data',
    yes: ['00000'],
    stamp: { at: ['requestTime'], format: 'ms' },
  },
  refusals: [
    { codes: ['40004', '40008'], reason: 'timestamp' },
    { codes: ['40006', '40037'], reason: 'key-unknown' },
    // 40011, 40012, 40036: passphrase; 40001 to 40003: a header is missing
    {
      codes: ['40001', '40002', '40003', '40009', '40011', '40012', '40036'],
      reason: 'signature',
    },
    { codes: ['40014', '40016', '40301'], reason: 'permission' },
    { codes: ['40018', '40038'], reason: 'ip-whitelist' },
    { codes: ['40024'], reason: 'region' },
    { codes: ['40031'], reason: 'account-suspended' },
    { codes: ['429', '1001'], reason: 'rate-limit' },
    { codes: ['40010', '40015', '40200', '40308', '40725'], reason: 'maintenance' },
  ],
  unexecuted: ['40008'],
  request: { stamp: { in: 'header', name: 'ACCESS-TIMESTAMP', format: 'ms' } },
  ccxt: {
    id: 'bitget',
    verification: [
      {
        endpoint: 'GET /api/v2/spot/account/info',
        api: ['private', 'spot'],
        path: 'v2/spot/account/info',
      },
    ],
  },
};
