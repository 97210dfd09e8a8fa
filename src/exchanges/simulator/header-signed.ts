/**
 * What OKX, Bitget and KuCoin have in common: key, passphrase, timestamp and signature in headers, the signature an
 * HMAC-SHA256 in Base64 over `timestamp + method + path with query + body`, and `{code, msg, data}` around the answer.
 * They differ in the headers' names, in how the timestamp is written, in the codes and what their answers tell.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { ExchangeProfile } from '../exchange-profile.js';
import {
  type Answer,
  type Dialect,
  type Endpoint,
  header,
  type ReceivedRequest,
  type World,
  wholeNumber,
} from './dialect.js';
import { judgeTimestamp } from './profile-window.js';

/** Of every account, on the exchanges that want one. */
export const PASSPHRASE = 'simulated passphrase';

/** A code of the exchange's, its HTTP status and its words. */
export type Words = readonly [code: string, status: number, message: string];

export interface HeaderSigned {
  readonly profile: ExchangeProfile;
  readonly headers: Readonly<Record<'key' | 'stamp' | 'sign' | 'passphrase', string>>;
  readonly yes: string;
  readonly refusals: Readonly<
    Record<
      'missing' | 'malformed' | 'window' | 'key' | 'passphrase' | 'signature' | 'limit' | 'busy' | 'params',
      Words
    >
  >;
  /** As it is sent. */
  readonly passphraseOf?: (secret: string) => string;
  /** Beside code, message and content. */
  readonly around?: (world: World) => Readonly<Record<string, unknown>>;
  readonly allowanceHeaders?: Dialect['allowanceHeaders'];
  readonly time: { readonly path: string; readonly content: (world: World) => unknown };
  readonly verify: { readonly path: string; readonly content: (request: ReceivedRequest) => unknown };
  readonly order: {
    readonly path: string;
    readonly fields: readonly [symbol: string, side: string, clientOrderId: string];
    readonly content: (world: World, clientOrderId: string) => unknown;
    /** Beside `around`. */
    readonly around?: (world: World) => Readonly<Record<string, unknown>>;
  };
  readonly withTime: Dialect['withTime'];
}

export function headerSigned(rules: HeaderSigned): Dialect {
  const { profile, headers, refusals, around = () => ({}), allowanceHeaders = () => ({}) } = rules;

  const accept = (data: unknown, world: World): Answer => ({
    status: 200,
    code: 0,
    body: { code: rules.yes, msg: '', data, ...around(world) },
  });
  const say = ([code, status, msg]: Words, world: World, message = msg): Answer => ({
    status,
    code: Number(code),
    body: { code, msg: message, data: null, ...around(world) },
  });
  const stampOf = (request: ReceivedRequest): number | undefined => {
    const text = header(request, headers.stamp);
    if (profile.request.stamp.format !== 'iso') return wholeNumber(text);
    const isIso = text !== undefined && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(text);
    return isIso ? Date.parse(text) : undefined;
  };

  function authenticate(request: ReceivedRequest, world: World): Answer | undefined {
    const apiKey = header(request, headers.key);
    const timestamp = header(request, headers.stamp);
    const signature = header(request, headers.sign);
    const passphrase = header(request, headers.passphrase);
    if (!apiKey || !timestamp || !signature || !passphrase) return say(refusals.missing, world);
    const timestampMs = stampOf(request);
    if (timestampMs === undefined) return say(refusals.malformed, world);
    const verdict = judgeTimestamp(profile.window, timestampMs, undefined, world.serverTimeMs);
    if (verdict !== 'accepted') return say(refusals.window, world);
    const secret = world.accounts.get(apiKey);
    if (secret === undefined) return say(refusals.key, world);
    if (passphrase !== (rules.passphraseOf?.(secret) ?? PASSPHRASE)) return say(refusals.passphrase, world);
    const query = request.rawQuery === '' ? '' : `?${request.rawQuery}`;
    const signed = `${timestamp}${request.method}${request.path}${query}${request.body}`;
    return isBase64SignatureOf(signed, secret, signature) ? undefined : say(refusals.signature, world);
  }

  function createOrder(request: ReceivedRequest, world: World): Answer {
    let order: Readonly<Record<string, unknown>> = {};
    try {
      order = Object(JSON.parse(request.body));
    } catch {
      // Then no field is there.
    }
    const [symbolField, sideField, idField] = rules.order.fields;
    const { [symbolField]: symbol, [sideField]: side, [idField]: clientOrderId = '' } = order;
    for (const [name, value] of [
      [symbolField, symbol],
      [sideField, side],
      [idField, clientOrderId],
    ]) {
      if (typeof value !== 'string') return say(refusals.params, world, `Parameter ${name} error`);
    }
    const answer = accept(rules.order.content(world, String(clientOrderId)), world);
    return {
      ...answer,
      body: { ...(answer.body as Record<string, unknown>), ...rules.order.around?.(world) },
      executed: { symbol: String(symbol), side: String(side), clientOrderId: String(clientOrderId) },
    };
  }

  const endpoints: Record<string, Endpoint> = {
    [rules.time.path]: { route: 'time', answer: (_, world) => accept(rules.time.content(world), world) },
    [rules.verify.path]: {
      route: 'verify',
      answer: (request, world) =>
        authenticate(request, world) ?? accept(rules.verify.content(request), world),
    },
    [rules.order.path]: {
      route: 'order',
      method: 'POST',
      answer: (request, world) => authenticate(request, world) ?? createOrder(request, world),
    },
  };
  const known = Object.values(refusals);
  return {
    exchange: profile.name,
    endpoints,
    refuse: (code, message, world) =>
      say(known.find(([each]) => each === String(code)) ?? [String(code), 400, ''], world, message),
    rateLimited: (allowance, world) => ({
      ...say(refusals.limit, world),
      headers: allowanceHeaders(allowance, world),
    }),
    busy: world => say(refusals.busy, world),
    allowanceHeaders,
    apiKeyOf: request => header(request, headers.key),
    timestampOf: stampOf,
    withTime: rules.withTime,
  };
}

export const base64Hmac = (message: string, secret: string): string =>
  createHmac('sha256', secret).update(message).digest('base64');

function isBase64SignatureOf(message: string, secret: string, signature: string): boolean {
  const expected = Buffer.from(base64Hmac(message, secret));
  const given = Buffer.from(signature);
  return given.length === expected.length && timingSafeEqual(given, expected);
}
