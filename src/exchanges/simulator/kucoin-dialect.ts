/** KuCoin spot as the simulator speaks it. No answer tells a time; the passphrase is an HMAC of itself (key version 2). */
import { KUCOIN_PROFILE } from '../profiles/kucoin.js';
import { base64Hmac, headerSigned, PASSPHRASE } from './header-signed.js';

export const kucoinDialect = headerSigned({
  profile: KUCOIN_PROFILE,
  headers: {
    key: 'kc-api-key',
    stamp: 'kc-api-timestamp',
    sign: 'kc-api-sign',
    passphrase: 'kc-api-passphrase',
  },
  passphraseOf: secret => base64Hmac(PASSPHRASE, secret),
  yes: '200000',
  refusals: {
    missing: ['400001', 401, 'Please check the header of your request for KC-API-KEY'],
    malformed: ['400002', 400, 'Invalid KC-API-TIMESTAMP'],
    window: ['400002', 400, 'Invalid KC-API-TIMESTAMP'],
    key: ['400003', 401, 'KC-API-KEY not exists'],
    passphrase: ['400004', 401, 'Invalid KC-API-PASSPHRASE'],
    signature: ['400005', 401, 'Invalid KC-API-SIGN'],
    limit: ['429000', 429, 'Too Many Requests'],
    busy: ['500000', 500, 'Internal Server Error'],
    params: ['400100', 400, 'Parameter Error'],
  },
  allowanceHeaders: ({ limit, remaining, resetsAtMs }, world) => ({
    'gw-ratelimit-limit': String(limit),
    'gw-ratelimit-remaining': String(remaining),
    'gw-ratelimit-reset': String(Math.max(0, Math.ceil(resetsAtMs - world.serverTimeMs))),
  }),
  time: { path: '/api/v1/timestamp', content: world => Math.floor(world.toldTimeMs) },
  verify: {
    path: '/api/v1/user/api-key',
    content: () => ({ permission: 'General,Spot', ipWhitelist: '', isMaster: true }),
  },
  order: {
    path: '/api/v1/hf/orders',
    fields: ['symbol', 'side', 'clientOid'],
    content: (world, clientOid) => ({ orderId: String(Math.floor(world.serverTimeMs)), clientOid }),
  },
  withTime: (body, value) =>
    typeof body !== 'string' && typeof body.data === 'number' ? { ...body, data: value } : body,
});
