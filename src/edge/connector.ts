/**
 * Signed requests from an edge runtime: the timestamp placed by what the isolate knows of the exchange's clock, the
 * answer learned from, and a request that was refused for its time sent once more.
 *
 *   request ── nothing known? ──> read the published clock (one read, a deadline) ── none ──> sign by this host's clock
 *      │                                                                                        as a guess
 *      └── sign, send ──> accepted, or refused for another reason: the answer is returned as it is
 *                    └──> refused for its time: learn (from the refusal, else ask for the time), sign and send once more
 *
 * Only what was surely not executed is sent again (dialects.ts). No promise is shared between two requests: a Worker may
 * not wait for I/O that another request began, so requests that start together each read the published clock.
 */
import { ConnectorStateError, InvalidInputError } from '../base/errors.js';
import { shown } from '../base/shown.js';
import { DEFAULT_RANGE } from '../clock/request-window.js';
import { type Answer, DIALECTS, type Dialect, type RequestParts } from './dialects.js';
import { EdgeClock, type EdgeTime, mayBeReplayed } from './edge-clock.js';
import { hmacSha256 } from './hmac.js';
import { kindOfFailure } from './no-answer.js';
import {
  type ClockName,
  decodeClock,
  keyOfClock,
  type ReadClock,
  type UnusableReason,
} from './published-clock.js';

/** Where clocks are published: Workers KV, or anything else that gives a text for a key. */
export interface ClockSource {
  /** Of {@link keyOfClock}. `null`: nothing lies there. */
  get(key: string): Promise<string | null | undefined>;
}

export interface EdgeClockOptions extends ClockName {
  readonly exchange: 'BYBIT' | 'BINGX';
  readonly environment: 'MAINNET' | 'TESTNET';
  /** Another host than the exchange's own, `https://…`; then a `scope` names its clock. */
  readonly baseUrl?: string | undefined;
  /** How far this host's clock and that of the publisher's database may be apart, 0–2000 ms. Default 1000. */
  readonly hostErrorMs?: number | undefined;
  /** Default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

export interface EdgeConnectorOptions {
  readonly clock: SharedEdgeClock;
  readonly apiKey: string;
  /** HMAC; the edge does not sign with RSA keys. */
  readonly apiSecret: string;
  readonly source?: ClockSource | undefined;
  /** How long the source may take, ms, 1 and up. Default 250. */
  readonly sourceDeadlineMs?: number | undefined;
  /** Default the runtime's own. */
  readonly fetch?: typeof fetch | undefined;
  /** Hears why a published clock was not used; `failed` and `late` are the source's own. */
  readonly onUnusable?: ((reason: UnusableReason | 'failed' | 'late') => void) | undefined;
}

export interface EdgeRequest {
  /** Default `GET`. */
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE' | undefined;
  readonly query?: Readonly<Record<string, string | number | boolean>> | undefined;
  /** Sent as JSON to Bybit, as parameters to BingX. */
  readonly body?: Readonly<Record<string, unknown>> | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Of one attempt, milliseconds, 1 and up. Default 10 000. */
  readonly timeoutMs?: number | undefined;
}

export interface EdgeConnector {
  /**
   * The exchange's answer, its refusals included. One request, or two where the first was refused for its time.
   * @param path from the host on, without a query: `/v5/account/wallet-balance`
   * @throws InvalidInputError for a path or body that cannot be sent
   * @throws ConnectorStateError `EXCHANGE_UNREACHABLE` when there was no answer: then it may have been executed
   */
  request(path: string, request?: EdgeRequest): Promise<Response>;
  /** The exchange's time, as far as this isolate knows it; contacts nobody. */
  now(): EdgeTime;
}

const DEFAULT_HOST_ERROR_MS = 1_000;
const MAX_HOST_ERROR_MS = 2_000;
const DEFAULT_SOURCE_DEADLINE_MS = 250;
const DEFAULT_TIMEOUT_MS = 10_000;
const { recvWindowMs } = DEFAULT_RANGE;

/** The clock of one exchange host, for all connectors of an isolate. Holds no connection and no promise. */
export interface SharedEdgeClock {
  readonly name: Required<ClockName>;
  readonly baseUrl: string;
  /** The exchange's time, as far as this isolate knows it; contacts nobody. */
  now(): EdgeTime;
}

