/**
 * What an attached `BingxApiClient` sends its requests by, in place of the SDK's own executor (see executor.ts for what
 * is wrong with that): the connector's host and connections, the connector's clock, one reading of it a request.
 *
 * What the SDK's executor would resolve to this one resolves to as well: the body, also one that says no. Where it would
 * reject with an error of axios's, which holds the API key and the signature, this one rejects with an `ExchangeError`.
 */
import type { AdapterSettings } from '../adapter-options.js';
import type { ClientClock, ClientSignature } from '../client-clock.js';
import type { ExchangeError } from '../exchange-adapter.js';
import { badResponse, type RequestContext, unreachable } from '../failures.js';
import { type HttpReply, type HttpTransport, isFailure } from '../http-transport.js';
import { asObject } from '../json.js';
import { onLivingConnection } from '../living-connection.js';
import type { Redactor } from '../redact.js';
import { OneCallExecutor } from './executor.js';
import { BINGX_PROFILE } from './profile.js';
import type { EndpointInterface, RequestExecutorInterface } from './sdk.js';

export interface AttachedParts {
  readonly settings: AdapterSettings;
  readonly transport: HttpTransport;
  readonly redact: Redactor;
  /** Also those that come with HTTP 200, which the SDK's own resolves to. */
  readonly rejectsRefusals?: boolean;
}

interface Attempt {
  readonly settle: () => unknown;
  /** For its timestamp, and surely not executed. */
  readonly refusal?: ExchangeError | undefined;
}

/** How each attempt came to its reply: the signature, and the body as it was parsed. */
interface Made {
  readonly signature: ClientSignature | undefined;
  readonly body: unknown;
}

export class AttachedExecutor implements RequestExecutorInterface {
  readonly #parts: AttachedParts;
  readonly #clock: ClientClock;

  constructor(parts: AttachedParts, clock: ClientClock) {
    this.#parts = parts;
    this.#clock = clock;
  }

  /** @throws ExchangeError; ConnectorStateError `CLOSED`, ClockUncertainError `CLOCK_UNCERTAIN` */
  async execute<T>(endpoint: EndpointInterface<T>): Promise<T> {
    const first = await this.#attempt(endpoint, this.#parts.settings.recvWindowMs);
    const healed = first.refusal && (await this.#clock.heal(first.refusal));
    const last = healed ? await this.#attempt(endpoint, healed.recvWindowMs) : first;
    return last.settle() as T;
  }

  async #attempt(endpoint: EndpointInterface, recvWindowMs: number): Promise<Attempt> {
    const { transport, redact } = this.#parts;
    const settings = { ...this.#parts.settings, recvWindowMs };
    const method = endpoint.method().toUpperCase();
    const name = `${method} ${endpoint.path()}`;
    const isSigned = endpoint.apiKey().asHeader()['X-BX-APIKEY'] !== '';
    const made = new WeakMap<HttpReply, Made>();
    const outcome = await onLivingConnection(transport, async sender => {
      const signature = isSigned ? await this.#clock.sign() : undefined;
      const timestamp = () => (signature as ClientSignature).timestampMs;
      const executor = new OneCallExecutor({ ...settings, timestamp }, sender);
      const body: unknown = await executor.execute(endpoint);
      if (!isFailure(executor.outcome)) made.set(executor.outcome, { signature, body });
      return executor.outcome;
    });
    const context = { exchange: 'BINGX', endpoint: name, timeoutMs: settings.timeoutMs, redact } as const;
    if (isFailure(outcome)) return failing(unreachable(context, outcome));
    return this.#judge(context, method, outcome, recvWindowMs, made.get(outcome) as Made);
  }

  #judge(
    context: RequestContext,
    method: string,
    reply: HttpReply,
    recvWindowMs: number,
    { signature, body }: Made,
  ): Attempt {
    const envelope = asObject(body) as Record<string, unknown> | undefined;
    const text = envelope?.msg;
    const { status, headers, sentAtMs, receivedAtMs } = reply;
    const refusal = this.#clock.answered({
      endpoint: context.endpoint,
      status,
      headers,
      body,
      message: context.redact(typeof text === 'string' ? text : reply.body.slice(0, 1000)),
      sentAtMs,
      receivedAtMs,
      wallRoundTripMs: reply.wallRoundTripMs ?? receivedAtMs - sentAtMs,
      signed: signature && { ...signature, recvWindowMs },
    });
    const isOk = status >= 200 && status < 300;
    // A listen key is extended by an answer without a word: whoever changes something need not be told anything.
    const isWordless = isOk && method !== 'GET' && reply.body.trim() === '';
    if (!envelope && isOk && !isWordless) {
      return failing(badResponse(context, status, 'something that is not a BingX envelope'));
    }
    if (envelope && refusal?.retryAfterMs !== undefined) envelope.retryAfterMs = refusal.retryAfterMs;
    const isUnexecuted = method === 'GET' || BINGX_PROFILE.unexecuted.includes(refusal?.exchangeCode ?? '');
    const isToBeHealed = refusal?.reason === 'timestamp' && refusal.request !== undefined && isUnexecuted;
    const isRejected = this.#parts.rejectsRefusals === true && envelope?.code !== undefined;
    return {
      settle: () => {
        if (refusal && (!isOk || isRejected)) throw refusal;
        return body;
      },
      refusal: isToBeHealed ? refusal : undefined,
    };
  }
}

const failing = (error: ExchangeError): Attempt => ({
  settle: () => {
    throw error;
  },
});
