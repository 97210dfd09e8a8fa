/**
 * An exchange written without a line of ours, strict as the real ones are: Bybit V5 and BingX swap V2 over one port.
 *
 * It judges by its own clock, which is the world's time plus a skew; its `Date` header is an edge's, another machine's.
 * Time passes when it is told to and nobody waits: a request may be made late on its way there or back by moving the
 * world's time on while it is under way.
 */
import { createHmac } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { ACCOUNT } from './world.js';

/** One signed request: which of the way's two halves takes how long, and whether the answer tells the time. */
export interface Journey {
  readonly thereMs?: number;
  readonly backMs?: number;
  readonly isStampless?: boolean;
  /** The clock of the one server that answers this, minus the exchange's. */
  readonly aheadMs?: number;
}

export interface StrictExchange {
  readonly url: string;
  /** The exchange's clock minus the world's. */
  skewMs: number;
  /** The edge's clock minus the world's. */
  edgeSkewMs: number;
  /** Of each signed request, by its number from 0; and of each to the time endpoint. */
  journey: (kind: 'signed' | 'time', number: number) => Journey;
  /** Of each signed request: the timestamp's lead over the exchange's clock when it was judged, and the verdict. */
  readonly judged: { readonly leadMs: number; readonly code: number }[];
  readonly timeRequests: () => number;
  close(): Promise<void>;
}

/** @param world its time; `passes` moves it on */
export async function startStrictExchange(world: {
  now(): number;
  passes(ms: number): void;
}): Promise<StrictExchange> {
  const judged: { leadMs: number; code: number }[] = [];
  let timeRequests = 0;
  const sign = (text: string) => createHmac('sha256', ACCOUNT.apiSecret).update(text).digest('hex');
  const outside = (ts: number, server: number, window: number) =>
    ts < server - window || ts >= server + 1_000;

  const server = http.createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0] as string;
    const raw = (request.url ?? '').split('?')[1] ?? '';
    const isTime = path.endsWith('/time');
    const {
      thereMs = 0,
      backMs = 0,
      isStampless = false,
      aheadMs = 0,
    } = exchange.journey(isTime ? 'time' : 'signed', isTime ? timeRequests++ : judged.length);
    if (thereMs > 0) world.passes(thereMs);
    const at = Math.floor(world.now() + exchange.skewMs + aheadMs);
    const send = (body: object | string) => {
      if (backMs > 0) world.passes(backMs);
      response.sendDate = false;
      response.writeHead(200, {
        'content-type': 'application/json',
        date: new Date(world.now() + exchange.edgeSkewMs).toUTCString(),
      });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    };
    const judge = (timestamp: number, code: number) => judged.push({ leadMs: timestamp - at, code });

    if (path.startsWith('/v5/')) {
      const time = isStampless ? {} : { time: at };
      const bybit = (retCode: number, retMsg: string, result: object = {}) =>
        send({ retCode, retMsg, result, retExtInfo: {}, ...time });
      if (isTime) return bybit(0, 'OK', { timeSecond: `${Math.floor(at / 1000)}`, timeNano: `${at}000000` });
      const of = (name: string) => String(request.headers[`x-bapi-${name}`]);
      const [key, ts, window] = [of('api-key'), Number(of('timestamp')), Number(of('recv-window'))];
      const code =
        key !== ACCOUNT.apiKey
          ? 10_003
          : outside(ts, at, window)
            ? 10_002
            : sign(`${ts}${key}${window}${raw}`) !== of('sign')
              ? 10_004
              : 0;
      judge(ts, code);
      const says =
        code === 10_002 ? 'invalid request, please check your server timestamp or recv_window' : '';
      return bybit(code, says, { id: '1' });
    }
    const bingx = (code: number, msg: string, more: object) => send({ code, msg, ...more });
    if (isTime) return bingx(0, '', { data: { serverTime: at } });
    const query = new URLSearchParams(raw);
    const [ts, window] = [Number(query.get('timestamp')), Number(query.get('recvWindow') ?? 5_000)];
    const code =
      request.headers['x-bx-apikey'] !== ACCOUNT.apiKey
        ? 100_413
        : sign(raw.replace(/&signature=.*/, '')) !== query.get('signature')
          ? 100_001
          : outside(ts, at, window)
            ? 100_421
            : 0;
    judge(ts, code);
    if (code === 0) return send('{"code":0,"msg":"","data":{"balance":{"balance":"1.0"}}}');
    bingx(code, 'Null timestamp or timestamp mismatch', isStampless ? {} : { timestamp: at });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const exchange: StrictExchange = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    skewMs: 0,
    edgeSkewMs: 0,
    journey: () => ({}),
    judged,
    timeRequests: () => timeRequests,
    close: () =>
      new Promise(resolve => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return exchange;
}
