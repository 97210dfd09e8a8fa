/** An exchange that is not among the shipped ones, with whole seconds in its requests: what a user would register. */
import type { ExchangeProfile } from '../../src/exchanges/exchange-profile.js';

export const GATE: ExchangeProfile = {
  name: 'GATE',
  source: 'Gate API v4, "Authentication"',
  hosts: { MAINNET: 'https://api.gateio.ws' },
  window: { defaultMs: 60_000, maxMs: 60_000, earlyLimitMs: 60_000, aheadMs: 0 },
  time: { path: '/api/v4/spot/time', stamp: { at: ['server_time'], format: 'ms' } },
  answers: { name: 'Gate', code: 'label', message: 'message', yes: [] },
  refusals: [{ codes: ['REQUEST_EXPIRED'], reason: 'timestamp' }],
  unexecuted: ['REQUEST_EXPIRED'],
  request: { stamp: { in: 'header', name: 'Timestamp', format: 'seconds' } },
  ccxt: {
    id: 'gate',
    verification: [{ endpoint: 'GET /api/v4/account/detail', api: ['private', 'account'], path: 'detail' }],
  },
};
