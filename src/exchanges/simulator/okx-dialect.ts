/** OKX V5 as the simulator speaks it. Only the answer to an order tells a time. */
import { OKX_PROFILE } from '../profiles/okx.js';
import { headerSigned } from './header-signed.js';

export const okxDialect = headerSigned({
  profile: OKX_PROFILE,
  headers: {
    key: 'ok-access-key',
    stamp: 'ok-access-timestamp',
    sign: 'ok-access-sign',
    passphrase: 'ok-access-passphrase',
  },
  yes: '0',
  refusals: {
    missing: ['50103', 401, 'Request header "OK-ACCESS-KEY" can not be empty.'],
    malformed: ['50112', 401, 'Invalid OK-ACCESS-TIMESTAMP'],
    window: ['50102', 401, 'Timestamp request expired'],
    key: ['50111', 401, 'Invalid OK-ACCESS-KEY'],
    passphrase: ['50105', 401, 'Request header "OK-ACCESS-PASSPHRASE" incorrect.'],
    signature: ['50113', 401, 'Invalid Sign'],
    limit: ['50011', 429, 'Too Many Requests'],
    busy: ['50013', 429, 'Systems are busy. Please try again later.'],
    params: ['51000', 400, 'Parameter error'],
  },
  time: {
    path: '/api/v5/public/time',
    content: world => [{ ts: String(Math.floor(world.toldTimeMs)) }],
  },
  verify: {
    path: '/api/v5/account/config',
    content: () => [{ uid: '1', acctLv: '1', perm: 'read_only,trade', ip: '' }],
  },
  order: {
    path: '/api/v5/trade/order',
    fields: ['instId', 'side', 'clOrdId'],
    content: (world, clOrdId) => [
      { ordId: String(Math.floor(world.serverTimeMs)), clOrdId, sCode: '0', sMsg: '' },
    ],
    around: world => ({
      inTime: String(Math.floor(world.toldTimeMs * 1000)),
      outTime: String(Math.floor(world.toldTimeMs * 1000)),
    }),
  },
  withTime(body, value) {
    if (typeof body === 'string') return body;
    const [first] = Array.isArray(body.data) ? body.data : [];
    return first?.ts === undefined ? body : { ...body, data: [{ ts: value }] };
  },
});
