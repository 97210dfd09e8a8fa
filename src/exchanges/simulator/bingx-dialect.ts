/**
 * BingX swap V2 as the simulator speaks it.
 *
 * A signed request is judged in this order: key there and known, timestamp there, signature there and right,
 * timestamp not older than recvWindow and not too far ahead. The documentation disagrees about what is
 * signed, the query as sent or its parameters sorted; the simulator is as strict as both together, so a query
 * must be sent in sorted order, with the signature behind it.
 */

import {
  type Answer,
  type Dialect,
  header,
  type ReceivedRequest,
  type World,
  wholeNumber,
} from './dialect.js';
import { COINS, fundingOf } from './funding.js';
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
    '/openApi/swap/v2/quote/premiumIndex': { route: 'funding', answer: premiumIndex },
    '/openApi/swap/v2/user/balance': {
      route: 'verify',
      answer: (request, world) => authenticate(request, world) ?? accept({ balance: BALANCE }),
    },
    '/openApi/swap/v2/trade/order': {
      route: 'order',
      method: 'POST',
      answer: (request, world) => authenticate(request, world) ?? createOrder(request, world),
    },
  },

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
    const data = body.data as Record<string, unknown>;
    return 'serverTime' in data ? { ...body, data: { ...data, serverTime: value } } : body;
  },
};

const BALANCE = {
  userId: '1234567890123456789',
  asset: 'USDT',
  balance: '100000.0000',
  equity: '100000.0000',
  unrealizedProfit: '0.0000',
  realisedProfit: '0.0000',
  availableMargin: '100000.0000',
  usedMargin: '0.0000',
  freezedMargin: '0.0000',
};

const accept = (data: object): Answer => ({ status: 200, code: 0, body: { code: 0, msg: '', data } });

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

function premiumIndex(request: ReceivedRequest, world: World): Answer {
  const entryOf = (symbol: string) => {
    const funding = fundingOf('BINGX', symbol, world.seed, world.knobs.fundingRates, world.serverTimeMs);
    return {
      symbol,
      lastFundingRate: funding.rate,
      nextFundingTime: funding.nextFundingTimeMs,
      time: Math.floor(world.toldTimeMs),
    };
  };
  const known = COINS.map(coin => `${coin}-USDT`);
  const wanted = new URLSearchParams(request.rawQuery).get('symbol');
  if (wanted === null) return accept(known.map(entryOf));
  if (!known.includes(wanted as (typeof known)[number])) {
    return refuse(109425, `this symbol is not exist: ${wanted.slice(0, 40)}`, world);
  }
  return accept(entryOf(wanted));
}

/** Executed at once; see Bybit's. */
function createOrder(request: ReceivedRequest, world: World): Answer {
  const query = new URLSearchParams(request.rawQuery);
  for (const name of ['symbol', 'side', 'type']) {
    if (!query.get(name)) return refuse(109400, `Invalid parameters, ${name} is required`, world);
  }
  const [symbol, side, type] = [query.get('symbol'), query.get('side'), query.get('type')].map(String);
  const clientOrderID = query.get('clientOrderID') ?? '';
  const orderId = Math.floor(world.serverTimeMs);
  return {
    ...accept({ order: { symbol, side, type, orderId, clientOrderID } }),
    executed: { symbol: String(symbol), side: String(side), clientOrderId: clientOrderID },
  };
}
