/**
 * Bybit's private WebSocket channels as the simulator speaks them: `/v5/private` tells of an account's orders, executions
 * and positions, `/v5/trade` takes orders. No I/O in here: texts come in, texts go out.
 *
 * Strict where a client's clock matters: a login's `expires` must lie ahead by the exchange's clock, and its signature be
 * that of `GET/realtime<expires>`; an order's timestamp must lie within its window, as over REST, and is judged and executed
 * by the same code. What is told of an order is told after the answer to it. Faults and latency are not for sockets.
 */
import type { Order } from './book.js';
import { cancelOrder, createOrder, executionRow, orderRow, type Told } from './bybit-trading.js';
import { type SocketSession, type SocketTools, takenOf, type World, wholeNumber } from './dialect.js';
import { isSignatureOf } from './signature.js';

const EARLY_LIMIT_MS = 1000;
const DEFAULT_WINDOW = '5000';
const ORDERS: Readonly<Record<string, (request: Parameters<typeof createOrder>[0], world: World) => Told>> = {
  'order.create': createOrder,
  'order.cancel': cancelOrder,
};

export const BYBIT_SOCKETS = {
  '/v5/private': (tools: SocketTools) => session(tools, false),
  '/v5/trade': (tools: SocketTools) => session(tools, true),
};

function session({ send, log, world, id }: SocketTools, takesOrders: boolean): SocketSession {
  let apiKey: string | undefined;
  const topics = new Set<string>();

  /** The two channels say the same in other words. */
  function told(op: string, code: number, message: string, request: Message, more: object = {}): void {
    const { req_id, reqId } = request;
    if (takesOrders) {
      const own = reqId === undefined ? {} : { reqId };
      send({ ...own, retCode: code, retMsg: code === 0 ? 'OK' : message, op, ...more, connId: id });
    } else {
      const own = req_id === undefined ? {} : { req_id };
      send({ success: code === 0, ret_msg: message, op, ...own, ...more, conn_id: id });
    }
  }

  function login(request: Message): void {
    const [key, expires, signature] = request.args;
    const expiresMs = wholeNumber(String(expires));
    const { accounts, serverTimeMs } = world();
    const secret = accounts.get(String(key));
    const code =
      expiresMs === undefined || expiresMs <= serverTimeMs
        ? 10004
        : secret === undefined
          ? 10003
          : isSignatureOf(`GET/realtime${expires}`, secret, String(signature))
            ? 0
            : 10004;
    log({ route: 'verify', timestampMs: expiresMs, outcome: code });
    if (code === 0) apiKey = String(key);
    told('auth', code, code === 10003 ? 'API key is invalid.' : code === 0 ? '' : 'Params Error', request);
  }

  function order(request: Message, take: (typeof ORDERS)[string]): void {
    const now = world();
    const timestamp = String(request.header['X-BAPI-TIMESTAMP'] ?? '');
    const timestampMs = wholeNumber(timestamp);
    const window = wholeNumber(String(request.header['X-BAPI-RECV-WINDOW'] ?? DEFAULT_WINDOW)) ?? 0;
    const serverMs = Math.floor(now.serverTimeMs);
    const isInTime =
      timestampMs !== undefined &&
      timestampMs >= serverMs - window &&
      timestampMs < serverMs + EARLY_LIMIT_MS;
    const outcome: Told =
      apiKey === undefined
        ? { code: 10005, message: 'Permission denied, please login first.' }
        : isInTime
          ? take(
              {
                method: 'POST',
                path: '/v5/trade',
                rawQuery: '',
                headers: { 'x-bapi-api-key': apiKey },
                body: JSON.stringify(request.args[0] ?? {}),
              },
              now,
            )
          : {
              code: 10002,
              message: 'invalid request, please check your server timestamp or recv_window param.',
            };
    const code = 'code' in outcome ? outcome.code : 0;
    const executed = 'code' in outcome ? undefined : takenOf(outcome.order);
    log({ route: 'order', timestampMs, outcome: code, executed });
    told(request.op, code, 'code' in outcome ? outcome.message : '', request, {
      data: 'code' in outcome ? {} : outcome.result,
      header: { Timenow: String(Math.floor(world().toldTimeMs)) },
    });
  }

  return {
    receive(text) {
      const request = parse(text);
      if (!request) return send({ success: false, ret_msg: 'error:invalid json', conn_id: id });
      const { op, args } = request;
      const take = takesOrders && Object.hasOwn(ORDERS, op) ? ORDERS[op] : undefined;
      if (op === 'auth') login(request);
      else if (op === 'ping') {
        const time = [String(Math.floor(world().toldTimeMs))];
        const { req_id } = request;
        send(
          takesOrders
            ? { retCode: 0, retMsg: 'OK', op: 'pong', data: time, connId: id }
            : { ...(req_id !== undefined && { req_id }), op: 'pong', args: time, conn_id: id },
        );
      } else if (take) order(request, take);
      else if (op === 'subscribe' && !takesOrders) {
        if (apiKey !== undefined) for (const topic of args) topics.add(String(topic).split('.')[0] ?? '');
        told(
          op,
          apiKey === undefined ? 10005 : 0,
          apiKey === undefined ? 'Request not authorized' : '',
          request,
        );
      } else told(op, 10404, 'error:invalid op', request);
    },

    ordered(key, placed) {
      if (key !== apiKey) return;
      for (const [topic, data] of rowsOf(placed)) {
        if (topics.has(topic)) {
          send({ id: `${id}-${placed.orderId}`, topic, creationTime: Math.floor(placed.atMs), data: [data] });
        }
      }
    },
  };
}

function rowsOf(order: Order): [topic: string, data: object][] {
  const category = 'linear';
  const row: [string, object] = ['order', { category, ...orderRow(order) }];
  if (order.status !== 'filled') return [row];
  return [['execution', { category, ...executionRow(order) }], row];
}

interface Message {
  readonly op: string;
  readonly args: readonly unknown[];
  readonly header: Readonly<Record<string, unknown>>;
  readonly req_id: unknown;
  readonly reqId: unknown;
}

function parse(text: string): Message | undefined {
  try {
    const { op, args, header, req_id, reqId } = Object(JSON.parse(text)) as Record<string, unknown>;
    return {
      op: String(op),
      args: Array.isArray(args) ? args : [],
      header: Object(header ?? {}),
      req_id,
      reqId,
    };
  } catch {
    return undefined;
  }
}
