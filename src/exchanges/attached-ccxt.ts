/**
 * A class of ccxt's (`ccxt.bybit`, `ccxt.okx`, of `ccxt` or `ccxt.pro`) that goes by a connector's clock.
 *
 *   `fetch2`         before a private request the clock is measured where that is needed; one that was refused for its
 *                    timestamp is signed and sent once more
 *   `sign`, `nonce`  the timestamp, made as the request is signed, behind ccxt's own queue
 *   `handleErrors`   every answer passes here, parsed: it is evidence
 *   `milliseconds`, `seconds`
 *                    the exchange's time, which ccxt.pro signs its logins and orders by: Bybit's by the one, OKX's and
 *                    Bitget's by the other
 *   `handlePong`     stamped by the host's clock all the same: by that one ccxt judges whether a socket is alive
 *
 * What a refusal means is told by the exchange's own code. ccxt's class of error does not tell it: BingX's refused
 * timestamp is a `BadSymbol` there. ccxt's own offset (`timeDifference`) is not used; it is taken once, ignores the
 * way of the answer, and BingX's requests ignore it.
 *
 * ccxt hands nothing through from a signature to its answer but the request, so the signature is found again by the
 * timestamp in that; and the refusal from the error that it became. As the moment at which a request was sent counts
 * that at which it was signed: there is nothing to wait for between the two.
 */
import { InvalidInputError } from '../base/errors.js';
import type { ClientClock, ClientSignature } from './client-clock.js';
import type { ExchangeError } from './exchange-adapter.js';
import type { ExchangeProfile, RequestField, RequestStampFormat } from './exchange-profile.js';
import { asObject } from './json.js';
import { RecentSignatures } from './recent-signatures.js';
import { RESOLUTION_MS } from './stamp-place.js';

interface SignedRequest {
  readonly url: string;
  readonly method: string;
  readonly body?: unknown;
  readonly headers?: unknown;
}

/** What is used of an exchange of ccxt's, of whichever version and copy. */
export interface CcxtExchange {
  readonly id: string;
  nonce(): number;
  milliseconds(): number;
  seconds(): number;
  // biome-ignore-start lint/suspicious/noExplicitAny: ccxt has types of its own for what these take.
  sign(...args: any[]): any;
  fetch2(...args: any[]): Promise<any>;
  handleErrors(...args: any[]): any;
  /** Of ccxt.pro alone. */
  handlePong?(client: any, message: any): any;
  // biome-ignore-end lint/suspicious/noExplicitAny: see above
}

// biome-ignore lint/suspicious/noExplicitAny: a mixin's base must be declared so.
export type CcxtClass = new (...args: any[]) => CcxtExchange;

