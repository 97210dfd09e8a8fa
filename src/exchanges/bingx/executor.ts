/**
 * The request executor that bingx-api lets its users bring, instead of its own.
 *
 * The SDK's executor knows only the production host, opens a connection per call, sends no recvWindow, and
 * asks an endpoint for its parameters twice, once to send and once to sign, each with its own `Date.now()`:
 * when a millisecond passes in between, the signature is wrong. Here the parameters are read once, the
 * timestamp is ours, and one string is both signed and sent.
 *
 * BingX's documentation disagrees with itself about whether parameters are sorted before they are signed.
 * Sorted, signed and sent in that order, both readings give the same signature.
 *
 * An endpoint whose account has no API key is public: it is sent unsigned. There is one executor a call, so
 * that the reply it keeps is that call's.
 */
import type { AdapterSettings } from '../adapter-options.js';
import type { HttpFailure, HttpReply } from '../http-transport.js';
import { isFailure } from '../http-transport.js';
import { parseJson } from '../json.js';
import type { Sender } from '../living-connection.js';
import {
  type AccountInterface,
  ApiAccount,
  type EndpointInterface,
  type RequestExecutorInterface,
  SignatureParameters,
} from './sdk.js';

/** The account of requests that need none. */
export const ANONYMOUS: AccountInterface = new ApiAccount('', '');

export class OneCallExecutor implements RequestExecutorInterface {
  readonly #settings: AdapterSettings;
  readonly #sender: Sender;
  #outcome: HttpReply | HttpFailure | undefined;

  constructor(settings: AdapterSettings, sender: Sender) {
    this.#settings = settings;
    this.#sender = sender;
  }

  /** What came of the call: the answer as it was sent, or why there is none. */
  get outcome(): HttpReply | HttpFailure {
    return (
      this.#outcome ?? { failure: 'not-sent', code: 'NOT_SENT', problem: 'the SDK did not ask its executor' }
    );
  }

  /** @returns the parsed body, with big integers kept; whether it is what the SDK's types say is not checked */
  async execute<T>(endpoint: EndpointInterface<T>): Promise<T> {
    const apiKey = endpoint.apiKey().asHeader()['X-BX-APIKEY'];
    const isSigned = apiKey !== '';
    const query = isSigned
      ? signedQuery(endpoint, apiKey, this.#settings)
      : queryOf({ ...endpoint.parameters().asRecord(), timestamp: wholeMs(this.#settings.now()) });
    this.#outcome = await this.#sender.send({
      method: endpoint.method().toUpperCase(),
      url: `${this.#settings.baseUrl}${endpoint.path()}?${query}`,
      headers: isSigned ? { 'X-BX-APIKEY': apiKey } : {},
    });
    return (isFailure(this.#outcome) ? undefined : tryParse(this.#outcome.body)) as T;
  }
}

function signedQuery(
  endpoint: EndpointInterface,
  apiKey: string,
  { timestamp, recvWindowMs }: AdapterSettings,
): string {
  const parameters = endpoint.parameters().asRecord();
  const secretKey = endpoint.signature().secretKey();
  const sorted = Object.entries({
    ...parameters,
    recvWindow: String(recvWindowMs),
    timestamp: String(timestamp()),
  })
    .map(([name, value]) => [name, encodeURIComponent(value)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  // The SDK joins what it signs with `=` and `&`, which is how it is sent.
  const signature = new ApiAccount(apiKey, secretKey).sign(
    new SignatureParameters(Object.fromEntries(sorted)),
  );
  return `${sorted.map(([name, value]) => `${name}=${value}`).join('&')}&signature=${signature.toString()}`;
}

const queryOf = (parameters: Record<string, string>) => new URLSearchParams(parameters).toString();
const wholeMs = (ms: number) => String(Math.floor(ms));

function tryParse(body: string): unknown {
  try {
    return parseJson(body);
  } catch {
    // Judged from the outcome, where the status is known too.
    return undefined;
  }
}
