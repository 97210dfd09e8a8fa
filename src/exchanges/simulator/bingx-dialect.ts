/**
 * BingX swap V2 as the simulator speaks it.
 *
 * A signed request is judged in this order: key there and known, timestamp there, signature there and right,
 * timestamp not older than recvWindow and not too far ahead. The documentation disagrees about what is
 * signed, the query as sent or its parameters sorted; the simulator is as strict as both together, so a query
 * must be sent in sorted order, with the signature behind it.
 */

import { BINGX_SOCKETS } from './bingx-socket.js';
import {
  balanceV2,
  balanceV3,
  cancelOrder,
  contracts,
  createOrder,
  openOrders,
  positions,
  premiumIndex,
  queryOrder,
  type Told,
  ticker,
} from './bingx-trading.js';
import {
  type Answer,
  type Dialect,
  type Endpoint,
  header,
  httpAnswer,
  type ReceivedRequest,
  takenOf,
  type World,
  wholeNumber,
} from './dialect.js';
import type { ListenKeys } from './listen-keys.js';
import { isSignatureOf } from './signature.js';

const MAX_RECV_WINDOW_MS = 5000;

const MESSAGES: Readonly<Record<number, string>> = {
  100001: 'Signature verification failed due to signature mismatch',
  100412: 'Null signature',
  100413: 'Incorrect apiKey',
  100419: 'your current request IP does not match IP whitelist',
  100421: 'Null timestamp or timestamp mismatch, please check your timestamp',
  100500: 'system busy, please try again later',
};

export const bingxDialect: Dialect = {
  exchange: 'BINGX',

  endpoints: {
    '/openApi/swap/v2/server/time': {
      route: 'time',
      answer: (_, world) => accept({ serverTime: Math.floor(world.toldTimeMs) }),
    },
    '/openApi/swap/v2/quote/premiumIndex': openly(premiumIndex),
    '/openApi/swap/v2/quote/ticker': openly(ticker),
    '/openApi/swap/v2/quote/contracts': openly(contracts),
    '/openApi/cswap/v1/market/contracts': openly(() => ({ data: [] })),
    '/openApi/spot/v1/common/symbols': openly(() => ({ data: { symbols: [] } })),
    '/openApi/wallets/v1/capital/config/getall': { route: 'verify', answer: signed(() => ({ data: [] })) },
    '/openApi/swap/v2/user/balance': {
      route: 'verify',
      answer: signed(balanceV2),
    },
    '/openApi/swap/v3/user/balance': { route: 'verify', answer: signed(balanceV3) },
    '/openApi/swap/v2/user/positions': { route: 'verify', answer: signed(positions) },
    '/openApi/swap/v2/trade/openOrders': { route: 'verify', answer: signed(openOrders) },
    '/openApi/swap/v2/trade/order': {
      route: 'order',
      method: 'POST',
      answer: signed(createOrder),
    },
    'GET /openApi/swap/v2/trade/order': { route: 'verify', answer: signed(queryOrder) },
    'DELETE /openApi/swap/v2/trade/order': { route: 'order', method: 'DELETE', answer: signed(cancelOrder) },
    'POST /openApi/user/auth/userDataStream': { route: 'verify', method: 'POST', answer: makeListenKey },
    'PUT /openApi/user/auth/userDataStream': {
      route: 'verify',
      method: 'PUT',
      answer: onListenKey((keys, key, nowMs) => keys.extend(key, nowMs)),
    },
    'DELETE /openApi/user/auth/userDataStream': {
      route: 'verify',
      method: 'DELETE',
      answer: onListenKey((keys, key, nowMs) => keys.drop(key, nowMs)),
    },
  },

  sockets: BINGX_SOCKETS,

  refuse,

  rateLimited: (allowance, world) => ({
    ...refuse(
      100410,
      `The endpoint trigger frequency limit rule is currently in the disabled period and will be unblocked after ${Math.ceil(allowance.resetsAtMs)}`,
      world,
    ),
    status: 429,
  }),

  busy: world => refuse(100500, undefined, world),
  allowanceHeaders: () => ({}),
  apiKeyOf: request => header(request, 'x-bx-apikey'),
  timestampOf: request => wholeNumber(new URLSearchParams(request.rawQuery).get('timestamp')),

  withTime(body, value) {
    if (typeof body === 'string') return body;
    if ('timestamp' in body) return { ...body, timestamp: value };
    const data = Object(body.data) as Record<string, unknown>;
    return 'serverTime' in data ? { ...body, data: { ...data, serverTime: value } } : body;
  },
};