/** @param Exchange a class of ccxt's, or a subclass */
export function attachedCcxt<C extends CcxtClass>(
  Exchange: C,
  clock: ClientClock,
  profile: ExchangeProfile,
): C {
  const { ccxt, unexecuted, request: fields } = profile;
  const { id, signs = /private/i } = ccxt;
  const isPrivate = (api: unknown): boolean => signs.test([api].flat().join(' '));
  const signatures = new RecentSignatures(RESOLUTION_MS[fields.stamp.format]);
  const refusals = new WeakMap<object, ExchangeError>();
  /** The parameters of calls that were late, and the window they are sent with once more. */
  const windows = new WeakMap<object, number>();
  // `sign` waits for nothing, so one for the class is enough.
  let isSigning = false;

  class Attached extends Exchange {
    readonly #hostNow: () => number;

    // biome-ignore lint/suspicious/noExplicitAny: a mixin's constructor must be declared so.
    constructor(...args: any[]) {
      super(...args);
      // They are fields there, no methods, and neither goes by the other.
      const { milliseconds } = this;
      this.#hostNow = () => milliseconds.call(this);
      this.milliseconds = () => clock.knownNow() ?? this.#hostNow();
      this.seconds = () => Math.floor(this.milliseconds() / 1000);
      if (this.id !== id) {
        throw new InvalidInputError(
          `attach() of this connector needs ccxt's class ${id}, got that of ${String(this.id)}`,
        );
      }
    }

    override handlePong(client: { lastPong?: number }, message: unknown): unknown {
      const handled = super.handlePong?.(client, message);
      client.lastPong = this.#hostNow();
      return handled;
    }

    override nonce(): number {
      if (!isSigning) return super.nonce();
      const signature = clock.signNow();
      signatures.add(signature);
      return signature.timestampMs;
    }

    override sign(...args: unknown[]): SignedRequest {
      isSigning = isPrivate(args[1]);
      try {
        const recvWindowMs = windows.get(Object(args[3]));
        const request: SignedRequest =
          recvWindowMs === undefined ? super.sign(...args) : this.#signWith(recvWindowMs, args);
        if (isSigning) checkHost(request.url, clock);
        return request;
      } finally {
        isSigning = false;
      }
    }

    /** ccxt takes the window from its options, or as a parameter like any other. */
    #signWith(recvWindowMs: number, args: readonly unknown[]): SignedRequest {
      const { options = {} } = this as { options?: Record<string, unknown> };
      const { recvWindow: own } = options;
      const [path, api, method, params, ...rest] = args;
      const field = fields.window?.in === 'query' ? { [fields.window.name]: recvWindowMs } : {};
      options.recvWindow = recvWindowMs;
      try {
        return super.sign(path, api, method, { ...asObject(params), ...field }, ...rest);
      } finally {
        options.recvWindow = own;
      }
    }

    override async fetch2(...args: unknown[]): Promise<unknown> {
      if (!isPrivate(args[1])) return super.fetch2(...args);
      await clock.sign();
      try {
        return await super.fetch2(...args);
      } catch (error) {
        const refusal = asObject(error) && refusals.get(error as object);
        const healed = refusal && (await clock.heal(refusal));
        if (!healed) throw error;
        const [path, api, method, params, ...rest] = args;
        const again = { ...asObject(params) };
        if (fields.window && healed.recvWindowMs > (refusal.request?.recvWindowMs ?? 0)) {
          windows.set(again, healed.recvWindowMs);
        }
        return super.fetch2(path, api, method, Array.isArray(params) ? params : again, ...rest);
      }
    }

    override handleErrors(...args: unknown[]): unknown {
      const refusal = answered(args);
      const method = String(args[3]);
      try {
        return super.handleErrors(...args);
      } catch (error) {
        if (refusal && typeof error === 'object' && error !== null) {
          const { exchangeCode, reason, request, retryAfterMs } = refusal;
          const isUnexecuted = unexecuted.includes(exchangeCode) || method === 'GET';
          if (reason === 'timestamp' && request && isUnexecuted) refusals.set(error, refusal);
          if (retryAfterMs !== undefined) Object.assign(error, { retryAfterMs });
        }
        throw error;
      }
    }
  }
  Object.defineProperty(Attached, 'name', { value: Exchange.name });
  return Attached;

  function answered(args: readonly unknown[]): ExchangeError | undefined {
    const [status, , url, method, headers, text, parsed, requestHeaders, requestBody] = args;
    const signed = signedBy(String(url), requestHeaders, requestBody);
    // Of a public request it is not known when it was sent.
    if (!signed) return undefined;
    const receivedAtMs = clock.now();
    return clock.answered({
      endpoint: `${method} ${String(url)
        .replace(/^[a-z]+:\/\/[^/]+/i, '')
        .replace(/\?.*$/s, '')}`,
      status: Number(status),
      headers: lowerCased(headers),
      body: parsed,
      ...(typeof parsed !== 'object' && { message: String(text ?? '').slice(0, 1000) }),
      sentAtMs: signed.signedAtMs,
      receivedAtMs,
      wallRoundTripMs: clock.wall() - signed.signedAtWallMs,
      signed,
    });
  }

  function signedBy(
    url: string,
    requestHeaders: unknown,
    requestBody: unknown,
  ): (ClientSignature & { readonly recvWindowMs: number }) | undefined {
    const held = (field: RequestField) => heldBy(field, url, asObject(requestHeaders) ?? {}, requestBody);
    const timestampMs = momentOf(fields.stamp.format, held(fields.stamp));
    const signature = signatures.take(timestampMs);
    // Where a request says nothing of its window, the exchange's own holds.
    const recvWindowMs = Number((fields.window && held(fields.window)) ?? profile.window.defaultMs);
    return signature && { ...signature, timestampMs, recvWindowMs };
  }
}

/** What a request holds in its headers, or in its query, form or JSON body. */
function heldBy(
  field: RequestField,
  url: string,
  headers: Readonly<Record<string, unknown>>,
  body: unknown,
): string | undefined {
  if (field.in === 'header')
    return headers[field.name] === undefined ? undefined : String(headers[field.name]);
  const pattern = new RegExp(`(?:[?&]|"|^)${field.name}(?:=|":"?)(\\d+)`);
  const texts = [url, typeof body === 'string' ? body : ''];
  return texts.map(text => pattern.exec(text)?.[1]).find(Boolean);
}

function momentOf(format: RequestStampFormat, held: string | undefined): number {
  if (held === undefined) return Number.NaN;
  if (format === 'iso') return Date.parse(held);
  return Number(held) * RESOLUTION_MS[format];
}

/** @throws InvalidInputError before anything is sent */
function checkHost(url: string, clock: ClientClock): void {
  if (url.startsWith(`${clock.baseUrl}/`)) return;
  throw new InvalidInputError(
    `an attached exchange of ccxt's speaks to its connector's host, ${clock.baseUrl}, by whose clock it signs, and not to ${new URL(url).origin}: set urls.api, hostname or the sandbox mode, or attach to a connector with that baseUrl`,
  );
}

function lowerCased(headers: unknown): Record<string, string> {
  const entries = Object.entries(asObject(headers) ?? {});
  return Object.fromEntries(entries.map(([name, value]) => [name.toLowerCase(), String(value)]));
}
