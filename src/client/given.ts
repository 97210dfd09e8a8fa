/**
 * What a caller gives, looked at before anything is sent: a program in plain JavaScript that has no user yet would else keep the
 * facts of all such users under one named `undefined`, and be told of a service that cannot be reached where its own token
 * has a line break. No message repeats what may hold a secret.
 */
import { ApiError } from './api-error.js';
import type { ConnectorRef, CredentialRef } from './types.js';

/** The longest that a timer of every platform takes. */
const MAX_TIMEOUT_MS = 2_147_483_647;
const MAX_RETRIES = 100;

const OPTIONS = ['baseUrl', 'token', 'fetch', 'timeoutMs', 'retries', 'now'];

/** Nothing was sent. */
export const invalid = (message: string): ApiError => new ApiError(0, 'INVALID_INPUT', message);

const kindOf = (value: unknown): string => (value === null ? 'null' : typeof value);

function checkObject(name: string, value: unknown): asserts value is Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return;
  throw invalid(`${name} must be an object, got ${Array.isArray(value) ? 'an array' : kindOf(value)}`);
}

/** @returns the base, without what ends in slashes @throws ApiError `INVALID_INPUT` */
export function checkOptions(options: unknown): string {
  checkObject('the options of createClient', options);
  const unknown = Object.keys(options).find(name => !OPTIONS.includes(name));
  if (unknown !== undefined) {
    throw invalid(`createClient has no option ${JSON.stringify(unknown)}: it has ${OPTIONS.join(', ')}`);
  }
  const { token, fetch, now, timeoutMs, retries } = options;
  if (token !== undefined && typeof token !== 'function') checkToken(token);
  for (const [name, value] of Object.entries({ fetch, now })) {
    if (value !== undefined && typeof value !== 'function') {
      throw invalid(`${name} must be a function, got ${kindOf(value)}`);
    }
  }
  checkWhole('timeoutMs', timeoutMs, 1, MAX_TIMEOUT_MS);
  checkWhole('retries', retries, 0, MAX_RETRIES);
  return checkBase(options.baseUrl);
}

function checkBase(given: unknown): string {
  const url = typeof given === 'string' && URL.canParse(given) ? new URL(given) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.hostname === '') {
    throw invalid("baseUrl must be the service's http or https URL, such as https://state.example.com");
  }
  if (url.username !== '' || url.password !== '') {
    throw invalid('baseUrl must not hold a user or password, which fetch refuses: pass a token');
  }
  if (url.search !== '' || url.hash !== '') {
    throw invalid('baseUrl must not have a query or fragment, for /v1/… is put behind it');
  }
  return (given as string)
    .trim()
    .replace(/[?#]+$/, '')
    .replace(/\/+$/, '');
}

/** @throws ApiError `INVALID_INPUT`, without the token */
export function checkToken(token: unknown): asserts token is string {
  if (typeof token === 'string' && /^[\x21-\x7e]+$/.test(token)) return;
  throw invalid(
    `token must be visible ASCII characters, got ${typeof token === 'string' ? 'others, or none: look for a line break or blank at its ends' : kindOf(token)}`,
  );
}

function checkWhole(name: string, value: unknown, from: number, to: number): void {
  if (value === undefined) return;
  if (Number.isInteger(value) && (value as number) >= from && (value as number) <= to) return;
  throw invalid(`${name} must be a whole number from ${from} to ${to}, got ${String(value)}`);
}

/** @throws ApiError `INVALID_INPUT` for what could not be part of a path as it is */
export function segmentOf(name: string, value: unknown): string {
  if (typeof value !== 'string') throw invalid(`${name} must be a string, got ${kindOf(value)}`);
  // Every URL parser takes them for steps in the path, percent-encoded too.
  if (value === '.' || value === '..') {
    throw invalid(
      `${name} cannot be ${JSON.stringify(value)} in the path of a URL: states() and append() can name it`,
    );
  }
  try {
    return encodeURIComponent(value);
  } catch {
    throw invalid(`${name} must not contain half a character (an unpaired surrogate)`);
  }
}

export function connectorPath(ref: ConnectorRef): string {
  checkObject('a connector', ref);
  const { exchange, environment, userId, credentialId } = ref;
  const parts = Object.entries({ exchange, environment, userId, credentialId });
  return `/v1/connectors/${parts.map(([name, value]) => segmentOf(name, value)).join('/')}`;
}

export function credentialPath(ref: CredentialRef): string {
  checkObject('a credential', ref);
  return `/v1/users/${segmentOf('userId', ref.userId)}/credentials/${segmentOf('credentialId', ref.credentialId)}`;
}

/** @throws ApiError `INVALID_INPUT` */
export function checkHas(name: string, value: unknown, fields: readonly string[]): void {
  checkObject(name, value);
  const missing = fields.find(field => value[field] === undefined);
  if (missing !== undefined) throw invalid(`${name} must have ${fields.join(', ')}: ${missing} is missing`);
}

/** @throws ApiError `INVALID_INPUT` for what JSON cannot say */
export function toJson(body: unknown): string {
  try {
    return JSON.stringify(body);
  } catch (error) {
    throw invalid(
      `what is sent must be JSON: ${error instanceof Error ? error.name : 'it'} was thrown (a BigInt, or a circle)`,
    );
  }
}
