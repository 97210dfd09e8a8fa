/** Bitget V2 as the simulator speaks it. Every answer tells a time. */
import { BITGET_PROFILE } from '../profiles/bitget.js';
import { headerSigned } from './header-signed.js';

export const bitgetDialect = headerSigned({
  profile: BITGET_PROFILE,
  headers: {
    key: 'access-key',
    stamp: 'access-timestamp',
    sign: 'access-sign',
    passphrase: 'access-passphrase',
  },
  yes: '00000',
  refusals: {
    missing: ['40001', 400, 'ACCESS_KEY cannot be empty'],
    malformed: ['40005', 400, 'Invalid ACCESS_TIMESTAMP'],
    window: ['40008', 400, 'Request timestamp expired'],
    key: ['40037', 400, 'Apikey does not exist'],
    passphrase: ['40012', 400, 'apikey/password is incorrect'],
    signature: ['40009', 400, 'sign signature error'],
    limit: ['429', 429, 'Too Many Requests'],
    busy: ['40015', 400, 'System is abnormal, please try again later'],
    params: ['40017', 400, 'Parameter verification failed'],
  },
  around: world => ({ requestTime: Math.floor(world.toldTimeMs) }),
  time: {
    path: '/api/v2/public/time',
    content: world => ({ serverTime: String(Math.floor(world.toldTimeMs)) }),
  },
  verify: {
    path: '/api/v2/spot/account/info',
    content: () => ({ userId: '1', authorities: ['trade', 'readonly'], ips: '' }),
  },
  order: {
    path: '/api/v2/spot/trade/place-order',
    fields: ['symbol', 'side', 'clientOid'],
    content: (world, clientOid) => ({ orderId: String(Math.floor(world.serverTimeMs)), clientOid }),
  },
  withTime(body, value) {
    if (typeof body === 'string') return body;
    const data = body.data as Record<string, unknown> | null;
    const isTime = data !== null && 'serverTime' in data;
    return { ...body, requestTime: value, ...(isTime && { data: { serverTime: value } }) };
  },
});
