/**
 * A class of bingx-api's account stream that fetches its listen key by an executor of ours, which is all that a stream has
 * signed. The SDK takes executor and address in its constructor, for which it was made.
 *
 * Two things of the SDK's have to be lived with. It never extends a listen key, which lasts an hour: so the subclass can
 * (`keepAlive()`). And where no key can be had it says so to nobody but stderr, with the account it was given, secret
 * included: so it is given one that shows the reason and nothing else.
 */
import { inspect } from 'node:util';
import { ConnectorStateError } from '../../base/errors.js';
import { BINGX_PROFILE } from './profile.js';
import {
  type AccountInterface,
  DefaultSignatureParameters,
  Endpoint,
  type EndpointInterface,
  type RequestExecutorInterface,
} from './sdk.js';

export interface BingxStream {
  disconnect(): void;
}

/** `BingxAccountSocketStream`, or a subclass. */
// biome-ignore lint/suspicious/noExplicitAny: a mixin's base must be declared so.
export type BingxStreamClass = new (...args: any[]) => BingxStream;

/** The same class, whose listen key can be extended. */
export type AttachedBingxStream<C extends BingxStreamClass> = {
  new (...args: ConstructorParameters<C>): InstanceType<C> & KeptAlive;
} & C;

export interface KeptAlive {
  /**
   * Extends the listen key to an hour from now.
   * @throws ExchangeError when it has ended, or the exchange cannot be asked; ConnectorStateError `CLOSED` while there is none
   */
  keepAlive(): Promise<void>;
}

/** Of the market's stream, which has nothing signed, the SDK's class has the same methods and one more. */
export function isBingxStream(Client: unknown): Client is BingxStreamClass {
  const prototype = typeof Client === 'function' ? (Client.prototype as object | undefined) : undefined;
  return prototype !== undefined && 'disconnect' in prototype && !('subscribe' in prototype);
}

export function attachedBingxStream<C extends BingxStreamClass>(
  Stream: C,
  executor: RequestExecutorInterface,
  baseUrl: string,
): AttachedBingxStream<C> {
  class Attached extends Stream {
    readonly #keys: ListenKeyExecutor;

    // biome-ignore lint/suspicious/noExplicitAny: a mixin's constructor must be declared so.
    constructor(...args: any[]) {
      const [account, { url = streamUrl(baseUrl), ...configuration } = {}, ...rest] = args;
      const keys = new ListenKeyExecutor(executor, account);
      // The SDK writes the listen key into the URL: each stream has one of its own.
      super(
        keys.account,
        { ...configuration, url: new URL(url as string | URL), requestExecutor: keys },
        ...rest,
      );
      this.#keys = keys;
    }

    keepAlive(): Promise<void> {
      return this.#keys.extend();
    }
  }
  Object.defineProperty(Attached, 'name', { value: Stream.name });
  return Attached as unknown as AttachedBingxStream<C>;
}

const HOSTS = [
  [BINGX_PROFILE.hosts.MAINNET, 'wss://open-api-swap.bingx.com'],
  [BINGX_PROFILE.hosts.DEMO, 'wss://vst-open-api-ws.bingx.com'],
];

function streamUrl(baseUrl: string): URL {
  const host = HOSTS.find(([rest]) => rest === baseUrl)?.[1] ?? baseUrl.replace(/^http/, 'ws');
  return new URL('/swap-market', host);
}

/** Remembers the stream's listen key, and why it has none. */
class ListenKeyExecutor implements RequestExecutorInterface {
  readonly account: AccountInterface;
  readonly #executor: RequestExecutorInterface;
  readonly #real: AccountInterface;
  #listenKey: string | undefined;
  #problem = 'no listen key yet';

  constructor(executor: RequestExecutorInterface, real: AccountInterface) {
    this.#executor = executor;
    this.#real = real;
    this.account = {
      getApiKey: () => real.getApiKey(),
      sign: parameters => real.sign(parameters),
      [inspect.custom]: () => this.#problem,
    } as AccountInterface;
  }

  async execute<T>(endpoint: EndpointInterface<T>): Promise<T> {
    try {
      const answer = await this.#executor.execute(endpoint);
      this.#listenKey = listenKeyOf(answer);
      return answer;
    } catch (error) {
      this.#problem = (error as Error).message;
      throw error;
    }
  }

  async extend(): Promise<void> {
    if (this.#listenKey === undefined) {
      throw new ConnectorStateError('CLOSED', `the stream has no listen key: ${this.#problem}`);
    }
    await this.#executor.execute(new ExtendListenKey(this.#listenKey, this.#real));
  }
}

/** Without one the SDK would open a stream by the key `undefined`. */
function listenKeyOf(answer: unknown): string {
  const { listenKey } = Object(answer) as Record<string, unknown>;
  if (typeof listenKey === 'string' && listenKey !== '') return listenKey;
  throw new ConnectorStateError(
    'EXCHANGE_BAD_RESPONSE',
    'BINGX answered the request for a listen key without one: check baseUrl, and whether the exchange changed its API',
  );
}

/** As the SDK's own of that name, which loads all of the SDK. */
class ExtendListenKey extends Endpoint implements EndpointInterface<void> {
  declare readonly t: undefined;
  readonly #listenKey: string;

  constructor(listenKey: string, account: AccountInterface) {
    super(account);
    this.#listenKey = listenKey;
  }

  method() {
    return 'put' as const;
  }

  path() {
    return '/openApi/user/auth/userDataStream';
  }

  parameters() {
    return new DefaultSignatureParameters({ listenKey: this.#listenKey });
  }
}
