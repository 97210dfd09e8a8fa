/**
 * Bybit V5 as the simulator speaks it.
 *
 * A signed request is judged in this order: headers there, numbers well-formed, timestamp inside
 * `serverTime − recvWindow ≤ timestamp < serverTime + 1000`, key known, signature over exactly the bytes sent
 * (`timestamp + key + recvWindow`, then the raw query of a GET and the raw body of a POST). What the exchange checks first when several are
 * wrong is not documented; no more than one is wrong in any test that matters.
 */

import { BYBIT_SOCKETS } from './bybit-socket.js';
import {
  cancelOrder,
  createOrder,
  executions,
  instruments,
  openOrders,
  positions,
  type Told,
  tickers,
  walletBalance,
} from './bybit-trading.js';
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
import { isSignatureOf } from './signature.js';

const EARLY_LIMIT_MS = 1000;
const MAX_RECV_WINDOW_MS = 60_000;

const MESSAGES: Readonly<Record<number, string>> = {
  10003: 'API key is invalid.',
  10005: 'Permission denied, please check your API key permissions.',
  10006: 'Too many visits!',
  10010: "Unmatched IP, please check your API key's bound IP addresses.",
  10016: 'Server error, please try again later.',
  10032: 'Demo trading are not supported.',
  33004: 'Your api key has expired.',
};

export const bybitDialect: Dialect = {
  exchange: 'BYBIT',
  sockets: BYBIT_SOCKETS,

  endpoints: {
    '/v5/market/time': { route: 'time', answer: (_, world) => accept(time(world), world) },
    '/v5/market/tickers': openly(tickers),
    '/v5/market/instruments-info': openly(instruments),
    '/v5/user/query-api': {
      route: 'verify',
      answer: (request, world) =>
        authenticate(request, world) ??
        (world.knobs.demo ? refuse(10032, undefined, world) : accept(keyInfo(request), world, '')),
    },
    '/v5/account/info': {
      route: 'verify',
      answer: (request, world) => authenticate(request, world) ?? accept(ACCOUNT_INFO, world),
    },
    '/v5/account/wallet-balance': {
      route: 'verify',
      answer: signed(walletBalance),
    },
    '/v5/order/create': {
      route: 'order',
      method: 'POST',
      answer: signed(createOrder),
    },
    '/v5/order/cancel': { route: 'order', method: 'POST', answer: signed(cancelOrder) },
    '/v5/position/set-leverage': { route: 'order', method: 'POST', answer: signed(() => ({ result: {} })) },
    '/v5/order/realtime': { route: 'verify', answer: signed(openOrders) },
    '/v5/order/history': { route: 'verify', answer: signed(openOrders) },
    '/v5/position/list': { route: 'verify', answer: signed(positions) },
    '/v5/execution/list': { route: 'verify', answer: signed(executions) },
    '/v5/asset/coin/query-info': { route: 'verify', answer: signed(() => ({ result: { rows: [] } })) },
  },

  refuse,

  rateLimited: (allowance, world) => ({
    ...refuse(10006, undefined, world),
    headers: bybitDialect.allowanceHeaders(allowance, world),
  }),

  busy: world => refuse(10016, undefined, world),

  allowanceHeaders: ({ limit, remaining, resetsAtMs }) => ({
    'X-Bapi-Limit': String(limit),
    'X-Bapi-Limit-Status': String(remaining),
    'X-Bapi-Limit-Reset-Timestamp': String(Math.ceil(resetsAtMs)),
  }),

  apiKeyOf: request => header(request, 'x-bapi-api-key'),
  timestampOf: request => wholeNumber(header(request, 'x-bapi-timestamp')),

  withTime(body, value) {
    if (typeof body === 'string') return body;
    const result = body.result as Record<string, unknown>;
    const changed = 'timeNano' in result ? { ...result, timeNano: value, timeSecond: value } : result;
    return { ...body, result: changed, time: value };
  },
};

function accept(result: object, world: World, retMsg = 'OK'): Answer {
  return { status: 200, code: 0, body: envelope(0, retMsg, result, world) };
}

function refuse(code: number, message: string | undefined, world: World): Answer {
  return { status: 200, code, body: envelope(code, message ?? MESSAGES[code] ?? '', {}, world) };
}

const envelope = (retCode: number, retMsg: string, result: object, world: World) => ({
  retCode,
  retMsg,
  result,
  retExtInfo: {},
  time: Math.floor(world.toldTimeMs),
});

/** @returns the refusal, or undefined when the request is authentic */
function authenticate(request: ReceivedRequest, world: World): Answer | undefined {
  const apiKey = header(request, 'x-bapi-api-key');
  const timestamp = header(request, 'x-bapi-timestamp');
  const signature = header(request, 'x-bapi-sign');
  const recvWindow = header(request, 'x-bapi-recv-window') ?? '5000';
  if (!apiKey || !timestamp || !signature) return httpAnswer(401, '');

  const timestampMs = wholeNumber(timestamp);
  const recvWindowMs = wholeNumber(recvWindow);
  if (timestampMs === undefined) return refuse(10001, 'params error: timestamp invalid', world);
  if (recvWindowMs === undefined || recvWindowMs < 1 || recvWindowMs > MAX_RECV_WINDOW_MS) {
    return refuse(10001, 'params error: recv_window invalid', world);
  }
  const serverMs = Math.floor(world.serverTimeMs);
  if (timestampMs < serverMs - recvWindowMs || timestampMs >= serverMs + EARLY_LIMIT_MS) {
    return refuse(
      10002,
      `invalid request, please check your server timestamp or recv_window param. req_timestamp[${timestampMs}],server_timestamp[${serverMs}],recv_window[${recvWindowMs}]`,
      world,
    );
  }
  const secret = world.accounts.get(apiKey);
  if (secret === undefined) return refuse(10003, undefined, world);
  const signed = `${timestamp}${apiKey}${recvWindow}${request.method === 'GET' ? request.rawQuery : request.body}`;
  if (!isSignatureOf(signed, secret, signature)) {
    return refuse(10004, `error sign! origin_string[${signed}]`, world);
  }
  return undefined;
}

function time({ toldTimeMs }: World) {
  const microseconds = Math.floor(toldTimeMs * 1000);
  return { timeSecond: String(Math.floor(toldTimeMs / 1000)), timeNano: `${microseconds}000` };
}

/** The real one repeats the API key too, which is why nothing of the answer may be passed on. */
const keyInfo = (request: ReceivedRequest) => ({
  id: '13770661',
  note: 'simulated',
  apiKey: header(request, 'x-bapi-api-key'),
  readOnly: 1,
  permissions: { ContractTrade: ['Order', 'Position'], Wallet: ['AccountTransfer'] },
  ips: ['*'],
  type: 1,
  uta: 1,
  unified: 0,
});

const ACCOUNT_INFO = { unifiedMarginStatus: 5, marginMode: 'REGULAR_MARGIN', spotHedgingStatus: 'OFF' };

function openly(tell: (request: ReceivedRequest, world: World) => Told): Endpoint {
  return { route: 'funding', answer: (request, world) => told(tell(request, world), world) };
}

function signed(tell: (request: ReceivedRequest, world: World) => Told): Endpoint['answer'] {
  return (request, world) => authenticate(request, world) ?? told(tell(request, world), world);
}

function told(what: Told, world: World): Answer {
  if ('code' in what) return refuse(what.code, what.message, world);
  return { ...accept(what.result, world), executed: takenOf(what.order) };
}
