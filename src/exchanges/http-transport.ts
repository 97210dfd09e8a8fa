/**
 * One HTTP exchange, timed.
 *
 * Why not the SDKs' own HTTP: what a clock sample is worth depends on when the request really left. On a cold
 * connection DNS, TCP and TLS come before the server's stamp, and a client that starts its stopwatch there
 * learns little: with 90 ms each way, half a second of interval for 180 ms of truth. So the send time is taken
 * when the connection is ready and the bytes go out, and the receive time when the last byte is in. Both are
 * hard bounds: the server stamped in between. It also weighs nothing: `bybit-api` brings axios, 70 ms to load,
 * and `bingx-api` NestJS, 200 ms.
 *
 * The round trip is also taken by the wall clock. A process that is frozen between sending and receiving may
 * find that its monotonic clock stood still, and then the two bounds bound nothing; only the wall clock shows it.
 *
 * Connections are kept alive, and one can be opened ahead of its request (see early-connection.ts). An open one
 * may be dead without our knowing, after a function was frozen or when the server closed it at this very moment;
 * a request that fails so, before any answer, is sent once more on a fresh connection. Only GET is, for it can be
 * repeated; the signature inside is the same and still holds.
 *
 * Failures are values, not errors: what Node's errors carry is not for anyone's log, their `code` is enough.
 * Redirects are not followed: a signed request goes to the host it was meant for. Proxies are not supported.
 */
import http, { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { Duplex } from 'node:stream';
import { withEarlyConnection } from './early-connection.js';

/** Far above any answer of the endpoints used; an endless body must not fill the memory. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;
const MAX_IDLE_CONNECTIONS = 4;

export interface HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
}

export interface HttpReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Local clock when the request went out on a ready connection. */
  readonly sentAtMs: number;
  /** Local clock when the last byte of the answer was in. */
  readonly receivedAtMs: number;
  /** Between the same two moments by the wall clock; undefined without one. */
  readonly wallRoundTripMs: number | undefined;
  /** The connection was opened for this request. */
  readonly isCold: boolean;
}

export interface HttpFailure {
  readonly failure: 'timeout' | 'network' | 'oversized';
  /** The system's code, e.g. `ECONNREFUSED`. */
  readonly code: string;
}

export interface HttpTransport {
  /** Opens a connection to the URL's host for a request that is about to follow. Sends nothing, never fails. */
  open(url: string): void;
  /** Never rejects. */
  send(request: HttpRequest): Promise<HttpReply | HttpFailure>;
  /** Ends all connections, those in use too. What is sent later fails. */
  close(): void;
}

export const isFailure = (outcome: HttpReply | HttpFailure): outcome is HttpFailure => 'failure' in outcome;

export interface HttpTransportOptions {
  readonly timeoutMs: number;
  /** Epoch milliseconds, monotonic. */
  readonly now: () => number;
  /** Epoch milliseconds by the wall clock. */
  readonly wall?: (() => number) | undefined;
  /** In place of a network connection: for who wants nothing sent. */
  readonly connect?: () => Duplex;
}

export type CreateTransport = (options: HttpTransportOptions) => HttpTransport;

export const createHttpTransport: CreateTransport = options => {
  const agentOptions = { keepAlive: true, maxFreeSockets: MAX_IDLE_CONNECTIONS };
  const plain = protocolOf(http.request, new http.Agent(agentOptions), 'connect', options.connect);
  const tls = protocolOf(https.request, new https.Agent(agentOptions), 'secureConnect', options.connect);
  const protocolFor = (url: string) => (url.startsWith('https:') ? tls : plain);
  let isClosed = false;

  function send(request: HttpRequest): Promise<HttpReply | HttpFailure> {
    const protocol = protocolFor(request.url);
    return new Promise(resolve => {
      let current: ClientRequest | undefined;
      let isSettled = false;
      const settle = (outcome: HttpReply | HttpFailure) => {
        if (isSettled) return;
        isSettled = true;
        clearTimeout(deadline);
        resolve(outcome);
      };
      const deadline = setTimeout(() => {
        settle({ failure: 'timeout', code: 'ETIMEDOUT' });
        current?.destroy();
      }, options.timeoutMs);

      const attempt = (isSecond: boolean) => {
        let sentAtMs = options.now();
        let sentAtWallMs = options.wall?.();
        let isAnswered = false;
        let wasOpen = false;
        try {
          current = protocol.request(request.url, {
            method: request.method,
            headers: request.headers,
            agent: protocol.agent,
          });
        } catch (error) {
          // Node refuses a header or a URL that HTTP cannot carry.
          return settle(networkFailure(error));
        }
        const sent = current;
        sent.once('socket', socket => {
          const markSent = () => {
            sentAtMs = options.now();
            sentAtWallMs = options.wall?.();
          };
          wasOpen = protocol.early.isReady(socket);
          if (wasOpen) markSent();
          else socket.once(protocol.readyEvent, markSent);
        });
        sent.on('error', error => {
          if (isSettled) return;
          const mayRepeat = wasOpen && !isAnswered && !isSecond && request.method === 'GET';
          if (mayRepeat && !isClosed) attempt(true);
          else settle(networkFailure(error));
        });
        sent.once('response', response => {
          isAnswered = true;
          collectBody(response, outcome => {
            if ('failure' in outcome) {
              settle(outcome);
              sent.destroy();
              return;
            }
            const receivedAtMs = options.now();
            const wallMs = options.wall?.();
            const wallRoundTripMs =
              wallMs === undefined || sentAtWallMs === undefined ? undefined : wallMs - sentAtWallMs;
            settle({ ...outcome, sentAtMs, receivedAtMs, wallRoundTripMs, isCold: !wasOpen });
          });
        });
        sent.end(request.body);
      };

      if (isClosed) settle({ failure: 'network', code: 'CLOSED' });
      else attempt(false);
    });
  }

  return {
    open(url) {
      if (!isClosed) protocolFor(url).early.open(new URL(url));
    },
    send,
    close() {
      isClosed = true;
      for (const { agent, early } of [plain, tls]) {
        early.close();
        agent.destroy();
      }
    },
  };
};

function protocolOf(
  request: typeof http.request,
  agent: http.Agent,
  readyEvent: 'connect' | 'secureConnect',
  connect: (() => Duplex) | undefined,
) {
  if (connect) agent.createConnection = connect;
  return { request, agent, readyEvent, early: withEarlyConnection(agent, readyEvent) };
}

type Collected = Pick<HttpReply, 'status' | 'headers' | 'body'>;

function collectBody(response: IncomingMessage, done: (outcome: Collected | HttpFailure) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) done({ failure: 'oversized', code: 'BODY_TOO_LARGE' });
    else chunks.push(chunk);
  });
  response.once('error', error => done(networkFailure(error)));
  response.once('end', () =>
    done({
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: Buffer.concat(chunks).toString('utf8'),
    }),
  );
}

function networkFailure(error: unknown): HttpFailure {
  const code = (error as { code?: unknown }).code;
  const isCode = typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,59}$/.test(code);
  return { failure: 'network', code: isCode ? code : 'NETWORK_ERROR' };
}
