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
 * Connections are kept alive, and one can be opened ahead of its request (see early-connection.ts). A kept one may be
 * dead without our knowing: those that lay idle too long are not used (connection-age.ts), and a request that fails
 * or stays silent on one is told apart, so that its caller can repeat it (living-connection.ts). Nothing is repeated
 * here.
 *
 * Which way a request leaves, directly, through a proxy or by the user's own agent, is for routes.ts.
 *
 * Failures are values, not errors: what Node's errors carry is not for anyone's log, their `code` is enough.
 * Redirects are not followed: a signed request goes to the host it was meant for.
 */
import type { Agent, ClientRequest, IncomingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';
import { UnusableProxyError } from './proxy.js';
import { collectBody } from './response-body.js';
import { createRoutes, type Route } from './routes.js';

/**
 * A kept connection is silent when it takes so much longer than the slowest of the endpoint's last answers did over an open
 * one. A dead one then costs this and two round trips. One that was only slow costs a GET more.
 */
export const PATIENCE_MS = 35;
const REMEMBERED_ROUND_TRIPS = 8;
const REMEMBERED_ENDPOINTS = 32;
/** Of an endpoint that has not answered yet, whose answers may take long: three times the others', and so much at least. */
const STRANGER_PATIENCE_MS = 100;
const JUST_ANSWERED_MS = 15;
const TRUSTED_PATIENCE_MS = 1_000;
/** A timer that fires so late was held up by other work of this process. */
const LATE_TIMER_MS = 10;
/** A process that worked for a larger share of the wait may have been too slow itself to send, or to take the answer. */
const BUSY_SHARE = 0.5;
/** However busy: then a fresh connection still has the other half of the time-out. */
const LONGEST_PATIENCE_SHARE = 0.5;

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
  /** `proxy`: it refused to pass the request on, or cannot be used. `not-sent`: no request was made; see `problem`. */
  readonly failure: 'timeout' | 'network' | 'oversized' | 'undecodable' | 'proxy' | 'not-sent';
  /** The system's code, e.g. `ECONNREFUSED`; of a proxy its status, e.g. `HTTP 502`. */
  readonly code: string;
  /** The connection was open before the request, and broke before the answer was whole: it may have been dead all along. */
  readonly isDeadConnection?: true;
  /** Why nothing was sent, in an SDK's words: to be redacted before anybody sees it. */
  readonly problem?: string;
}

/** How one request is to be sent. */
export interface SendOptions {
  /** Ends the request; its outcome is a failure then. */
  readonly signal?: AbortSignal;
  /**
   * Called at most once, when a connection that was open before the request stays silent for longer than any answer took
   * lately, be it before the answer or in its middle.
   */
  readonly onSilence?: () => void;
}

export interface HttpTransport {
  /** Opens a connection to the URL's host for a request that is about to follow. Sends nothing, never fails. */
  open(url: string): void;
  /** Never rejects. */
  send(request: HttpRequest, options?: SendOptions): Promise<HttpReply | HttpFailure>;
  /** Ends the connections that lie idle, so that the next request opens one. */
  dropIdle(): void;
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
  /** The user's, in place of ours and of any proxy: a way out of their own. It is not closed by us. */
  readonly agent?: Agent | undefined;
}

export type CreateTransport = (options: HttpTransportOptions) => HttpTransport;

