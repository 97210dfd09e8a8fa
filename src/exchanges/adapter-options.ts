/** What every adapter checks and completes before anything is sent. */

import { ConnectorStateError, InvalidInputError } from '../base/errors.js';
import { DEFAULT_RECV_WINDOW_MS } from '../clock/request-window.js';
import { type Exchange, parseEnvironment } from '../events/connector.js';
import { DEFAULT_BASE_URLS, parseBaseUrl, withTls } from './base-url.js';
import { parseCredentials } from './credentials.js';
import type { AdapterOptions } from './exchange-adapter.js';

export const DEFAULT_TIMEOUT_MS = 10_000;
const MAX_TIMEOUT_MS = 300_000;

export interface ExchangeDefaults {
  readonly exchange: Exchange;
  readonly maxRecvWindowMs: number;
  /** How far ahead of its clock the exchange takes a timestamp: it must be less. */
  readonly earlyLimitMs: number;
}

/** {@link AdapterOptions} with nothing left open. */
export interface AdapterSettings extends AdapterOptions {
  /** Without a slash at the end. */
  readonly baseUrl: string;
  readonly recvWindowMs: number;
  readonly lateRecvWindowMs: number;
  readonly earlyLimitMs: number;
  readonly timeoutMs: number;
}

/** @throws InvalidInputError for a malformed option; the message never repeats a credential */
export function parseAdapterOptions(options: AdapterOptions, defaults: ExchangeDefaults): AdapterSettings {
  const environment = parseEnvironment(options.environment);
  const { maxRecvWindowMs, earlyLimitMs } = defaults;
  const recvWindowMs = parseWhole(
    'recvWindowMs',
    options.recvWindowMs ?? DEFAULT_RECV_WINDOW_MS,
    maxRecvWindowMs,
  );
  return {
    environment,
    credentials: parseCredentials(options.credentials, defaults.exchange),
    baseUrl: withTls(
      parseBaseUrl(options.baseUrl ?? DEFAULT_BASE_URLS[defaults.exchange][environment]),
      options.plainHttpHosts,
    ),
    recvWindowMs,
    lateRecvWindowMs: parseWhole(
      'lateRecvWindowMs',
      options.lateRecvWindowMs ?? recvWindowMs,
      maxRecvWindowMs,
      recvWindowMs,
    ),
    earlyLimitMs,
    timeoutMs: parseWhole('timeoutMs', options.timeoutMs ?? DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS),
    agent: options.agent,
    now: options.now,
    wall: options.wall,
    timestamp: () => wholeTimestamp(options.timestamp()),
    onSample: options.onSample,
    onEdge: options.onEdge,
    onBadSample: options.onBadSample,
  };
}

export function closedError(exchange: Exchange): ConnectorStateError {
  return new ConnectorStateError('CLOSED', `this ${exchange} adapter was closed: create another one`);
}

/** A fraction would reach the header, and an exchange refuses it as malformed rather than as mistimed. */
function wholeTimestamp(value: number): number {
  if (!Number.isFinite(value)) {
    throw new InvalidInputError(`timestamp() must return epoch milliseconds, got ${value}`);
  }
  return Math.round(value);
}

function parseWhole(name: string, value: number, max: number, min = 1): number {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new InvalidInputError(
      `${name} must be a whole number of milliseconds from ${min} to ${max}, got ${value}`,
    );
  }
  return value;
}
