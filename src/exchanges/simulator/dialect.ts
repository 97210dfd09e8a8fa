/** What makes a simulated exchange the one it is: its paths, its checks, its words. No I/O in here. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Exchange } from '../../events/connector.js';
import type { Accounts } from './accounts.js';
import type { Book, Order } from './book.js';
import type { ExchangeKnobs, Route } from './knobs.js';
import type { ListenKeys } from './listen-keys.js';
import type { Allowance } from './rate-limiter.js';

export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  /** Exactly as it was sent, without the question mark. */
  readonly rawQuery: string;
  readonly headers: IncomingHttpHeaders;
  /** Exactly as it was sent; empty for a GET. */
  readonly body: string;
}

export interface World {
  readonly accounts: Accounts;
  readonly knobs: ExchangeKnobs;
  readonly seed: number;
  /** The exchange's clock when the request is judged, epoch milliseconds with a fraction. */
  readonly serverTimeMs: number;
  /** What its answer says the clock shows; see told-time.ts. */
  readonly toldTimeMs: number;
  readonly book: Book;
  readonly listenKeys: ListenKeys;
}

export interface Answer {
  readonly status: number;
  /** The exchange's own code, 0 for yes; undefined when the answer is HTTP's. */
  readonly code: number | undefined;
  /** Serialised as JSON, a string as it is. */
  readonly body: Readonly<Record<string, unknown>> | string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The order that was executed, whatever becomes of the answer. */
  readonly executed?: ExecutedOrder | undefined;
}

export interface ExecutedOrder {
  readonly symbol: string;
  readonly side: string;
  /** The client's own name for it; empty where it gave none. */
  readonly clientOrderId: string;
}

export interface Endpoint {
  readonly route: Exclude<Route, 'other'>;
  /** Default `GET`. */
  readonly method?: 'POST' | 'PUT' | 'DELETE';
  answer(request: ReceivedRequest, world: World): Answer;
}

/** One connection, of one path. */
export interface SocketSession {
  /** Once, when the connection is open. */
  begin?(): void;
  /** Every {@link HEARTBEAT_MS} from then on. */
  beat?(): void;
  /** The exchange's clock was set. */
  clockMoved?(): void;
  receive(text: string): void;
  /** An order was placed or cancelled, by whoever holds this key, over whatever way. */
  ordered(apiKey: string, order: Order): void;
}

export interface SocketTools {
  /** Names the connection. */
  readonly id: string;
  /** Of the address it was opened by. */
  readonly query: URLSearchParams;
  /** As JSON, in a text message. */
  send(message: object): void;
  /** In a binary message. */
  sendBytes(bytes: Buffer): void;
  /** What the exchange is when it is asked. */
  world(): World;
  /** @param what.outcome the exchange's code, 0 for yes */
  log(what: {
    readonly route: Route;
    readonly timestampMs: number | undefined;
    readonly outcome: number;
    readonly executed?: ExecutedOrder | undefined;
  }): void;
}

/** By real time: heartbeats are the connection's, and no clock of the exchange's is looked at for them. */
export const HEARTBEAT_MS = 5_000;

/** `undefined`: who knocks is put out. */
export type SocketEndpoints = Readonly<Record<string, (tools: SocketTools) => SocketSession | undefined>>;

export interface Dialect {
  readonly exchange: Exchange;
  /** By path, or by method and path; anything else, and another method, is a page that was not found. */
  readonly endpoints: Readonly<Record<string, Endpoint>>;
  /** By path; none: it has no WebSockets here. */
  readonly sockets?: SocketEndpoints;
  /** A refusal in the exchange's envelope. `message` defaults to what the exchange says with that code. */
  refuse(code: number, message: string | undefined, world: World): Answer;
  rateLimited(allowance: Allowance, world: World): Answer;
  busy(world: World): Answer;
  /** Headers that tell of the allowance, on an answer that was allowed. */
  allowanceHeaders(allowance: Allowance, world: World): Readonly<Record<string, string>>;
  apiKeyOf(request: ReceivedRequest): string | undefined;
  /** The timestamp that was signed, for the log. */
  timestampOf(request: ReceivedRequest): number | undefined;
  /** The same body with another value for the server's clock; undefined takes it out. */
  withTime(body: Answer['body'], value: unknown): Answer['body'];
}

/** The order that an answer tells of, as the log of what was taken has it. */
export const takenOf = (order: Order | undefined): ExecutedOrder | undefined =>
  order && {
    symbol: order.symbol,
    side: order.isBuy ? 'Buy' : 'Sell',
    clientOrderId: order.clientOrderId,
  };

export const httpAnswer = (status: number, body: string): Answer => ({ status, code: undefined, body });

export const PAGE_NOT_FOUND = httpAnswer(404, '404 page not found');
export const MAINTENANCE_PAGE = httpAnswer(
  503,
  '<html><head><title>503 Service Temporarily Unavailable</title></head><body>503</body></html>',
);

/** As CDNs write it. */
export const REGION_BLOCK_PAGE = httpAnswer(
  403,
  '<html><head><title>403 ERROR</title></head><body>The Amazon CloudFront distribution is configured to block access from your country.</body></html>',
);

export function header(request: ReceivedRequest, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

export const wholeNumber = (text: string | null | undefined): number | undefined =>
  text !== null && text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : undefined;