interface Outgoing {
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly signal: AbortSignal;
}

interface Inside {
  readonly state: EdgeClock;
  readonly wallClock: () => number;
}

const inside = new WeakMap<SharedEdgeClock, Inside>();

/**
 * Made once an isolate, outside of any request. Contacts nobody.
 * @throws InvalidInputError for an exchange or environment that is not known, or a `hostErrorMs` out of its range
 * @example
 * const clock = createEdgeClock({ exchange: 'BYBIT', environment: 'MAINNET' });
 */
export function createEdgeClock(options: EdgeClockOptions): SharedEdgeClock {
  const { exchange, environment, scope = 'default', hostErrorMs = DEFAULT_HOST_ERROR_MS } = options;
  const own = DIALECTS[exchange]?.baseUrls[environment];
  if (own === undefined) {
    throw new InvalidInputError(
      `exchange and environment must be ${Object.keys(DIALECTS).join(' or ')} and MAINNET or TESTNET, got ${shown(exchange)} and ${shown(environment)}`,
    );
  }
  if (!(hostErrorMs >= 0 && hostErrorMs <= MAX_HOST_ERROR_MS)) {
    throw new InvalidInputError(
      `hostErrorMs must be from 0 to ${MAX_HOST_ERROR_MS}, got ${shown(hostErrorMs)}`,
    );
  }
  if (options.baseUrl !== undefined && scope === 'default') {
    throw new InvalidInputError(
      "another host has a clock of its own: with a baseUrl pass the scope that clock is published under (the host's origin, or your clockScope)",
    );
  }
  const name = { exchange, environment, scope };
  keyOfClock(name);
  const baseUrl = (options.baseUrl ?? own).replace(/\/+$/, '');
  const wallClock = options.now ?? Date.now;
  const state = new EdgeClock(DEFAULT_RANGE, hostErrorMs, wallClock);
  const clock: SharedEdgeClock = { name, baseUrl, now: () => state.now() };
  inside.set(clock, { state, wallClock });
  return clock;
}

/**
 * A connector for one request of the runtime, or for many: what it learns is kept in its clock.
 * @throws InvalidInputError for an empty key or secret, or a PEM key
 * @example
 * const clock = createEdgeClock({ exchange: 'BYBIT', environment: 'MAINNET' });
 * export default {
 *   async fetch(_request, env) {
 *     const connector = createEdgeConnector({ clock, source: env.CLOCKS, apiKey: env.KEY, apiSecret: env.SECRET });
 *     return connector.request('/v5/account/wallet-balance', { query: { accountType: 'UNIFIED' } });
 *   },
 * };
 */
