/**
 * A class of bybit-api's REST client that goes by a connector's clock: the user's own class, from the user's own copy
 * of the SDK, extended by what the SDK leaves open to be extended.
 *
 *   `fetchTimeOffset()`              the timestamp, minus `Date.now()`, to which the SDK adds it
 *   `networkOptions.adapter`         times the request around the adapter that would have sent it
 *   `getPrivate`, `postPrivate`, …   each call's last word: the retry is a second call of the SDK's own, which builds
 *                                    and signs anew
 *
 * Nothing private is read or replaced, so nothing is patched that a release may move. Between these three a call has no
 * name of its own: several run at once, and the SDK hands nothing through. So what the adapter learned of an answer
 * travels in the answer, under a symbol, which the SDK copies with the rest of it (`Object.assign`); it is taken out
 * before the caller sees it. And the signature is found again by the timestamp in the request's header.
 *
 * The parsed body is looked at where axios has parsed it (`transformResponse`), so that it is parsed once.
 */
import { type Agent, globalAgent as httpAgent } from 'node:http';
import { globalAgent as httpsAgent } from 'node:https';
import { createRequire } from 'node:module';
import { InvalidInputError } from '../../base/errors.js';
import type { Environment } from '../../events/connector.js';
import type { ClientClock, ClientSignature } from '../client-clock.js';
import type { ExchangeError } from '../exchange-adapter.js';
import { ForeignConnections } from '../foreign-connections.js';
import { asObject } from '../json.js';
import { RecentSignatures } from '../recent-signatures.js';
import { retryAfterMs } from '../retry-after.js';
import { BYBIT_PROFILE } from './profile.js';

/** What is used of a `RestClientV5`, of whichever version and copy of the SDK. */
export interface BybitRestClient {
  fetchTimeOffset(): Promise<number>;
  getPrivate(endpoint: string, params?: unknown): Promise<unknown>;
  postPrivate(endpoint: string, params?: unknown): Promise<unknown>;
  // biome-ignore lint/suspicious/noExplicitAny: the SDK has a type of its own for what it takes.
  postPrivateFile(endpoint: string, params?: any): Promise<unknown>;
  deletePrivate(endpoint: string, params?: unknown): Promise<unknown>;
}

// biome-ignore lint/suspicious/noExplicitAny: a mixin's base must be declared so.
export type BybitRestClientClass = new (...args: any[]) => BybitRestClient;

interface AxiosConfig {
  readonly method?: string;
  readonly url?: string;
  readonly headers?: unknown;
  readonly httpAgent?: Agent;
  readonly httpsAgent?: Agent;
  transformResponse?: unknown;
}
interface AxiosResponse {
  readonly status: number;
}
interface Times {
  readonly sentAtMs: number;
  readonly receivedAtMs: number;
  readonly wallRoundTripMs: number;
}
type AxiosAdapter = (config: AxiosConfig) => Promise<AxiosResponse>;
type Transform = (this: unknown, data: unknown, headers: Headers, status: number) => unknown;
type Headers = Readonly<Record<string, string | undefined>>;

/** On an answer that refuses the timestamp, on its way from the adapter to the call. */
const REFUSED = Symbol('connector-state: refused for the timestamp');
type Marked = Record<string | symbol, unknown>;

/**
 * @param Client a `RestClientV5`, or a subclass
 * @returns a subclass of it
 */
export function attachedBybitClient<C extends BybitRestClientClass>(Client: C, clock: ClientClock): C {
  class Attached extends Client {
    readonly #calls: Calls;
    readonly #patient: (recvWindowMs: number) => BybitRestClient | undefined;

    // biome-ignore lint/suspicious/noExplicitAny: a mixin's constructor must be declared so.
    constructor(...args: any[]) {
      const [options = {}, network = {}] = args;
      const calls = new Calls(clock, network.adapter);
      super(...argsOver(args, clock, calls));
      this.#calls = calls;
      this.#patient = patientOf(recv => new Client(...argsOver(args, clock, calls, recv)), calls, options);
    }

    override fetchTimeOffset(): Promise<number> {
      return this.#calls.offset();
    }

    override getPrivate(endpoint: string, params?: unknown): Promise<unknown> {
      return this.#calls.call(
        () => super.getPrivate(endpoint, params),
        recv => this.#patient(recv)?.getPrivate(endpoint, params),
      );
    }

    override postPrivate(endpoint: string, params?: unknown): Promise<unknown> {
      return this.#calls.call(
        () => super.postPrivate(endpoint, params),
        recv => this.#patient(recv)?.postPrivate(endpoint, params),
      );
    }

    override postPrivateFile(endpoint: string, params?: unknown): Promise<unknown> {
      return this.#calls.call(
        () => super.postPrivateFile(endpoint, params),
        recv => this.#patient(recv)?.postPrivateFile(endpoint, params),
      );
    }

    override deletePrivate(endpoint: string, params?: unknown): Promise<unknown> {
      return this.#calls.call(
        () => super.deletePrivate(endpoint, params),
        recv => this.#patient(recv)?.deletePrivate(endpoint, params),
      );
    }
  }
  Object.defineProperty(Attached, 'name', { value: Client.name });
  return Attached;
}