/** Without an envelope, and by the API key alone: a signature that comes along all the same, as SDKs send it, must be right. */
function makeListenKey(request: ReceivedRequest, world: World): Answer {
  const apiKey = header(request, 'x-bx-apikey') ?? '';
  const refusal = isSigned(request) ? authenticate(request, world) : undefined;
  if (refusal) return refusal;
  if (!world.accounts.has(apiKey)) return refuse(100413, undefined, world);
  return { status: 200, code: 0, body: { listenKey: world.listenKeys.make(apiKey, world.serverTimeMs) } };
}

/** Answered by the HTTP status alone: 200 done, 204 no key was named, 404 there is no such key. */
function onListenKey(act: (keys: ListenKeys, key: string, nowMs: number) => boolean): Endpoint['answer'] {
  return (request, world) => {
    const refusal = isSigned(request) ? authenticate(request, world) : undefined;
    if (refusal) return refusal;
    const key = new URLSearchParams(request.rawQuery).get('listenKey');
    if (!key) return httpAnswer(204, '');
    return act(world.listenKeys, key, world.serverTimeMs)
      ? { status: 200, code: 0, body: '' }
      : httpAnswer(404, '');
  };
}

const isSigned = ({ rawQuery }: ReceivedRequest): boolean => /(^|&)(timestamp|signature)=/.test(rawQuery);

const accept = (data: unknown): Answer => ({ status: 200, code: 0, body: { code: 0, msg: '', data } });

function refuse(code: number, message: string | undefined, world: World): Answer {
  const msg = message ?? MESSAGES[code] ?? '';
  return { status: 200, code, body: { code, msg, timestamp: Math.floor(world.toldTimeMs) } };
}

/** @returns the refusal, or undefined when the request is authentic */
function authenticate(request: ReceivedRequest, world: World): Answer | undefined {
  const secret = world.accounts.get(header(request, 'x-bx-apikey') ?? '');
  if (secret === undefined) return refuse(100413, undefined, world);

  const query = new URLSearchParams(request.rawQuery);
  const timestampMs = wholeNumber(query.get('timestamp'));
  if (timestampMs === undefined) return refuse(100421, undefined, world);
  const signature = query.get('signature');
  if (!signature) return refuse(100412, undefined, world);
  const signed = request.rawQuery.slice(0, -`&signature=${signature}`.length);
  const isLast = request.rawQuery === `${signed}&signature=${signature}`;
  if (!isLast || !isSorted(signed) || !isSignatureOf(signed, secret, signature)) {
    return refuse(100001, undefined, world);
  }
  const recvWindowMs = wholeNumber(query.get('recvWindow') ?? String(MAX_RECV_WINDOW_MS));
  if (recvWindowMs === undefined || recvWindowMs < 1 || recvWindowMs > MAX_RECV_WINDOW_MS) {
    return refuse(109400, 'Invalid parameters, recvWindow must be from 1 to 5000', world);
  }
  const lateMs = Math.floor(world.serverTimeMs) - timestampMs;
  if (lateMs > recvWindowMs || -lateMs >= world.knobs.earlyLimitMs) return refuse(100421, undefined, world);
  return undefined;
}

function isSorted(query: string): boolean {
  const names = query.split('&').map(part => part.slice(0, part.indexOf('=')));
  return names.every((name, index) => index === 0 || (names[index - 1] as string) < name);
}

function openly(tell: (request: ReceivedRequest, world: World) => Told): Endpoint {
  return { route: 'funding', answer: (request, world) => told(tell(request, world), world) };
}

function signed(tell: (request: ReceivedRequest, world: World) => Told): Endpoint['answer'] {
  return (request, world) => authenticate(request, world) ?? told(tell(request, world), world);
}

function told(what: Told, world: World): Answer {
  if ('code' in what) return refuse(what.code, what.message, world);
  const taken = takenOf(what.order);
  return { ...accept(what.data), executed: taken && { ...taken, side: taken.side.toUpperCase() } };
}
