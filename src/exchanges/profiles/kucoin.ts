/**
 * KuCoin spot as data. Not verified live.
 *
 * The difference "must be less than 5 seconds": to both sides, fixed, and the narrowest of those known here. Neither answers
 * nor refusals tell a time. Every answer has `gw-ratelimit-reset`, milliseconds to the end of the window of 30 s; 429000
 * without it is an overload that is not counted.
 */
import type { ExchangeProfile } from '../exchange-profile.js';

export const KUCOIN_PROFILE: ExchangeProfile = {
  name: 'KUCOIN',
  source:
    'KuCoin, API documentation: "Authentication", "Rate Limit"; Kucoin/kucoin-api-docs (2023); 400500 and 500000 as in the exceptions of ccxt 4.5.84',
  hosts: { MAINNET: 'https://api.kucoin.com' },
  window: { defaultMs: 5000, maxMs: 5000, earlyLimitMs: 5000, aheadMs: 0 },
  time: { path: '/api/v1/timestamp', stamp: { at: ['data'], format: 'ms' } },
  answers: { name: 'KuCoin', code: 'code', message: 'msg', content: 'data', yes: ['200000'] },
  refusals: [
    { codes: ['400002'], reason: 'timestamp' },
    { codes: ['400003'], reason: 'key-unknown' },
    { codes: ['400001', '400004', '400005'], reason: 'signature' }, // a header is missing, passphrase, signature
    { codes: ['400007'], reason: 'permission' },
    { codes: ['400006'], reason: 'ip-whitelist' },
    { codes: ['400303', '400500'], reason: 'region' },
    { codes: ['411100'], reason: 'account-suspended' },
    { codes: ['429000', '200002'], reason: 'rate-limit' },
    { codes: ['1015'], reason: 'banned' }, // by the edge, 30 s
    { codes: ['500000'], reason: 'maintenance' },
  ],
  unexecuted: ['400002'],
  retryAfter: { durationHeader: 'gw-ratelimit-reset' },
  request: { stamp: { in: 'header', name: 'KC-API-TIMESTAMP', format: 'ms' } },
  ccxt: {
    id: 'kucoin',
    signs: /private|broker|earn/i,
    verification: [{ endpoint: 'GET /api/v1/user/api-key', api: 'private', path: 'user/api-key' }],
  },
};