/**
 * The SDK's window is an option of a client, so a request that was late is sent again by another one, made when it is needed,
 * of the same class and over the same adapter.
 * @returns undefined where the window is no wider than the client's own
 */
function patientOf(
  make: (recvWindowMs: number) => BybitRestClient,
  calls: Calls,
  { recv_window: own }: { readonly recv_window?: number },
): (recvWindowMs: number) => BybitRestClient | undefined {
  let made: BybitRestClient | undefined;
  return recvWindowMs => {
    if (recvWindowMs <= (own ?? calls.recvWindowMs)) return undefined;
    if (!made) {
      made = make(recvWindowMs);
      made.fetchTimeOffset = () => calls.offset();
    }
    return made;
  };
}

// biome-ignore lint/suspicious/noExplicitAny: as the SDK's constructor has them.
function argsOver(args: readonly any[], clock: ClientClock, calls: Calls, recvWindowMs?: number): any[] {
  const [options = {}, network = {}, ...rest] = args;
  const over = optionsOver(options, clock);
  const windowed = recvWindowMs === undefined ? over : { ...over, recv_window: recvWindowMs };
  return [windowed, { ...network, adapter: calls.adapter }, ...rest];
}

/** @throws InvalidInputError when they are of another host, whose clock is another one */
function optionsOver(options: Record<string, unknown>, clock: ClientClock): Record<string, unknown> {
  const { baseUrl, testnet, demoTrading, apiRegion } = options;
  const named = typeof baseUrl === 'string' ? baseUrl.replace(/\/+$/, '') : regionalHost(apiRegion, clock);
  const isOther = named !== clock.baseUrl || !isOfEnvironment({ testnet, demoTrading }, clock.environment);
  if (isOther) {
    throw new InvalidInputError(
      `an attached RestClientV5 speaks to its connector's host, ${clock.baseUrl} (${clock.environment}), by whose clock it signs: leave out baseUrl, testnet, demoTrading and apiRegion, or attach to a connector of that environment, region or baseUrl`,
    );
  }
  return {
    recv_window: clock.recvWindowMs,
    ...options,
    baseUrl: clock.baseUrl,
    // The SDK asks for the offset before each signature, and never by a timer of its own.
    enable_time_sync: false,
    syncTimeBeforePrivateRequests: true,
  };
}

function regionalHost(region: unknown, { environment, baseUrl }: ClientClock): string | undefined {
  if (region === undefined) return baseUrl;
  const { hosts, regions = {} } = BYBIT_PROFILE;
  return region === 'default' ? hosts[environment] : regions[String(region)]?.[environment];
}

/** Whether the SDK's two switches, where they are given, are those of the environment. */
export const isOfEnvironment = (
  { testnet, demoTrading }: { readonly testnet?: unknown; readonly demoTrading?: unknown },
  environment: Environment,
): boolean =>
  (testnet === undefined || Boolean(testnet) === (environment === 'TESTNET')) &&
  (demoTrading === undefined || Boolean(demoTrading) === (environment === 'DEMO'));

/** The calls of one client. */
class Calls {
  readonly #clock: ClientClock;
  readonly #send: unknown;
  readonly #signatures = new RecentSignatures();
  readonly #connections: ForeignConnections;

  /** @param send axios's adapter for them, as the user gave it; undefined: axios's own */
  constructor(clock: ClientClock, send: unknown) {
    this.#clock = clock;
    this.#send = send;
    this.#connections = new ForeignConnections(clock);
  }

  async offset(): Promise<number> {
    const signature = await this.#clock.sign();
    this.#signatures.add(signature);
    return signature.timestampMs - Date.now();
  }

  get recvWindowMs(): number {
    return this.#clock.recvWindowMs;
  }

  /** @param again the same call once more, with at least that window */
  async call(
    send: () => Promise<unknown>,
    again: (recvWindowMs: number) => Promise<unknown> | undefined,
  ): Promise<unknown> {
    let first: Settled;
    try {
      first = { value: await send() };
    } catch (error) {
      first = { error };
    }
    const refusal = takeRefusal(first);
    const healed = refusal && (await this.#clock.heal(refusal));
    if (!healed) return unsettled(first);
    const second = await settled(again(healed.recvWindowMs) ?? send());
    takeRefusal(second);
    return unsettled(second);
  }

  readonly adapter: AxiosAdapter = config => {
    const clock = this.#clock;
    const sentAtMs = clock.now();
    const sentAtWallMs = clock.wall();
    const agentOf = (url: URL) =>
      url.protocol === 'https:' ? (config.httpsAgent ?? httpsAgent) : (config.httpAgent ?? httpAgent);
    if (config.url?.includes('://')) this.#connections.use(sentAtMs, sentAtWallMs, config.url, agentOf);
    const steps = [config.transformResponse ?? []].flat() as Transform[];
    const answered = (
      data: unknown,
      headers: Headers,
      status: number,
      receivedAtMs: number,
      wallMs: number,
    ) =>
      this.#answered(config, data, headers, status, {
        sentAtMs,
        receivedAtMs,
        wallRoundTripMs: wallMs - sentAtWallMs,
      });
    // One for all: before each, axios brings all the headers into their form.
    config.transformResponse = function (this: unknown, body: unknown, headers: Headers, status: number) {
      const receivedAtMs = clock.now();
      const wallMs = clock.wall();
      let data = body;
      for (const step of steps) data = step.call(this, data, headers, status);
      answered(data, headers, status, receivedAtMs, wallMs);
      return data;
    };
    return sendBy(this.#send, config);
  };

