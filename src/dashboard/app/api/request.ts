/** Requests to the service, and what can go wrong with them as one type that pages can show. */
import { hearTime } from '../state/service-time.js';
import { authorization } from '../state/session.js';

/** Where the API begins, as the server that sent the page says. */
const base = new URL(
  document.querySelector<HTMLMetaElement>('meta[name=connector-state-api]')?.content ?? '/',
  document.baseURI,
);

export type FailureKind =
  | 'unauthenticated'
  | 'forbidden'
  | 'not-found'
  | 'unavailable'
  | 'unreachable'
  | 'refused';

/** What the service answered in place of data, or that it did not answer. */
export class RequestFailure extends Error {
  override readonly name = 'RequestFailure';
  constructor(
    readonly kind: FailureKind,
    message: string,
    /** The stable code of docs/errors.md, where the service gave one. */
    readonly code?: string,
    readonly retryAfterMs?: number,
  ) {
    super(message);
  }
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** @throws TypeError for an address of another origin: the key goes nowhere else */
export function addressOf(path: string, query: Query = {}): URL {
  const url = new URL(path, base);
  if (url.origin !== location.origin) throw new TypeError(`${url.origin} is not this page's origin`);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') url.searchParams.set(name, String(value));
  }
  return url;
}

/** @throws RequestFailure; DOMException AbortError */
export async function get<T>(
  path: string,
  query: Query,
  signal?: AbortSignal,
  /** Seconds; so old may the answer be, that many pages may have the same. */
  maxAge = 0,
): Promise<T> {
  const freshness = maxAge > 0 ? { 'cache-control': `max-age=${maxAge}` } : {};
  return (await send('GET', path, query, undefined, signal, freshness)).json() as Promise<T>;
}

/** @throws RequestFailure */
export async function post<T>(path: string, body: unknown): Promise<T> {
  const response = await send('POST', path, {}, body);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

export async function send(
  method: string,
  path: string,
  query: Query,
  body?: unknown,
  signal?: AbortSignal,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const sentAtMs = Date.now();
  let response: Response;
  try {
    response = await fetch(addressOf(path, query), {
      method,
      headers: {
        accept: 'application/json',
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
        ...authorization(),
      },
      credentials: 'same-origin',
      cache: 'no-store',
      redirect: 'error',
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal && { signal }),
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new RequestFailure('unreachable', 'The service does not answer.');
  }
  hearTime(response.headers.get('date'), sentAtMs, Date.now());
  if (!response.ok) throw await failureOf(response);
  return response;
}

async function failureOf(response: Response): Promise<RequestFailure> {
  const problem = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  const text = [problem['detail'], problem['message'], problem['title']].find(v => typeof v === 'string');
  const code = typeof problem['code'] === 'string' ? problem['code'] : undefined;
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  const retryAfterMs = Number.isFinite(seconds) ? seconds * 1_000 : undefined;
  const message = (text as string | undefined) ?? `The service answered ${response.status}.`;
  return new RequestFailure(kindOf(response.status), message, code, retryAfterMs);
}

function kindOf(status: number): FailureKind {
  if (status === 401) return 'unauthenticated';
  if (status === 403) return 'forbidden';
  if (status === 404) return 'not-found';
  return status === 429 || status >= 500 ? 'unavailable' : 'refused';
}
