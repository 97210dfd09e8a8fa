/**
 * OKX V5 as data. Not verified live.
 *
 * "The request is refused when its timestamp differs from the server's time by more than 30 seconds": to both sides, and
 * fixed. Timestamps are signed as the present. The refusal tells no time; only answers to orders do (`inTime`).
 * 50112 speaks of a timestamp that is malformed: that is no clock's fault. 50004 may have been executed.
 *
 * Demo trading is the same host with a header, so it is the same clock under another environment.
 */
import type { ExchangeProfile } from '../exchange-profile.js';

export const OKX_PROFILE: ExchangeProfile = {
  name: 'OKX',
  source: 'OKX, API V5: "REST Authentication", "Error Code", "Demo Trading Services", "Get system time"',
  hosts: { MAINNET: 'https://www.okx.com', DEMO: 'https://www.okx.com' },
  headers: { DEMO: { 'x-simulated-trading': '1' } },
  window: { defaultMs: 30_000, maxMs: 30_000, earlyLimitMs: 30_000, aheadMs: 0 },
  time: { path: '/api/v5/public/time', stamp: { at: ['data', 0, 'ts'], format: 'ms-digits' } },
  answers: {
    name: 'OKX',
    code: 'code',
    message: 'msg',
    content: 'data',
    yes: ['0'],
    stamp: { at: ['inTime'], format: 'us-digits' },
  },
  refusals: [
    { codes: ['50102'], reason: 'timestamp' },
    { codes: ['50111', '50119'], reason: 'key-unknown' },
    // 50105: passphrase; 50103 to 50107: a header is missing; 50114: invalid authorization
    {
      codes: ['50103', '50104', '50105', '50106', '50107', '50113', '50114'],
      reason: 'signature',
    },
    { codes: ['50101'], reason: 'other-environment' },
    { codes: ['50030', '50120'], reason: 'permission' },
    { codes: ['50110'], reason: 'ip-whitelist' },
    { codes: ['51155', '51734', '51773'], reason: 'region' },
    { codes: ['51010'], reason: 'account-mode' },
    { codes: ['50007', '50009', '50027', '50100'], reason: 'account-suspended' },
    { codes: ['50011', '50061'], reason: 'rate-limit' },
    { codes: ['50001', '50004', '50005', '50013', '50026'], reason: 'maintenance' },
    // With a code of its own 401 is no unknown key (50112 is malformed).
    { status: 401, hasCode: true, reason: 'unknown' },
  ],
  unexecuted: ['50102'],
  request: { stamp: { in: 'header', name: 'OK-ACCESS-TIMESTAMP', format: 'iso' } },
  ccxt: {
    id: 'okx',
    verification: [{ endpoint: 'GET /api/v5/account/config', api: 'private', path: 'account/config' }],
  },
};
