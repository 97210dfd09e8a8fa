/**
 * Requests by `fetch`, which every platform has: Node, Deno, Bun, Workers, browsers.
 *
 * What is safe to repeat is repeated after a failure that may pass (no answer, 429, 503), as often as the settings say and
 * when the service says. Everything here is safe: reads change nothing, and what is recorded carries the id that makes a
 * second append of it no second event. Only jobs are not, and are not repeated.
 */
import { ApiError } from './api-error.js';
import { checkOptions, checkToken, toJson } from './given.js';
import type { Problem } from './types.js';

export interface ClientOptions {
  /** `https://state.example.com`; what lies behind it stays in front of `/v1`. */
  readonly baseUrl: string;
  /** An API key or a JWT; a function is asked before each request, for tokens that end. */
  readonly token?: string | (() => string | Promise<string>) | undefined;
  /** Default: the platform's. */
  readonly fetch?: typeof fetch | undefined;
  /** Of one attempt, milliseconds. Default 5 000. */
  readonly timeoutMs?: number | undefined;
  /** Attempts after the first. Default 2. */
  readonly retries?: number | undefined;
  /** This process's clock, epoch milliseconds with a fraction. Default: `performance`'s, which does not step. */
  readonly now?: (() => number) | undefined;
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Call {
  readonly method?: 'GET' | 'POST';
  readonly query?: Query | undefined;
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
  /** Default true. */
  readonly repeatable?: boolean;
}

/** An answer with the times that bound it, by this process's clock. */
export interface Timed<T> {
  readonly body: T;
  readonly sentAtMs: number;
  readonly receivedAtMs: number;
}

const TIMEOUT_MS = 5_000;
const RETRIES = 2;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

export class Transport {
  readonly #options: ClientOptions;
  readonly #base: string;
  readonly now: () => number;

  constructor(options: ClientOptions) {
    this.#base = checkOptions(options);
    this.#options = options;
    this.now = options.now ?? (() => performance.timeOrigin + performance.now());
  }

  /** @throws ApiError; the signal's reason */
  async ask<T>(path: string, call: Call = {}): Promise<T> {
    return (await this.timed<T>(path, call)).body;
  }

  /** @throws ApiError; the signal's reason */
  async timed<T>(path: string, call: Call = {}): Promise<Timed<T>> {
    const retries = call.repeatable === false ? 0 : (this.#options.retries ?? RETRIES);
    const body = call.body === undefined ? undefined : toJson(call.body);
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#once<T>(path, call, body);
      } catch (error) {
        call.signal?.throwIfAborted();
        if (!(error instanceof ApiError) || attempt >= retries || !isPassing(error)) throw error;
        const pauseMs = error.retryAfterMs ?? FIRST_PAUSE_MS * 2 ** attempt;
        if (pauseMs > LONGEST_PAUSE_MS) throw error;
        await pause(pauseMs, call.signal);
      }
    }
  }

  async #once<T>(
    path: string,
    { method = 'GET', query = {}, signal }: Call,
    body: string | undefined,
  ): Promise<Timed<T>> {
    const { timeoutMs = TIMEOUT_MS, fetch: send = fetch } = this.#options;
    const headers = await this.#headers(body !== undefined);
    const limit = AbortSignal.timeout(timeoutMs);
    const url = `${this.#base}${path}${queryOf(query)}`;
    try {
      const sentAtMs = this.now();
      const response = await send(url, {
        method,
        headers,
        // A token is not for whoever a redirect names. (Workers know no 'error' here, and no `cache`: the nonce of what must
        // not come out of one is new each time.)
        redirect: 'manual',
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
        ...(body !== undefined && { body }),
      });
      const receivedAtMs = this.now();
      const answer: unknown = await response.json().catch(() => undefined);
      if (!response.ok) throw refusalOf(response, answer);
      if (answer === undefined)
        throw new ApiError(response.status, 'BAD_ANSWER', `${url} did not answer with JSON`);
      return { body: answer as T, sentAtMs, receivedAtMs };
    } catch (error) {
      if (error instanceof ApiError) throw error;
      signal?.throwIfAborted();
      const why = limit.aborted
        ? `no answer within ${timeoutMs} ms`
        : `it cannot be reached${causeOf(error)}: start the service there, or correct baseUrl`;
      throw new ApiError(0, 'UNREACHABLE', `${this.#base}: ${why}`, { cause: error });
    }
  }

  async #headers(hasBody: boolean): Promise<Record<string, string>> {
    const { token } = this.#options;
    const given = typeof token === 'function' ? await token() : token;
    // What a platform says of a header that is none repeats it.
    if (given !== undefined) checkToken(given);
    return {
      accept: 'application/json',
      ...(hasBody && { 'content-type': 'application/json' }),
      ...(given !== undefined && { authorization: `Bearer ${given}` }),
    };
  }
}

const isPassing = ({ code, status }: ApiError) => code !== 'INVALID_INPUT' && [0, 429, 503].includes(status);

function refusalOf(response: Response, answer: unknown): ApiError {
  const problem = isProblem(answer) ? answer : undefined;
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  return new ApiError(
    response.status,
    problem?.code ?? 'BAD_ANSWER',
    problem?.detail ?? `HTTP ${response.status}`,
    {
      problem,
      retryAfterMs: Number.isFinite(seconds) ? seconds * 1_000 : undefined,
    },
  );
}

const isProblem = (answer: unknown): answer is Problem =>
  typeof answer === 'object' && answer !== null && typeof (answer as Problem).code === 'string';

function queryOf(query: Query): string {
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)] as [string, string]],
  );
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
}

/** The network's code alone: what a platform says of a failed request may repeat its headers. */
function causeOf(error: unknown): string {
  const { code } = ((error as Error | undefined)?.cause ?? {}) as { readonly code?: unknown };
  return typeof code === 'string' && /^[A-Z][A-Z_]{2,40}$/.test(code) ? ` (${code})` : '';
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(done, ms);
    function done() {
      signal?.removeEventListener('abort', abort);
      resolve();
    }
    function abort() {
      clearTimeout(timer);
      reject(signal?.reason);
    }
    signal?.addEventListener('abort', abort, { once: true });
  });
}