  #answered(
    config: AxiosConfig,
    data: unknown,
    headers: Headers,
    status: number,
    { sentAtMs, receivedAtMs, wallRoundTripMs }: Times,
  ): void {
    const body = asObject(data) as Marked | undefined;
    const method = (config.method ?? 'get').toUpperCase();
    const refusal = this.#clock.answered({
      endpoint: `${method} ${pathOf(config.url ?? '')}`,
      status,
      headers,
      body: data,
      message: typeof data === 'string' ? data.slice(0, 1000) : undefined,
      sentAtMs,
      receivedAtMs,
      wallRoundTripMs,
      signed: this.#signedBy(config.headers as Headers | undefined),
    });
    if (!refusal || !body) return;
    if (refusal.retryAfterMs !== undefined) body.retryAfterMs = refusal.retryAfterMs;
    const isUnexecuted = BYBIT_PROFILE.unexecuted.includes(refusal.exchangeCode) || method === 'GET';
    if (refusal.reason === 'timestamp' && refusal.request && isUnexecuted) body[REFUSED] = refusal;
  }

  #signedBy(headers: Headers | undefined): (ClientSignature & { readonly recvWindowMs: number }) | undefined {
    const timestampMs = Number(headers?.['X-BAPI-TIMESTAMP'] ?? Number.NaN);
    const recvWindowMs = Number(headers?.['X-BAPI-RECV-WINDOW'] ?? Number.NaN);
    if (!Number.isFinite(timestampMs) || !Number.isFinite(recvWindowMs)) return undefined;
    const signature = this.#signatures.take(timestampMs);
    if (!signature) return undefined;
    const { signedAtMs, signedAtWallMs } = signature;
    return { timestampMs, signedAtMs, signedAtWallMs, recvWindowMs };
  }
}

type Settled = { readonly value: unknown } | { readonly error: unknown };

const settled = (call: Promise<unknown>): Promise<Settled> =>
  call.then(
    value => ({ value }),
    error => ({ error }),
  );

function unsettled(outcome: Settled): unknown {
  if ('value' in outcome) return outcome.value;
  const error = asObject(outcome.error) as Marked | undefined;
  const waitMs = error && waitOf(error);
  if (error && waitMs !== undefined) error.retryAfterMs = waitMs;
  throw outcome.error;
}

/** How long to wait, of an error of the SDK's for an answer other than 2xx. */
function waitOf({ body, headers }: Marked): number | undefined {
  const told = (asObject(body) as Marked | undefined)?.retryAfterMs;
  if (typeof told === 'number') return told;
  return asObject(headers)
    ? retryAfterMs(BYBIT_PROFILE, 'rate-limit', headers as Headers, '', undefined)
    : undefined;
}

/** As the SDK hands the body on: as the result, as the error (`throwExceptions`), or in an error of its own or axios's. */
function takeRefusal(outcome: Settled): ExchangeError | undefined {
  const told = ('value' in outcome ? outcome.value : outcome.error) as Marked | undefined;
  const response = asObject(asObject(told)?.response) as Marked | undefined;
  for (const each of [told, asObject(told)?.body, response?.data]) {
    const holder = asObject(each) as Marked | undefined;
    const refusal = holder?.[REFUSED];
    if (!holder || !refusal) continue;
    delete holder[REFUSED];
    return refusal as ExchangeError;
  }
  return undefined;
}

/** Of `https://host/path?query`, or of a path alone. */
function pathOf(url: string): string {
  const scheme = url.indexOf('://');
  const from = scheme < 0 ? 0 : url.indexOf('/', scheme + 3);
  const to = url.indexOf('?', from);
  return from < 0 ? '' : url.slice(from, to < 0 ? undefined : to);
}

interface Axios {
  readonly defaults: { readonly adapter: unknown };
  getAdapter(adapter: unknown, config: AxiosConfig): AxiosAdapter;
}
let axios: Axios | undefined;

function sendBy(adapter: unknown, config: AxiosConfig): Promise<AxiosResponse> {
  if (typeof adapter === 'function') return adapter(config);
  // The one that the SDK uses, which need not be at the top of node_modules.
  axios ??= createRequire(createRequire(import.meta.url).resolve('bybit-api'))('axios') as Axios;
  return axios.getAdapter(adapter ?? axios.defaults.adapter, config)(config);
}