export const createHttpTransport: CreateTransport = options => {
  const routes = createRoutes(options);
  const roundTripsMs = new Map<string, number[]>();
  let isClosed = false;

  /** `undefined` before the first answer: then nobody knows what is long. */
  const patienceWith = (endpoint: string): Patience | undefined => {
    const known = roundTripsMs.get(endpoint);
    if (known) return { ms: Math.max(...known) + PATIENCE_MS, isGuess: false };
    const others = [...roundTripsMs.values()].flat();
    if (others.length === 0) return undefined;
    return { ms: Math.max(3 * Math.max(...others), STRANGER_PATIENCE_MS), isGuess: true };
  };
  const answeredAfter = (endpoint: string, ms: number) => {
    const last = [...(roundTripsMs.get(endpoint) ?? []), ms].slice(-REMEMBERED_ROUND_TRIPS);
    roundTripsMs.delete(endpoint);
    roundTripsMs.set(endpoint, last);
    const [oldest] = roundTripsMs.keys();
    if (roundTripsMs.size > REMEMBERED_ENDPOINTS) roundTripsMs.delete(oldest as string);
  };

  function wayTo(url: string): ReturnType<typeof routes.for> | undefined {
    try {
      return routes.for(url);
    } catch (error) {
      if (error instanceof UnusableProxyError) return undefined;
      throw error;
    }
  }

  async function send(request: HttpRequest, sending: SendOptions = {}): Promise<HttpReply | HttpFailure> {
    if (isClosed) return CLOSED;
    const way = wayTo(request.url);
    if (!way) return { failure: 'proxy', code: 'PROXY_URL_UNUSABLE' };
    const route = way instanceof Promise ? await way : way;
    if (isClosed) return CLOSED;
    route.dropStale();
    const endpoint = `${request.method} ${request.url.split('?', 1)[0]}`;
    return sendOver(route, request, sending, {
      ...options,
      answeredAfter: ms => answeredAfter(endpoint, ms),
      patience: patienceWith(endpoint),
    });
  }

  return {
    open(url) {
      const way = isClosed ? undefined : wayTo(url);
      // One that is still being made goes through a proxy, where nothing is opened ahead.
      if (way && !(way instanceof Promise)) way.openEarly(new URL(url));
    },
    send,
    dropIdle: () => routes.dropIdle(),
    close() {
      isClosed = true;
      routes.close();
    },
  };
};

/** Calls of the system that come before a connection. */
const CONNECTING: ReadonlySet<string> = new Set(['connect', 'getaddrinfo']);

const CLOSED: HttpFailure = { failure: 'network', code: 'CLOSED' };

/** How long an open connection may be silent. */
interface Patience {
  readonly ms: number;
  /** The endpoint has not answered yet. */
  readonly isGuess: boolean;
}

type Sending = Pick<HttpTransportOptions, 'now' | 'wall' | 'timeoutMs'> & {
  readonly patience: Patience | undefined;
  /** Told by the timer's clock, which is not the injected one, for it is held against a timer. */
  readonly answeredAfter: (ms: number) => void;
};

