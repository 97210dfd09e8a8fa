/**
 * Binance spot as data. Not verified live.
 *
 * The same rule of the window as Bybit's, documented as an inequality. Spot checks `recvWindow` a second time before the
 * matching engine; a refusal there was not executed either, but counts as an unfilled order. No common field tells the
 * clock, and a refusal does not: after one the time is asked for.
 *
 * -1006, -1007 and a 503 that says "Unknown error" may have been executed. USDⓈ-M, COIN-M and options have hosts, and so
 * clocks, of their own: register them under names of their own.
 */
import type { ExchangeProfile } from '../exchange-profile.js';

export const BINANCE_PROFILE: ExchangeProfile = {
  name: 'BINANCE',
  source:
    'binance/binance-spot-api-docs: rest-api.md ("Timing security", "Limits"), errors.md, CHANGELOG.md, testnet and demo-mode (2026-07)',
  hosts: {
    MAINNET: 'https://api.binance.com',
    TESTNET: 'https://testnet.binance.vision',
    DEMO: 'https://demo-api.binance.com',
  },
  window: { defaultMs: 5000, maxMs: 60_000, earlyLimitMs: 1000 },
  time: { path: '/api/v3/time', stamp: { at: ['serverTime'], format: 'ms' } },
  answers: { name: 'Binance', code: 'code', message: 'msg', yes: [] },
  refusals: [
    // -5028: outside the matching engine's window (USDⓈ-M).
    { codes: ['-1021', '-5028'], reason: 'timestamp' },
    { codes: ['-1022'], reason: 'signature' },
    // -2015 is also an address or a right that is missing: the exchange does not tell them apart.
    { codes: ['-2008', '-2014', '-2015'], reason: 'key-unknown' },
    { codes: ['-1002', '-1099'], reason: 'permission' },
    { codes: ['-2017'], reason: 'account-suspended' }, // keys are locked on this account
    { says: /banned until/i, reason: 'banned' },
    { codes: ['-1003', '-1015', '-1034'], reason: 'rate-limit' },
    { codes: ['-1000', '-1001', '-1004', '-1006', '-1007', '-1008', '-1016'], reason: 'maintenance' },
    { says: /restricted location/i, reason: 'region' },
  ],
  unexecuted: ['-1021', '-5028'],
  retryAfter: { says: /banned until (\d{13})\b/ },
  request: {
    stamp: { in: 'query', name: 'timestamp', format: 'ms' },
    window: { in: 'query', name: 'recvWindow' },
  },
  ccxt: {
    id: 'binance',
    signs: /private|sapi|papi/i,
    verification: [
      {
        endpoint: 'GET /api/v3/account',
        api: 'private',
        path: 'account',
        params: { omitZeroBalances: 'true' },
      },
    ],
  },
};
