/**
 * Binance spot as the simulator speaks it: judged are, in this order, key, timestamp, signature (over the query as it was
 * sent, and the body behind it). A refusal has an HTTP status of its own and tells no time; the answer that says yes has no
 * envelope.
 */
import { BINANCE_PROFILE } from '../profiles/binance.js';
import {
  type Answer,
  type Dialect,
  type ExecutedOrder,
  header,
  type ReceivedRequest,
  type World,
  wholeNumber,
} from './dialect.js';
import { judgeTimestamp } from './profile-window.js';
import { isSignatureOf } from './signature.js';

const MESSAGES: Readonly<Record<number, readonly [status: number, message: string]>> = {
  [-1003]: [429, 'Too much request weight used; please use WebSocket Streams for live updates.'],
  [-1008]: [503, 'Server is currently overloaded with other requests. Please try again in a few minutes.'],
  [-1021]: [400, 'Timestamp for this request is outside of the recvWindow.'],
  [-1022]: [400, 'Signature for this request is not valid.'],
  [-1102]: [400, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed."],
  [-1131]: [400, 'recvWindow must be less than 60000'],
  [-2014]: [401, 'API-key format invalid.'],
  [-2015]: [401, 'Invalid API-key, IP, or permissions for action.'],
};

export const binanceDialect: Dialect = {
  exchange: 'BINANCE',
  endpoints: {
    '/api/v3/time': {
      route: 'time',
      answer: (_, world) => accept({ serverTime: Math.floor(world.toldTimeMs) }),
    },
    '/api/v3/account': {
      route: 'verify',
      answer: (request, world) =>
        authenticate(request, world) ?? accept({ canTrade: true, accountType: 'SPOT', balances: [] }),
    },
    '/api/v3/order': {
      route: 'order',
      method: 'POST',
      answer: (request, world) => authenticate(request, world) ?? createOrder(request, world),
    },
  },
  refuse: (code, message) => refuse(code, message),
  rateLimited: ({ resetsAtMs }, world) => ({
    ...refuse(-1003, undefined),
    headers: { 'retry-after': String(Math.max(1, Math.ceil((resetsAtMs - world.serverTimeMs) / 1000))) },
  }),
  busy: () => refuse(-1008, undefined),
  allowanceHeaders: ({ limit, remaining }) => ({ 'x-mbx-used-weight-1m': String(limit - remaining) }),
  apiKeyOf: request => header(request, 'x-mbx-apikey'),
  timestampOf: request => wholeNumber(parametersOf(request).get('timestamp')),
  withTime: (body, value) =>
    typeof body !== 'string' && 'serverTime' in body ? { ...body, serverTime: value } : body,
};

const accept = (body: Readonly<Record<string, unknown>>): Answer => ({ status: 200, code: 0, body });

function refuse(code: number, message: string | undefined): Answer {
  const [status, msg] = MESSAGES[code] ?? [400, ''];
  return { status, code, body: { code, msg: message ?? msg } };
}

const parametersOf = ({ rawQuery, body }: ReceivedRequest): URLSearchParams =>
  new URLSearchParams([rawQuery, body].filter(part => part !== '').join('&'));

function authenticate(request: ReceivedRequest, world: World): Answer | undefined {
  const apiKey = header(request, 'x-mbx-apikey');
  if (!apiKey) return refuse(-2014, undefined);
  const secret = world.accounts.get(apiKey);
  if (secret === undefined) return refuse(-2015, undefined);
  const parameters = parametersOf(request);
  const timestampMs = wholeNumber(parameters.get('timestamp'));
  if (timestampMs === undefined) return refuse(-1102, undefined);
  const asked = parameters.get('recvWindow');
  const verdict = judgeTimestamp(
    BINANCE_PROFILE.window,
    timestampMs,
    asked === null ? undefined : (wholeNumber(asked) ?? -1),
    world.serverTimeMs,
  );
  if (verdict === 'out of range') return refuse(-1131, undefined);
  if (verdict === 'early')
    return refuse(-1021, "Timestamp for this request was 1000ms ahead of the server's time.");
  if (verdict === 'late') return refuse(-1021, undefined);
  const signature = parameters.get('signature') ?? '';
  const sent = request.rawQuery + request.body;
  const signed = sent.replace(/&?signature=[0-9a-f]+$/, '');
  return isSignatureOf(signed, secret, signature) ? undefined : refuse(-1022, undefined);
}

function createOrder(request: ReceivedRequest, world: World): Answer {
  const parameters = parametersOf(request);
  for (const name of ['symbol', 'side', 'type']) {
    if (!parameters.get(name))
      return refuse(-1102, `Mandatory parameter '${name}' was not sent, was empty/null, or malformed.`);
  }
  const executed: ExecutedOrder = {
    symbol: String(parameters.get('symbol')),
    side: String(parameters.get('side')),
    clientOrderId: parameters.get('newClientOrderId') ?? '',
  };
  const orderId = Math.floor(world.serverTimeMs);
  const { symbol, clientOrderId } = executed;
  return { ...accept({ symbol, orderId, clientOrderId, transactTime: orderId }), executed };
}