function sendOver(
  route: Route,
  request: HttpRequest,
  { signal, onSilence }: SendOptions,
  { now, wall, timeoutMs, patience, answeredAfter }: Sending,
): Promise<HttpReply | HttpFailure> {
  return new Promise(resolve => {
    let sent: ClientRequest | undefined;
    let silence: NodeJS.Timeout | undefined;
    let isSettled = false;
    const settle = (outcome: HttpReply | HttpFailure) => {
      if (isSettled) return;
      isSettled = true;
      clearTimeout(deadline);
      clearTimeout(silence);
      signal?.removeEventListener('abort', abort);
      resolve(outcome);
      if (isFailure(outcome)) sent?.destroy();
    };
    const abort = () => settle({ failure: 'network', code: 'ABORTED' });
    const deadline = setTimeout(() => settle({ failure: 'timeout', code: 'ETIMEDOUT' }), timeoutMs);
    if (signal?.aborted) return abort();
    signal?.addEventListener('abort', abort, { once: true });

    let sentAtMs = now();
    let sentAtWallMs = wall?.();
    let isAnswered = false;
    let wasOpen = false;
    let wentOutAtMs = performance.now();
    const markSent = () => {
      wentOutAtMs = performance.now();
      sentAtMs = now();
      sentAtWallMs = wall?.();
    };
    try {
      const { method, headers } = request;
      sent = route.request(request.url, { method, headers, agent: route.agent });
    } catch (error) {
      // Node refuses a header or a URL that HTTP cannot carry.
      return settle(networkFailure(error));
    }
    sent.once('socket', socket => {
      wasOpen = sent?.reusedSocket === true || route.isReady(socket);
      if (!wasOpen) return void socket.once(route.readyEvent, markSent);
      markSent();
      if (!onSilence || !patience) return;
      // It has just answered, so it is most likely alive; how long this endpoint takes nobody knows.
      const isTrusted = patience.isGuess && route.idleMs(socket) < JUST_ANSWERED_MS;
      const patienceMs = isTrusted ? Math.max(patience.ms, TRUSTED_PATIENCE_MS) : patience.ms;
      const endsAtMs = performance.now() + timeoutMs * LONGEST_PATIENCE_SHARE;
      const listen = () => {
        const waitMs = Math.max(0, Math.min(patienceMs, endsAtMs - performance.now()));
        const dueAtMs = performance.now() + waitMs;
        const before = performance.eventLoopUtilization();
        const bytesBefore = socket.bytesRead;
        silence = setTimeout(() => {
          // What a busy process did not read meanwhile is not the connection's silence.
          const isLate = performance.now() - dueAtMs > LATE_TIMER_MS;
          const isBusy = isLate || performance.eventLoopUtilization(before).utilization > BUSY_SHARE;
          const isSilent = socket.bytesRead === bytesBefore;
          if ((isBusy || !isSilent) && performance.now() < endsAtMs) listen();
          else if (isSilent) onSilence();
        }, waitMs);
      };
      listen();
    });
    sent.once('proxyConnect', ({ statusCode }: { statusCode?: number }) => {
      // Plain http has no CONNECT to be refused.
      if (statusCode !== undefined && statusCode !== 200)
        settle({ failure: 'proxy', code: `HTTP ${statusCode}` });
    });
    const broken = (error: unknown): HttpFailure =>
      wasOpen ? { ...networkFailure(error), isDeadConnection: true } : networkFailure(error);
    sent.on('error', error => {
      const failure = broken(error);
      if (wasOpen) return settle(failure);
      const { syscall = '' } = error as NodeJS.ErrnoException;
      // Who could not be connected to, or found, is the proxy.
      settle(route.isProxied && CONNECTING.has(syscall) ? { ...failure, failure: 'proxy' } : failure);
    });
    // A connection that ends without an answer and without an error: a server that wants to speak another protocol (101).
    sent.once('close', () => {
      if (!isAnswered) settle({ failure: 'network', code: 'ECONNRESET' });
    });
    sent.once('response', response => {
      isAnswered = true;
      // Of plain http the proxy answers in the exchange's place.
      if (route.isProxied && response.statusCode === 407) {
        return settle({ failure: 'proxy', code: 'HTTP 407' });
      }
      collectBody(response, body => {
        if ('error' in body) return settle(broken(body.error));
        if ('isOversized' in body) return settle({ failure: 'oversized', code: 'BODY_TOO_LARGE' });
        if ('undecodable' in body) {
          return settle({ ...networkFailure(body.undecodable), failure: 'undecodable' });
        }
        const receivedAtMs = now();
        answeredAfter(performance.now() - wentOutAtMs);
        const wallMs = wall?.();
        const wallRoundTripMs =
          wallMs === undefined || sentAtWallMs === undefined ? undefined : wallMs - sentAtWallMs;
        const { statusCode: status = 0, headers } = response;
        settle({
          status,
          headers,
          body: body.text,
          sentAtMs,
          receivedAtMs,
          wallRoundTripMs,
          isCold: !wasOpen,
        });
      });
    });
    sent.end(request.body);
  });
}

function networkFailure(error: unknown): HttpFailure {
  const code = (error as { code?: unknown }).code;
  const isCode = typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,59}$/.test(code);
  // Of Node's parser: something came, and it is not HTTP.
  const failure = isCode && code.startsWith('HPE_') ? 'undecodable' : 'network';
  return { failure, code: isCode ? code : 'NETWORK_ERROR' };
}
