/**
 * Bybit V5 as data.
 *
 * 10002 is the timestamp. 10004 (bad signature) never is, although a wrong clock is often suspected: the timestamp is part
 * of what was signed, and a signature over a wrong one is still a right signature.
 *
 * `time` stands in every answer, refusals included, so that every answer is a sample of Bybit's clock (the one on the
 * clock itself tells it better).
 */
import type { ExchangeProfile } from '../exchange-profile.js';
import { ABOUT_REGION } from '../refusal-reason.js';

export const BYBIT_PROFILE: ExchangeProfile = {
  name: 'BYBIT',
  source:
    'Bybit, API V5: "Integration Guidance", "Error Codes", "Rate Limit Rules", "Get Tickers", "Demo Trading Service"; -1 and -2015 as users report them; 10020 and 100028 as in ccxt 4.5.84; regions as in bybit-api 4.7.7',
  hosts: {
    MAINNET: 'https://api.bybit.com',
    TESTNET: 'https://api-testnet.bybit.com',
    DEMO: 'https://api-demo.bybit.com',
  },
  regions: {
    bytick: { MAINNET: 'https://api.bytick.com' },
    NL: { MAINNET: 'https://api.bybit.nl' },
    TK: { MAINNET: 'https://api.bybit.tr' },
    KZ: { MAINNET: 'https://api.bybit.kz' },
    HK: { MAINNET: 'https://api.spark-fintech.com', TESTNET: 'https://api-testnet.spark-fintech.com' },
    GE: { MAINNET: 'https://api.bybitgeorgia.ge' },
    UAE: { MAINNET: 'https://api.bybit.ae' },
    EU: { MAINNET: 'https://api.bybit.eu' },
    ID: { MAINNET: 'https://api.bybit.id' },
    JP: { MAINNET: 'https://api.manepa.jp', TESTNET: 'https://api-testnet.manepa.jp' },
  },
  window: { defaultMs: 5000, maxMs: 60_000, earlyLimitMs: 1000 },
  time: { path: '/v5/market/time', stamp: { at: ['result', 'timeNano'], format: 'ns-digits' } },
  answers: {
    name: 'Bybit V5',
    code: 'retCode',
    message: 'retMsg',
    content: 'result',
    yes: ['0'],
    stamp: { at: ['time'], format: 'ms' },
  },
  funding: {
    path: '/v5/market/tickers?category=linear',
    list: ['result', 'list'],
    symbol: 'symbol',
    next: { at: ['nextFundingTime'], format: 'ms-digits' },
  },
  publicLimit: { requests: 600, perMs: 5000 },
  refusals: [
    { codes: ['10002'], reason: 'timestamp' },
    { codes: ['-1'], says: /request expired|timestamp/i, reason: 'timestamp' },
    { codes: ['-1'], reason: 'unknown' },
    { codes: ['10003'], reason: 'key-unknown' }, // also a key of another environment
    { codes: ['33004', '-2015'], reason: 'key-expired' },
    { codes: ['10004', '10007'], reason: 'signature' }, // 10007: user authentication failed
    { codes: ['10032'], reason: 'other-environment' }, // not offered in demo trading
    { codes: ['10005'], reason: 'permission' },
    { codes: ['10010'], reason: 'ip-whitelist' },
    { codes: ['10024'], reason: 'region' }, // compliance rules
    { codes: ['10020', '10028', '100028'], reason: 'account-mode' }, // unified accounts only; 100028: none of them
    { codes: ['10008', '10027'], reason: 'account-suspended' }, // user banned, trading banned
    { codes: ['10006', '10018', '10403', '10429', '20003'], reason: 'rate-limit' }, // by user, address, system, session
    { codes: ['10009'], reason: 'banned' }, // address banned
    { codes: ['429', '10000', '10016', '10019'], reason: 'maintenance' }, // "high load", time-out, error, a restart
    // 403 is the limit of requests by address, a ban of ten minutes, where the exchange speaks.
    { status: 403, says: /too frequent/i, reason: 'banned' },
    { status: 403, hasCode: true, says: ABOUT_REGION, reason: 'region' },
    { status: 403, hasCode: true, reason: 'rate-limit' },
  ],
  // -1 ("request expired") is known from users only: what it means for an order is not documented.
  unexecuted: ['10002'],
  retryAfter: { momentHeader: 'x-bapi-limit-reset-timestamp' },
  request: {
    stamp: { in: 'header', name: 'X-BAPI-TIMESTAMP', format: 'ms' },
    window: { in: 'header', name: 'X-BAPI-RECV-WINDOW' },
  },
  ccxt: {
    id: 'bybit',
    verification: [
      { endpoint: 'GET /v5/user/query-api', api: 'private', path: 'v5/user/query-api' },
      { endpoint: 'GET /v5/account/info', api: 'private', path: 'v5/account/info' },
    ],
  },
  takesRsa: true,
};
