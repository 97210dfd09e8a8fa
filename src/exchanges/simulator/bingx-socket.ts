/**
 * BingX's account stream as the simulator speaks it: `/swap-market?listenKey=…`. No I/O in here.
 *
 * Everything comes as gzip in binary messages, heartbeats too: `Ping` every five seconds, to be answered with `Pong`. What
 * happens to an account is told unasked: each order (`ORDER_TRADE_UPDATE`), and what it made of balance and position
 * (`ACCOUNT_UPDATE`); first of all the account's settings (`SNAPSHOT`). When the listen key has ended that is told once,
 * and nothing of the account from then on; the connection stays.
 *
 * Sources: BingX, API documentation, "Websocket Account Data" of swap V2, as `bingx-api` 1.21.0 and ccxt.pro 4.5.84
 * read it, and BingX's own examples. What a wrong listen key gets is documented nowhere: here the connection is closed at once, 1008.
 * That nobody is put out for want of a `Pong` is BingX's word too (BingX-swap-api-doc, issue 25).
 */
import { gzipSync } from 'node:zlib';
import { type Order, START_BALANCE } from './book.js';
import type { SocketSession, SocketTools } from './dialect.js';
import { COINS } from './funding.js';

export const BINGX_SOCKETS = { '/swap-market': session };

function session({ query, sendBytes, log, world }: SocketTools): SocketSession | undefined {
  const listenKey = query.get('listenKey') ?? '';
  const owner = () => world().listenKeys.ownerOf(listenKey, world().serverTimeMs);
  let hasEnded = false;
  const sendText = (text: string) => sendBytes(gzipSync(text));
  const send = (message: object) => sendText(JSON.stringify(message));
  const nowMs = () => Math.floor(world().toldTimeMs);

  const apiKey = owner();
  log({ route: 'verify', timestampMs: undefined, outcome: apiKey === undefined ? 100413 : 0 });
  if (apiKey === undefined) return undefined;

  /** @returns whether the account may be told of */
  function isOpen(): boolean {
    if (!hasEnded && owner() === undefined) {
      hasEnded = true;
      send({ e: 'listenKeyExpired', E: nowMs(), listenKey });
    }
    return !hasEnded;
  }

  return {
    begin() {
      sendText('Ping');
      for (const coin of COINS) {
        send({ e: 'SNAPSHOT', E: nowMs(), ac: { s: `${coin}-USDT`, l: 1, S: 1, mt: 'cross' } });
      }
    },

    beat() {
      sendText('Ping');
      isOpen();
    },

    clockMoved: () => void isOpen(),

    receive(text) {
      // `Pong` needs no answer. Nothing has to be subscribed to, and who does so all the same hears that it is well.
      const { id, reqType } = parse(text);
      if (typeof id === 'string' && reqType !== undefined) send({ id, code: 0, msg: '', timestamp: nowMs() });
    },

    ordered(key, order) {
      if (key !== apiKey || !isOpen()) return;
      send({ e: 'ORDER_TRADE_UPDATE', E: nowMs(), o: orderOf(order) });
      if (order.status !== 'filled') return;
      const [position] = world().book.positions(key, order.symbol);
      send({
        e: 'ACCOUNT_UPDATE',
        E: nowMs(),
        a: {
          m: 'ORDER',
          B: [{ a: 'USDT', wb: String(START_BALANCE), cw: String(START_BALANCE), bc: '0' }],
          P: [positionOf(order.symbol, position?.quantity ?? 0, position?.entryPrice ?? 0)],
        },
      });
    },
  };
}

const STATUS = { open: 'NEW', filled: 'FILLED', cancelled: 'CANCELED' } as const;
const EXECUTION = { open: 'NEW', filled: 'TRADE', cancelled: 'CANCELED' } as const;

function orderOf(order: Order): object {
  const filled = order.status === 'filled' ? String(order.quantity) : '0';
  return {
    s: order.symbol,
    c: order.clientOrderId,
    // A number, of more digits than some parsers keep.
    i: Number(order.orderId),
    S: order.isBuy ? 'BUY' : 'SELL',
    o: order.price === undefined ? 'MARKET' : 'LIMIT',
    q: String(order.quantity),
    p: String(order.price ?? 0),
    ap: String(order.filledAt ?? 0),
    sp: '0',
    x: EXECUTION[order.status],
    X: STATUS[order.status],
    N: 'USDT',
    n: '0',
    T: Math.floor(order.atMs),
    wt: 'MARK_PRICE',
    ps: 'BOTH',
    rp: '0',
    z: filled,
    l: filled,
    L: String(order.filledAt ?? 0),
  };
}

const positionOf = (symbol: string, quantity: number, entryPrice: number): object => ({
  s: symbol,
  pa: String(Math.abs(quantity)),
  ep: String(entryPrice),
  up: '0',
  mt: 'cross',
  iw: '0',
  ps: quantity < 0 ? 'SHORT' : 'LONG',
});

function parse(text: string): { readonly id?: unknown; readonly reqType?: unknown } {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}