export function createEdgeConnector(options: EdgeConnectorOptions): EdgeConnector {
  const { clock, apiKey, apiSecret } = options;
  if (!isHeaderValue(apiKey) || !isHeaderValue(apiSecret)) {
    throw new InvalidInputError(
      'apiKey and apiSecret must be visible ASCII without blanks: HMAC keys as the exchange gives them, RSA keys are for Node only',
    );
  }
  const dialect = DIALECTS[clock.name.exchange] as Dialect;
  const { state, wallClock } = inside.get(clock) as Inside;
  const send = options.fetch ?? ((input: string, init: RequestInit) => fetch(input, init));

  /** @returns the answer, and what it proved has been learned */
  async function attempt(parts: RequestParts, within: () => AbortSignal) {
    const signedAtMs = wallClock();
    const timestampMs = state.timestamp();
    const hmac = (message: string) => hmacSha256(apiSecret, message);
    const { target, headers, body } = await dialect.sign(parts, { apiKey, timestampMs, recvWindowMs, hmac });
    const { response, answer, sentAtMs } = await exchange(target, {
      method: parts.method,
      headers,
      body,
      signal: within(),
    });
    const isRefused = dialect.isRefusedForTime(answer, response.status, parts.method === 'GET');
    let isLearned = false;
    if (!mayBeReplayed(response.headers)) {
      isLearned = state.learnStamp(sentAtMs, dialect.stampIn(answer));
      if (!isLearned && dialect.isAccepted(answer)) state.learnAcceptance({ timestampMs, signedAtMs });
    }
    return { response, isRefused, isLearned };
  }

  async function exchange(target: string, { method, headers, body, signal }: Outgoing) {
    const sentAtMs = wallClock();
    const content = body === undefined ? {} : { 'content-type': 'application/json' };
    try {
      const response = await send(clock.baseUrl + target, {
        method,
        headers: { ...content, ...headers },
        ...(body !== undefined && { body }),
        signal,
        redirect: 'manual',
      });
      const text = await response.text();
      const { status, statusText } = response;
      // The text is decoded already.
      const kept = new Headers(response.headers);
      for (const name of ['content-encoding', 'content-length', 'transfer-encoding']) kept.delete(name);
      const copy = new Response(hasBody(status) ? text : null, { status, statusText, headers: kept });
      return { response: copy, answer: parse(text), sentAtMs };
    } catch (error) {
      throw new ConnectorStateError(
        'EXCHANGE_UNREACHABLE',
        `${clock.name.exchange} gave no answer to ${method} ${target.split('?')[0]} (${kindOfFailure(error)}): whether it was executed is not known`,
      );
    }
  }

  /** @returns whether the exchange told its time */
  async function measure(within: () => AbortSignal): Promise<boolean> {
    try {
      const { response, answer, sentAtMs } = await exchange(dialect.timePath, {
        method: 'GET',
        signal: within(),
      });
      return !mayBeReplayed(response.headers) && state.learnStamp(sentAtMs, dialect.timeIn(answer));
    } catch {
      // The refusal that led here says more to the caller than this.
      return false;
    }
  }

  return {
    async request(path, { method = 'GET', query = {}, body, signal, timeoutMs = DEFAULT_TIMEOUT_MS } = {}) {
      const within = () => {
        const timeout = AbortSignal.timeout(timeoutMs);
        return signal ? AbortSignal.any([signal, timeout]) : timeout;
      };
      const parts = { method, path: parsePath(path), query: textsOf(query), body: jsonOf(body) };
      if (state.isWanting && options.source) await adoptFrom(options.source, options, clock.name, state);
      const first = await attempt(parts, within);
      if (!first.isRefused || !(first.isLearned || (await measure(within)))) return first.response;
      return (await attempt(parts, within)).response;
    },
    now: () => state.now(),
  };
}

/** Never rejects: a published clock is a help, not a need. */
async function adoptFrom(
  source: ClockSource,
  { sourceDeadlineMs = DEFAULT_SOURCE_DEADLINE_MS, onUnusable = () => undefined }: EdgeConnectorOptions,
  name: Required<ClockName>,
  state: EdgeClock,
): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<'late'>(resolve => {
    timer = setTimeout(() => resolve('late'), sourceDeadlineMs);
  });
  const reading = readFrom(source, name).catch((): 'failed' => 'failed');
  const read = await Promise.race([reading, late]);
  clearTimeout(timer);
  if (typeof read === 'string') onUnusable(read);
  else if (read.clock) state.adopt(read.clock);
  else onUnusable(read.unusable);
}

const readFrom = async (source: ClockSource, name: Required<ClockName>): Promise<ReadClock> =>
  decodeClock(await source.get(keyOfClock(name)), name);

const isHeaderValue = (value: unknown): boolean =>
  typeof value === 'string' && /^[\x21-\x7e]{1,1024}$/.test(value);

function parsePath(path: string): string {
  if (/^\/[\w\-./~]*$/.test(path) && !path.startsWith('//')) return path;
  throw new InvalidInputError(
    `path must begin with one / and hold no query, got ${shown(path)}: pass parameters as query`,
  );
}

const textsOf = (query: Readonly<Record<string, string | number | boolean>>): Record<string, string> =>
  Object.fromEntries(Object.entries(query).map(([name, value]) => [name, String(value)]));

function jsonOf(body: Readonly<Record<string, unknown>> | undefined): string | undefined {
  if (body === undefined) return undefined;
  try {
    return JSON.stringify(body);
  } catch {
    throw new InvalidInputError(
      'body must be what JSON can hold: no BigInt and no circles; pass numbers as strings',
    );
  }
}

/** A `Response` of these may have none. */
const hasBody = (status: number): boolean => status !== 204 && status !== 205 && status !== 304;

function parse(text: string): Answer {
  try {
    return Object(JSON.parse(text)) as Answer;
  } catch {
    return {};
  }
}
