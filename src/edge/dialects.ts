/**
 * How Bybit and BingX are spoken to with nothing but `fetch` and Web Crypto: where they are, how a request is signed, what
 * an answer says of the clock. The SDKs need Node.
 */

import { BINGX_PROFILE } from '../exchanges/bingx/profile.js';
import { BYBIT_PROFILE } from '../exchanges/bybit/profile.js';
import type { ExchangeProfile } from '../exchanges/exchange-profile.js';
import { reasonOf } from '../exchanges/refusal-rules.js';

export interface RequestParts {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** JSON; undefined: none. */
  readonly body: string | undefined;
}

export interface SigningParts {
  readonly apiKey: string;
  readonly timestampMs: number;
  readonly recvWindowMs: number;
  /** HMAC-SHA-256 with the API secret, in hexadecimal. */
  hmac(message: string): Promise<string>;
}

export interface WireRequest {
  /** With the query, from the path on. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

export interface Dialect {
  readonly baseUrls: Readonly<Record<string, string>>;
  /** The public call that tells the time. */
  readonly timePath: string;
  /** The exchange's time in the answer to that call, milliseconds; NaN where it is not told. */
  timeIn(answer: Answer): number;
  /** The judging clock's stamp in any other answer; NaN where it is not told. */
  stampIn(answer: Answer): number;
  sign(request: RequestParts, signing: SigningParts): Promise<WireRequest>;
  /** The exchange executed the request. */
  isAccepted(answer: Answer): boolean;
  /**
   * It was refused for its timestamp, so surely not executed.
   * @param isRead the request changes nothing: codes that mean more than one thing may be taken for the timestamp
   */
  isRefusedForTime(answer: Answer, status: number, isRead: boolean): boolean;
}

/** The envelope around an answer, `{}` when it was none. */
export type Answer = Readonly<Record<string, unknown>>;

const stamp = (value: unknown): number => (typeof value === 'number' ? value : Number.NaN);
const queryOf = (query: Readonly<Record<string, string>>): string =>
  Object.entries(query)
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .join('&');
const withQuery = (path: string, query: string): string => (query === '' ? path : `${path}?${query}`);

const BYBIT: Dialect = {
  baseUrls: BYBIT_PROFILE.hosts,
  timePath: '/v5/market/time',
  timeIn: ({ result }) => Number((Object(result) as { timeNano?: string }).timeNano ?? Number.NaN) / 1e6,
  stampIn: ({ time }) => stamp(time),
  isAccepted: ({ retCode }) => retCode === 0,
  isRefusedForTime({ retCode, retMsg }, status, isRead) {
    return isForTime(BYBIT_PROFILE, { code: retCode, message: retMsg }, status, isRead);
  },
  async sign({ path, query, body }, { apiKey, timestampMs, recvWindowMs, hmac }) {
    const queryText = queryOf(query);
    const signature = await hmac(`${timestampMs}${apiKey}${recvWindowMs}${body ?? queryText}`);
    const headers = {
      'X-BAPI-API-KEY': apiKey,
      'X-BAPI-TIMESTAMP': String(timestampMs),
      'X-BAPI-RECV-WINDOW': String(recvWindowMs),
      'X-BAPI-SIGN': signature,
    };
    return { target: withQuery(path, queryText), headers, body };
  },
};

const BINGX: Dialect = {
  baseUrls: BINGX_PROFILE.hosts,
  timePath: '/openApi/swap/v2/server/time',
  timeIn: ({ data }) => stamp((Object(data) as { serverTime?: unknown }).serverTime),
  stampIn: ({ timestamp }) => stamp(timestamp),
  isAccepted: ({ code }) => code === 0,
  isRefusedForTime({ code, msg }, status, isRead) {
    return isForTime(BINGX_PROFILE, { code, message: msg }, status, isRead);
  },
  /** Everything travels in the query, sorted, so that both readings of BingX's documentation give one signature. */
  async sign({ path, query, body }, { apiKey, timestampMs, recvWindowMs, hmac }) {
    const times = { timestamp: String(timestampMs), recvWindow: String(recvWindowMs) };
    const all = Object.entries({ ...query, ...fieldsOf(body), ...times }).sort(([a], [b]) =>
      a < b ? -1 : 1,
    );
    const text = queryOf(Object.fromEntries(all));
    const target = withQuery(path, `${text}&signature=${await hmac(text)}`);
    return { target, headers: { 'X-BX-APIKEY': apiKey }, body: undefined };
  },
};

function isForTime(
  profile: ExchangeProfile,
  told: { readonly code: unknown; readonly message: unknown },
  status: number,
  isRead: boolean,
): boolean {
  const code = Number.isInteger(told.code) ? String(told.code) : undefined;
  if (reasonOf(profile, code, String(told.message), status) !== 'timestamp') return false;
  return isRead || profile.unexecuted.includes(code ?? '');
}

function fieldsOf(body: string | undefined): Record<string, string> {
  if (body === undefined) return {};
  const fields = Object.entries(JSON.parse(body) as Record<string, unknown>);
  return Object.fromEntries(
    fields.map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
}

export const DIALECTS: Readonly<Record<string, Dialect>> = { BYBIT, BINGX };
